//! JUnit XML, for CI: a suite per scenario, a case per check.
//!
//! Cases in are cases out: nothing of a record is filtered, and a claim without checks, a run
//! that was cut short and objects left behind have cases of their own. The file stays
//! well-formed whatever a container prints: quick-junit lets U+FFFE through and drops tabs and
//! whole stretches after an unfinished escape sequence, so that all text is made printable first.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{check_name, outcome, took};
use crate::record::{CheckRecord, ClaimRecord, Record};
use crate::redact::{bounded, one_line};
use crate::verdict::Verdict;

mod body;

/// Bytes of an attribute at most. Viewers show attributes on one line.
const ATTRIBUTE: usize = 2_000;

/// The report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write JUnit XML")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The records as one JUnit file.
///
/// A broken check is a `<failure>`, an inconclusive one an `<error>`, and a skipped or waived one
/// is `<skipped>` with the reason. The case of a claim without checks is named `pending`; a run
/// that was cut short adds an error named `run`, and objects left behind one named `leftovers`.
///
/// # Errors
/// When the XML writer fails; writing to memory, it does not.
pub fn junit(records: &[Record]) -> Result<Vec<u8>, JunitError> {
    let mut report = Report::new("stackproof");
    let mut whole = Duration::ZERO;
    for record in records {
        whole = whole.saturating_add(took(record));
        report.add_test_suite(suite(record));
    }
    report.set_time(whole);
    let mut xml = Vec::new();
    report.serialize(&mut xml)?;
    Ok(xml)
}

fn suite(record: &Record) -> TestSuite {
    let mut suite = TestSuite::new(attribute(&record.scenario));
    suite.set_time(took(record));
    suite.extra.insert("timestamp".into(), timestamp(record.started).into());
    suite.add_property(("schema", attribute(&record.schema).as_str()));
    suite.add_property(("run_id", attribute(&record.run_id).as_str()));
    for (name, value) in &record.environment {
        // A string without its quotes, everything else as JSON.
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let name = format!("environment.{}", attribute(name));
        suite.add_property((name.as_str(), attribute(&value).as_str()));
    }
    for image in &record.images {
        let name = format!("image.{}", attribute(&image.service));
        let value = format!("{} {} {} bytes", image.reference, image.id, image.size_bytes);
        suite.add_property((name.as_str(), attribute(&value).as_str()));
    }
    for change in &record.changes {
        suite.add_property(("change", attribute(change).as_str()));
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for claim in &record.claims {
        if claim.checks.is_empty() {
            suite.add_test_case(without_checks(record, claim));
        }
        for check in &claim.checks {
            let mut case = case(record, claim, check);
            // A claim may ask the same of a service twice, with other parameters; readers that
            // join runs by class and name must not take one for the other.
            let same = seen.entry(format!("{}\n{}", claim.id, case.name.as_str())).or_default();
            *same += 1;
            if *same > 1 {
                case.name = format!("{} #{same}", case.name.as_str()).into();
            }
            suite.add_test_case(case);
        }
    }
    if let Some(reason) = &record.aborted {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("aborted").set_message(or(reason, "the run was cut short"));
        suite.add_test_case(case_of_run(record, "run", status));
    }
    if !record.leftovers.is_empty() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status
            .set_type("leftovers")
            .set_message(format!(
                "left behind: {}; `stackproof sweep` removes what carries our label",
                record.leftovers.len()
            ))
            .set_description(body::list(&record.leftovers));
        suite.add_test_case(case_of_run(record, "leftovers", status));
    }
    suite
}

fn case(record: &Record, claim: &ClaimRecord, check: &CheckRecord) -> TestCase {
    let verdict = outcome(claim, check);
    let text = body::check(claim, check);
    let (status, output) = match verdict {
        // A success has no body of its own, and evidence matters for what holds, too.
        Verdict::Held => (TestCaseStatus::success(), Some(text)),
        Verdict::Broken | Verdict::Inconclusive | Verdict::Skipped | Verdict::Waived => {
            let mut status = status(verdict);
            status
                .set_type(attribute(&check.code))
                .set_message(message(check, verdict))
                .set_description(text);
            (status, None)
        }
    };
    let mut case = TestCase::new(check_name(check), status);
    case.set_classname(class(record, claim));
    case.set_time(Duration::from_millis(check.duration_ms));
    if let Some(first) = check.evidence.observations().iter().map(|seen| seen.when).min() {
        case.extra.insert("timestamp".into(), timestamp(first).into());
    }
    if let Some(output) = output {
        case.set_system_out(output);
    }
    case.add_property(("check", attribute(&check.code).as_str()));
    case.add_property(("service", attribute(&check.service).as_str()));
    case.add_property(("verdict", verdict.word()));
    claim_properties(&mut case, claim);
    case
}

/// A claim that is not verified yet. Nothing was looked at, so it is never a success.
fn without_checks(record: &Record, claim: &ClaimRecord) -> TestCase {
    let verdict = match claim.verdict {
        Verdict::Held => Verdict::Inconclusive,
        verdict => verdict,
    };
    let mut status = status(verdict);
    status
        .set_type("pending")
        .set_message("no check verifies this claim yet")
        .set_description(body::pending(claim));
    let mut case = TestCase::new("pending", status);
    case.set_classname(class(record, claim));
    case.add_property(("verdict", verdict.word()));
    claim_properties(&mut case, claim);
    case
}

fn case_of_run(record: &Record, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(attribute(&record.scenario));
    case
}

fn claim_properties(case: &mut TestCase, claim: &ClaimRecord) {
    case.add_property(("claim", attribute(&claim.id).as_str()));
    case.add_property(("claim_verdict", claim.verdict.word()));
    case.add_property(("severity", claim.severity.word()));
    case.add_property(("source", attribute(&claim.source).as_str()));
    if let Some(documented) = &claim.documented {
        case.add_property(("documented_verdict", documented.verdict.word()));
        let wrong = if claim.documented_was_wrong() { "true" } else { "false" };
        case.add_property(("documented_was_wrong", wrong));
    }
}

fn status(verdict: Verdict) -> TestCaseStatus {
    match verdict {
        Verdict::Held => TestCaseStatus::success(),
        Verdict::Broken => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Skipped | Verdict::Waived => TestCaseStatus::skipped(),
    }
}

/// The message of a check. Some readers drop a failure without one, so that it is never empty.
fn message(check: &CheckRecord, verdict: Verdict) -> String {
    let message = or(&check.message, "");
    if !message.is_empty() {
        return message;
    }
    let (expected, observed) = (or(&check.expected, ""), or(&check.observed, ""));
    if expected.is_empty() && observed.is_empty() {
        verdict.word().to_owned()
    } else {
        attribute(&format!("expected {expected}, observed {observed}"))
    }
}

fn class(record: &Record, claim: &ClaimRecord) -> String {
    format!("{}.{}", attribute(&record.scenario), attribute(&claim.id))
}

/// Text for an attribute: bounded, on one line, with nothing that XML does not allow.
fn attribute(text: &str) -> String {
    one_line(&bounded(text, ATTRIBUTE))
}

/// Text for an attribute, or something else where there is none.
fn or(text: &str, otherwise: &str) -> String {
    let text = attribute(text);
    if text.is_empty() { otherwise.to_owned() } else { text }
}

/// RFC 3339 with milliseconds. quick-junit would take a time of chrono, a crate that nothing else
/// here needs.
fn timestamp(when: Timestamp) -> String {
    when.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()
}
