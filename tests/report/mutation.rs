//! What a mutation run came to, in every form.

use serde_json::{Map, Value};
use stackproof::exit_code::ExitCode;
use stackproof::mutation::Expected;
use stackproof::mutation::record::{
    ClaimScore, Judged, MutantRecord, MutationRecord, Naive, Outcome, SCHEMA, Score, Unexpected,
    Unproven,
};
use stackproof::record::Summary;
use stackproof::redact::{Redactor, redact_mutation};
use stackproof::report::console::Style;
use stackproof::report::mutation::{console, json, junit, markdown};
use stackproof::verdict::Verdict;

use super::sample::at;
use super::{HOSTILE, text, xml};

fn mutant(weakness: &str, outcome: Outcome, said: &str) -> MutantRecord {
    let verdict = if outcome == Outcome::Killed { Verdict::Broken } else { Verdict::Held };
    let expected = Judged {
        claim: "api-runs-as-otis".to_owned(),
        expected: Expected {
            code: "runs-as".to_owned(),
            service: "api".to_owned(),
            because: "root".to_owned(),
            one_is_enough: false,
        },
        verdict: Some(verdict),
        message: said.to_owned(),
    };
    MutantRecord {
        id: format!("{weakness}@api"),
        weakness: weakness.to_owned(),
        text: format!("every process is {said}"),
        service: "api".to_owned(),
        outcome,
        reason: said.to_owned(),
        judged_as_created: false,
        expected: vec![expected],
        documented: vec![Naive {
            claim: "api-runs-as-otis".to_owned(),
            command: "docker exec otis-api whoami | cat".to_owned(),
            verdict: Verdict::Held,
        }],
        collateral: vec![],
        round: 1,
    }
}

fn record(mutants: Vec<MutantRecord>) -> MutationRecord {
    let unproven = Unproven { reason: "no mutant could break it".to_owned(), accounted: false };
    let claims = vec![
        ClaimScore {
            claim: "api-runs-as-otis".to_owned(),
            killed: 1,
            survived: 0,
            unsettled: 0,
            unproven: None,
        },
        ClaimScore {
            claim: "open".to_owned(),
            killed: 0,
            survived: 0,
            unsettled: 0,
            unproven: Some(unproven),
        },
    ];
    MutationRecord {
        schema: SCHEMA.to_owned(),
        run_id: "abcdefghij".to_owned(),
        scenario: "otis".to_owned(),
        started: at(0),
        finished: at(61),
        environment: Map::new(),
        possible: 276,
        unmutated: Summary::default(),
        summary: Score::of(&mutants, &claims),
        mutants,
        claims,
        aborted: None,
        leftovers: vec![],
    }
}

fn every_outcome() -> MutationRecord {
    let mut noisy = mutant("noisy", Outcome::Killed, "root");
    noisy.collateral.push(Unexpected {
        claim: "every-service-is-healthy".to_owned(),
        code: "healthy".to_owned(),
        service: "api".to_owned(),
        message: "the health check says unhealthy".to_owned(),
    });
    record(vec![
        mutant("root", Outcome::Killed, "root"),
        mutant("root-group", Outcome::Survived, "runs-as of api is held: fine"),
        mutant("privileged", Outcome::Skipped, "this host cannot start it"),
        mutant("setuid", Outcome::Invalid, "it did not land"),
        noisy,
    ])
}

#[test]
fn console_of_every_outcome() {
    insta::assert_snapshot!(console(&every_outcome(), &Style::plain()));
}

#[test]
fn markdown_of_every_outcome() {
    insta::assert_snapshot!(markdown(&every_outcome()));
}

#[test]
fn junit_has_a_case_for_each_mutant_and_each_claim_that_is_unproven() {
    let report = xml::read(&junit(&every_outcome()).unwrap());
    assert_eq!(report.counts(), "6 cases, 1 failures, 2 errors, 1 skipped");
    assert_eq!(report.suites, ["otis mutants"]);
    report.assert_consistent();
}

#[test]
fn json_is_read_back_as_it_was() {
    let record = every_outcome();
    let value: Value = serde_json::from_slice(&json(&record).unwrap()).unwrap();
    assert_eq!(value["schema"], "stackproof.mutation/1");
    let mutants = value["mutants"].as_array().unwrap();
    assert_eq!(mutants[1]["outcome"], "survived");
    assert_eq!(mutants[1]["expected"][0]["code"], "runs-as");
    assert_eq!(serde_json::from_value::<MutationRecord>(value).unwrap(), record);
}

#[test]
fn hostile_output_breaks_out_of_no_report() {
    let record = record(vec![mutant("root", Outcome::Survived, HOSTILE)]);
    let file = junit(&record).unwrap();
    xml::read(&file).assert_consistent();
    assert!(!text(file).contains("<script>"));
    let page = console(&record, &Style::plain());
    assert_eq!(page.chars().find(|&c| c.is_control() && c != '\n'), None);
    // A row stays a row.
    assert_eq!(markdown(&record).lines().count(), 3);
}

#[test]
fn secrets_are_in_no_report() {
    let secret = "hunter22";
    let mut record = record(vec![mutant("root", Outcome::Survived, secret)]);
    record.aborted = Some(secret.to_owned());
    record.leftovers = vec![secret.to_owned()];
    record.mutants[0].documented[0].command = secret.to_owned();
    let redacted = redact_mutation(record, &Redactor::new([secret.to_owned()]));
    for report in [
        text(junit(&redacted).unwrap()),
        text(json(&redacted).unwrap()),
        console(&redacted, &Style::plain()),
        markdown(&redacted),
    ] {
        assert!(!report.contains(secret), "{report}");
    }
}

#[rstest::rstest]
#[case::all_killed(&[Outcome::Killed], ExitCode::Held)]
#[case::skipped_is_no_miss(&[Outcome::Killed, Outcome::Skipped], ExitCode::Held)]
#[case::a_survivor_comes_first(&[Outcome::Invalid, Outcome::Survived], ExitCode::Broken)]
#[case::invalid(&[Outcome::Killed, Outcome::Invalid], ExitCode::Inconclusive)]
#[case::none(&[], ExitCode::NothingJudged)]
fn the_exit_code(#[case] outcomes: &[Outcome], #[case] code: ExitCode) {
    let mutants = outcomes.iter().map(|outcome| mutant("root", *outcome, "root")).collect();
    assert_eq!(ExitCode::of_mutation(&record(mutants)), code);
}
