//! The reports, as people and machines read them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "Clippy lets tests panic, and what tests call is no test to it"
)]

use std::borrow::Cow;

use jiff::Timestamp;
use quick_xml::events::Event;
use rstest::rstest;
use serde_json::json;
use stackproof::observation::Vantage;
use stackproof::record::{CheckRecord, ClaimRecord, Record};
use stackproof::redact::{Redactor, redact_record};
use stackproof::report::console::{Loudness, Style, console, total};
use stackproof::report::json::{ReadError, json, read};
use stackproof::report::junit::junit;
use stackproof::verdict::Verdict;

#[path = "report/any.rs"]
mod any;
#[path = "report/list.rs"]
mod list;
#[path = "report/mutation.rs"]
mod mutation;
#[path = "report/sample.rs"]
mod sample;
#[path = "report/shown.rs"]
mod shown;
#[path = "report/xml.rs"]
mod xml;

use sample::{aborted, at, check, claim, record, sample, seen};

/// What containers print to break out of a report.
const HOSTILE: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}\u{1b}Pnever ended ]]> <script>alert(1)</script> \
    &amp; \"'><failure message=\"forged\"/> \0 \u{fffe}\u{ffff} \u{9b}2J \u{202e}dleh\rheld\r\n\tend";

fn hostile() -> Record {
    let mut record = aborted();
    let lossy = String::from_utf8_lossy(b"\xed\xa0\x80\xff").into_owned();
    let text = format!("{HOSTILE}{lossy}");
    record.scenario.clone_from(&text);
    record.run_id.clone_from(&text);
    record.aborted = Some(text.clone());
    record.leftovers = vec![text.clone()];
    for course in record.timeline.iter_mut().flat_map(|timeline| &mut timeline.courses) {
        course.container.clone_from(&text);
        course.unseen = Some(text.clone());
    }
    record.changes = vec![text.clone()];
    record.environment.insert(text.clone(), json!({ text.clone(): text }));
    for claim in &mut record.claims {
        claim.id.push_str(&text);
        claim.text.clone_from(&text);
        claim.source.clone_from(&text);
        if let Some(documented) = &mut claim.documented {
            documented.command.clone_from(&text);
            documented.output.clone_from(&text);
        }
        for check in &mut claim.checks {
            check.code.push_str(&text);
            check.service.clone_from(&text);
            check.observed.clone_from(&text);
            check.message.clone_from(&text);
            check.evidence = seen(Vantage::Inside, &text, json!([text]));
        }
    }
    record
}

/// The sample with a container that printed ten megabytes.
fn huge() -> Record {
    let mut record = sample();
    let text = "<é\n".repeat(2_500_000);
    let broken = &mut record.claims[1];
    if let Some(documented) = &mut broken.documented {
        documented.output.clone_from(&text);
    }
    broken.checks[1].observed.clone_from(&text);
    broken.checks[1].evidence = seen(Vantage::Inside, "the log", json!({ "log": text }));
    record
}

fn text(report: Vec<u8>) -> String {
    String::from_utf8(report).unwrap()
}

#[test]
fn junit_of_the_sample() {
    insta::assert_snapshot!(text(junit(&[sample()]).unwrap()));
}

#[test]
fn junit_of_a_run_that_was_cut_short() {
    let mut record = aborted();
    record.claims.truncate(1);
    insta::assert_snapshot!(text(junit(&[record]).unwrap()));
}

#[test]
fn junit_counts_what_is_in_it() {
    let report = xml::read(&junit(&[sample(), aborted(), record("empty", Vec::new())]).unwrap());
    assert_eq!(report.counts(), "20 cases, 2 failures, 4 errors, 6 skipped");
    assert_eq!(report.suites, ["otis", "otis", "empty"]);
    report.assert_consistent();
}

#[test]
fn no_records_are_an_empty_junit_file() {
    let report = xml::read(&junit(&[]).unwrap());
    assert_eq!(report.counts(), "0 cases, 0 failures, 0 errors, 0 skipped");
}

#[test]
fn the_same_check_twice_has_two_names() {
    let twice = vec![check("image-size", "api", Verdict::Held); 2];
    let report =
        xml::read(&junit(&[record("s", vec![claim("c", "", Verdict::Held, twice)])]).unwrap());
    assert_eq!(report.names, ["s.c image-size [api]", "s.c image-size [api] #2"]);
}

