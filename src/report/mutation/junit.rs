//! A mutation run as JUnit: a case per mutant, and one for each claim that is unproven.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::mutation::record::{MutantRecord, MutationRecord, Outcome};
use crate::redact::{bounded, one_line};
use crate::report::junit::JunitError;

/// Bytes of a text at most.
const TEXT: usize = 2_000;

/// One suite, with a case per mutant: a survivor is a `<failure>`, an invalid mutant an `<error>`.
/// A killed mutant whose claims were not the only ones to break is a success with the collateral in
/// its output.
///
/// # Errors
/// When the XML writer fails; writing to memory, it does not.
pub fn junit(record: &MutationRecord) -> Result<Vec<u8>, JunitError> {
    let mut suite = TestSuite::new(format!("{} mutants", text(&record.scenario)));
    let took: Duration =
        record.finished.duration_since(record.started).try_into().unwrap_or_default();
    suite.set_time(took);
    suite.add_property(("schema", record.schema.as_str()));
    suite.add_property(("run_id", record.run_id.as_str()));
    for mutant in &record.mutants {
        suite.add_test_case(case(&record.scenario, mutant));
    }
    for claim in &record.claims {
        let Some(unproven) = &claim.unproven else { continue };
        let kind = if unproven.accounted {
            TestCaseStatus::skipped()
        } else {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        };
        let mut status = kind;
        status.set_type("unproven").set_message(text(&unproven.reason));
        let mut case = TestCase::new(text(&claim.claim), status);
        case.set_classname(format!("{}.unproven", text(&record.scenario)));
        suite.add_test_case(case);
    }
    if let Some(reason) = &record.aborted {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("aborted").set_message(text(reason));
        let mut case = TestCase::new("run", status);
        case.set_classname(text(&record.scenario));
        suite.add_test_case(case);
    }
    let mut report = Report::new("stackproof mutate");
    report.set_time(took);
    report.add_test_suite(suite);
    let mut xml = Vec::new();
    report.serialize(&mut xml)?;
    Ok(xml)
}

fn case(scenario: &str, mutant: &MutantRecord) -> TestCase {
    let mut status = match mutant.outcome {
        Outcome::Killed => TestCaseStatus::success(),
        Outcome::Skipped => TestCaseStatus::skipped(),
        Outcome::Survived => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Invalid => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    if mutant.outcome != Outcome::Killed {
        status.set_type(mutant.outcome.word()).set_message(text(&mutant.reason));
    }
    let mut case = TestCase::new(text(&mutant.id), status);
    case.set_classname(format!("{}.{}", text(scenario), text(&mutant.weakness)));
    case.add_property(("service", text(&mutant.service).as_str()));
    case.add_property(("change", text(&mutant.text).as_str()));
    case.add_property(("outcome", mutant.outcome.word()));
    for judged in &mutant.expected {
        let verdict = judged.verdict.map_or("not judged", |verdict| verdict.word());
        let said = format!(
            "{} of {} in claim {}: {verdict}: {}",
            judged.expected.code, judged.expected.service, judged.claim, judged.message
        );
        case.add_property(("expected", text(&said).as_str()));
    }
    for naive in &mutant.documented {
        let said = format!("{} says {}", naive.command, naive.verdict.word());
        case.add_property(("documented", text(&said).as_str()));
    }
    for other in &mutant.collateral {
        let said = format!("{} of {}: {}", other.code, other.service, other.message);
        case.add_property(("collateral", text(&said).as_str()));
    }
    case
}

fn text(text: &str) -> String {
    one_line(&bounded(text, TEXT))
}
