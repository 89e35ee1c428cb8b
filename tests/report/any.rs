//! Any record at all: the reports have to cope with whatever the parts of it hold.

use proptest::prelude::*;
use stackproof::observation::{Evidence, Observation, Vantage};
use stackproof::record::DocumentedRecord;

use super::*;

/// Any text, more often than not of the kind that breaks things.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[<>&\"'\\]\\[\u{0}-\u{1f}\u{7f}-\u{9f}\u{fffe}\u{ffff}\u{202e} a-z]{0,40}",
        "[a-z-]{1,12}",
        Just(HOSTILE.to_owned()),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(vec![
        Verdict::Held,
        Verdict::Broken,
        Verdict::Inconclusive,
        Verdict::Skipped,
        Verdict::Waived,
    ])
}

fn a_check() -> impl Strategy<Value = CheckRecord> {
    let texts = (text(), text(), text(), text(), text(), text());
    (texts, verdict(), any::<u64>(), text(), text(), -9_999_999_i64..99_999_999).prop_map(
        |(texts, verdict, duration_ms, what, value, when)| {
            let (code, service, expected, observed, message, reproduce) = texts;
            let observation = Observation::at(at(when), Vantage::Image, what, value);
            let evidence = Evidence::one(observation.clone()).and(observation);
            CheckRecord {
                code,
                service,
                verdict,
                expected,
                observed,
                message,
                reproduce,
                duration_ms,
                evidence,
            }
        },
    )
}

fn a_claim() -> impl Strategy<Value = ClaimRecord> {
    let documented = (text(), text(), any::<Option<i32>>(), verdict()).prop_map(
        |(command, output, exit_code, verdict)| DocumentedRecord {
            ran: command.clone(),
            expected: output.clone(),
            command,
            exit_code,
            output,
            verdict,
        },
    );
    let checks = prop::collection::vec(a_check(), 0..3);
    (text(), text(), text(), verdict(), prop::option::of(documented), checks).prop_map(
        |(id, text, source, verdict, documented, checks)| ClaimRecord {
            source,
            documented,
            ..claim(&id, &text, verdict, checks)
        },
    )
}

fn a_record() -> impl Strategy<Value = Record> {
    let texts = (text(), text(), text(), text());
    let claims = prop::collection::vec(a_claim(), 0..4);
    (texts, claims, prop::option::of(text()), prop::collection::vec(text(), 0..2)).prop_map(
        |((scenario, run_id, key, value), claims, aborted, leftovers)| {
            let mut record = Record { run_id, aborted, leftovers, ..record(&scenario, claims) };
            record.environment.insert(key.clone(), serde_json::json!({ key: value.clone() }));
            record.changes.push(value.clone());
            record.images[0].service = value;
            record.finished = Timestamp::UNIX_EPOCH;
            record
        },
    )
}

/// The cases that a record must come to, counted apart from the reports.
fn cases(record: &Record) -> usize {
    record.claims.iter().map(|claim| claim.checks.len().max(1)).sum::<usize>()
        + usize::from(record.aborted.is_some())
        + usize::from(!record.leftovers.is_empty())
}

proptest! {
    #[test]
    fn any_records_make_a_well_formed_junit_file(records in prop::collection::vec(a_record(), 0..3)) {
        let file = junit(&records).unwrap();
        let report = xml::read(&file);
        report.assert_consistent();
        prop_assert_eq!(report.names.len(), records.iter().map(cases).sum::<usize>());
        prop_assert_eq!(report.suites.len(), records.len());
        let read_back = quick_junit::Report::deserialize(file.as_slice()).unwrap();
        prop_assert_eq!(read_back.tests, report.names.len());
        for text in &report.texts {
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
    }

    #[test]
    fn broken_checks_are_failures_one_to_one(record in a_record()) {
        let failures = record
            .claims
            .iter()
            .map(|claim| match claim.verdict {
                Verdict::Waived => 0,
                verdict if claim.checks.is_empty() => usize::from(verdict == Verdict::Broken),
                _ => claim.checks.iter().filter(|check| check.verdict == Verdict::Broken).count(),
            })
            .sum::<usize>();
        let counts = xml::read(&junit(&[record]).unwrap()).counts();
        prop_assert!(counts.contains(&format!(" {failures} failures,")), "{counts}");
    }

    #[test]
    fn any_record_is_harmless_on_a_terminal(
        record in a_record(),
        width in 0_usize..200,
        unicode in any::<bool>(),
        loudness in prop::sample::select(vec![Loudness::Quiet, Loudness::Normal, Loudness::Verbose]),
    ) {
        let page = console(&record, &Style { width, unicode, loudness, colour: false });
        prop_assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
        prop_assert!(page.ends_with('\n'));
        // Every claim that has to be looked at is on the page.
        for claim in &record.claims {
            if matches!(claim.verdict, Verdict::Broken | Verdict::Inconclusive) {
                let id = stackproof::redact::one_line(&stackproof::redact::bounded(&claim.id, 200));
                prop_assert!(page.contains(id.trim()));
            }
        }
    }

    #[test]
    fn any_record_is_read_back_as_it_was(records in prop::collection::vec(a_record(), 0..3)) {
        prop_assert_eq!(read(&json(&records).unwrap()).unwrap(), records);
    }

    #[test]
    fn a_secret_anywhere_in_a_record_is_gone(record in a_record()) {
        // The claims' texts and what was seen hold the secret; identities do not.
        let mut record = record;
        for claim in &mut record.claims {
            claim.text.push_str("s3cr3t~value");
            for check in &mut claim.checks {
                check.evidence.extend([Observation::at(
                    at(0),
                    Vantage::Engine,
                    "s3cr3t~value",
                    serde_json::json!({"s3cr3t~value": ["s3cr3t%7Evalue", "czNjcjN0fnZhbHVl"]}),
                )]);
            }
        }
        let record = redact_record(record, &Redactor::new(["s3cr3t~value".to_owned()]));
        let file = String::from_utf8(json(&[record]).unwrap()).unwrap();
        for form in ["s3cr3t~value", "s3cr3t%7Evalue", "czNjcjN0fnZhbHVl"] {
            prop_assert!(!file.contains(form));
        }
    }
}