#[rstest]
#[case(Verdict::Held, "1 cases, 0 failures, 1 errors, 0 skipped")]
#[case(Verdict::Broken, "1 cases, 1 failures, 0 errors, 0 skipped")]
#[case(Verdict::Inconclusive, "1 cases, 0 failures, 1 errors, 0 skipped")]
#[case(Verdict::Skipped, "1 cases, 0 failures, 0 errors, 1 skipped")]
#[case(Verdict::Waived, "1 cases, 0 failures, 0 errors, 1 skipped")]
fn a_claim_without_checks_is_never_a_success(#[case] verdict: Verdict, #[case] counts: &str) {
    let record = record("s", vec![claim("c", "", verdict, Vec::new())]);
    assert_eq!(xml::read(&junit(&[record]).unwrap()).counts(), counts);
}

#[test]
fn a_broken_check_of_a_waived_claim_is_no_failure() {
    let checks = vec![check("image-size", "api", Verdict::Broken)];
    let record = record("s", vec![claim("c", "", Verdict::Waived, checks)]);
    let report = xml::read(&junit(&[record]).unwrap());
    assert_eq!(report.counts(), "1 cases, 0 failures, 0 errors, 1 skipped");
}

#[test]
fn a_failure_always_has_a_message() {
    let silent = CheckRecord {
        expected: String::new(),
        observed: String::new(),
        ..check("runs-as", "api", Verdict::Broken)
    };
    let record = record("s", vec![claim("c", "", Verdict::Broken, vec![silent])]);
    let file = text(junit(&[record]).unwrap());
    assert!(file.contains(r#"<failure message="broken" type="runs-as">"#), "{file}");
}

#[test]
fn hostile_output_stays_inside_its_element() {
    let file = junit(&[hostile()]).unwrap();
    let report = xml::read(&file);
    assert_eq!(report.counts(), "11 cases, 1 failures, 3 errors, 3 skipped");
    report.assert_consistent();
    let file = text(file);
    assert!(!file.contains("<script>"));
    assert!(!file.contains("]]>"));
    assert!(!file.contains("<failure message=\"forged\""));
    // What the container printed can still be read, behind an unfinished sequence, too.
    assert!(file.contains(r"\x1b]0;title\x07\x1bPnever ended"));
    assert!(file.contains(r"\u{fffe}\u{ffff}"));
    assert!(file.contains("observed:\n    \\x1b[31mred"));
}

#[test]
fn hostile_output_cannot_move_the_cursor() {
    let style = Style { loudness: Loudness::Verbose, ..Style::plain() };
    let page = console(&hostile(), &style);
    let control = page.chars().find(|&c| c.is_control() && c != '\n');
    assert_eq!(control, None);
    assert!(!page.contains('\u{202e}'));
}

#[test]
fn ten_megabytes_are_cut_with_a_visible_mark() {
    let file = junit(&[huge()]).unwrap();
    assert!(file.len() < 100_000, "{} bytes", file.len());
    xml::read(&file).assert_consistent();
    let page = console(&huge(), &Style { loudness: Loudness::Verbose, ..Style::plain() });
    assert!(page.len() < 50_000, "{} bytes", page.len());
    for report in [text(file), page] {
        assert!(report.contains("bytes more)"));
    }
}

/// The sample with a secret in every text that was read, printed or inspected.
fn leaking(secret: &str) -> Record {
    let mut record = aborted();
    record.environment.insert("proxy".into(), json!(format!("http://u:{secret}@proxy")));
    record.images[0].reference.push_str(secret);
    record.changes.push(secret.to_owned());
    record.aborted = Some(secret.to_owned());
    record.leftovers.push(secret.to_owned());
    for course in record.timeline.iter_mut().flat_map(|timeline| &mut timeline.courses) {
        course.container.push_str(secret);
        course.unseen = Some(secret.to_owned());
    }
    for claim in &mut record.claims {
        claim.text.push_str(secret);
        claim.source.push_str(secret);
        if let Some(documented) = &mut claim.documented {
            documented.command.push_str(secret);
            documented.ran.push_str(secret);
            documented.expected.push_str(secret);
            documented.output.push_str(secret);
        }
        for check in &mut claim.checks {
            check.expected.push_str(secret);
            check.observed.push_str(secret);
            check.message.push_str(secret);
            check.reproduce.push_str(secret);
            check.evidence = seen(Vantage::Engine, secret, json!([secret, { secret: 1 }]));
        }
    }
    record
}

#[test]
fn secrets_are_in_no_report() {
    let secret = "hunter22%2F";
    let record = redact_record(leaking(secret), &Redactor::new([secret.to_owned()]));
    let verbose = Style { loudness: Loudness::Verbose, ..Style::plain() };
    for report in [
        text(junit(std::slice::from_ref(&record)).unwrap()),
        text(json(std::slice::from_ref(&record)).unwrap()),
        console(&record, &verbose),
    ] {
        assert!(!report.contains("hunter22"), "{report}");
        assert!(report.contains("[redacted]"));
    }
    assert_eq!(record, leaking("[redacted]"), "nothing else has changed");
}

#[test]
fn redacting_changes_nothing_but_secrets() {
    let redactor = Redactor::new(["not in it".to_owned()]);
    assert_eq!(redact_record(aborted(), &redactor), aborted());
}

#[test]
fn one_record_is_the_object_itself() {
    let file = json(&[aborted()]).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(value["schema"], "stackproof.record/1");
    assert_eq!(file.last(), Some(&b'\n'));
    assert_eq!(read(&file).unwrap(), [aborted()]);
}

#[test]
fn several_records_are_in_an_envelope() {
    let records = [sample(), aborted()];
    let file = json(&records).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(value["schema"], "stackproof.records/1");
    assert_eq!(read(&file).unwrap(), records);
    assert_eq!(read(&json(&[]).unwrap()).unwrap(), []);
}

#[test]
fn the_record_is_unabridged_in_json() {
    for record in [hostile(), huge()] {
        assert_eq!(read(&json(std::slice::from_ref(&record)).unwrap()).unwrap(), [record]);
    }
}

#[rstest]
#[case("{}", "schema null is not known")]
#[case(r#"{"schema": "stackproof.record/2"}"#, "schema \"stackproof.record/2\" is not known")]
#[case(r#"{"schema": "stackproof.record/1"}"#, "not a record: missing field `run_id`")]
#[case("[", "not a record: EOF")]
fn what_is_no_record_is_refused(#[case] file: &str, #[case] problem: &str) {
    let error: ReadError = read(file.as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with(problem), "{error}");
}

#[test]
fn an_unknown_record_in_an_envelope_is_refused() {
    let mut other = sample();
    other.schema = "stackproof.record/9".to_owned();
    let file = json(&[sample(), other]).unwrap();
    assert!(matches!(read(&file), Err(ReadError::Schema { .. })));
}

#[test]
fn json_of_a_record() {
    let mut record = sample();
    record.claims.truncate(1);
    insta::assert_snapshot!(text(json(&[record]).unwrap()));
}

#[rstest]
#[case("plain", Style::plain())]
#[case("unicode", Style { unicode: true, ..Style::plain() })]
#[case("narrow", Style { unicode: true, width: 60, ..Style::plain() })]
#[case("colour", Style { unicode: true, colour: true, ..Style::plain() })]
#[case("quiet", Style { loudness: Loudness::Quiet, ..Style::plain() })]
#[case("verbose", Style { loudness: Loudness::Verbose, ..Style::plain() })]
fn console_of_the_sample(#[case] name: &str, #[case] style: Style) {
    let page = console(&sample(), &style);
    insta::assert_snapshot!(format!("console_{name}"), page.replace('\u{1b}', "ESC"));
}

#[test]
fn console_of_a_run_that_was_cut_short() {
    let mut record = aborted();
    record.claims.truncate(1);
    insta::assert_snapshot!(console(&record, &Style::plain()));
}

#[test]
fn nothing_is_said_by_colour_alone() {
    let style = Style { unicode: true, colour: true, ..Style::plain() };
    let painted = console(&sample(), &style);
    let plain = console(&sample(), &Style { colour: false, ..style });
    assert_eq!(anstream::adapter::strip_str(&painted).to_string(), plain);
}

#[test]
fn several_runs_have_a_total() {
    let style = Style::plain();
    assert_eq!(total(&[sample()], &style), "");
    assert_eq!(
        total(&[sample(), aborted()], &style),
        "2 scenarios: 4 held, 2 broken, 2 inconclusive, 4 skipped, 2 waived\n"
    );
}
