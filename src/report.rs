//! Records to bytes. Every report is a pure function of the record: no engine, no file, no clock.
//!
//! A report never imports another one; what two of them need stands here. All text of a record
//! is hostile, also its names: it reaches a report only through [`crate::redact::bounded`] and
//! [`crate::redact::printable`]. Secrets are gone already, taken out by
//! [`crate::redact::redact_record`] before the first report is made.

use crate::observation::{Evidence, Observation, Vantage};
use crate::record::{CheckRecord, ClaimRecord, Record};
use crate::redact::{bounded, one_line, printable};
use crate::verdict::Verdict;

pub mod console;
pub mod json;
pub mod junit;
pub mod mutation;

/// What a check came to in its claim: what is broken in a waived claim is waived.
fn outcome(claim: &ClaimRecord, check: &CheckRecord) -> Verdict {
    match (claim.verdict, check.verdict) {
        (Verdict::Waived, Verdict::Broken) => Verdict::Waived,
        (_, verdict) => verdict,
    }
}

/// How long the run took; nothing where the clock was set back meanwhile.
fn took(record: &Record) -> std::time::Duration {
    record.finished.duration_since(record.started).try_into().unwrap_or_default()
}

/// `CODE [SERVICE]`, or the code alone where the check is about the whole stack.
fn check_name(check: &CheckRecord) -> String {
    let code = one_line(&bounded(&check.code, 200));
    if check.service.is_empty() {
        code
    } else {
        format!("{code} [{}]", one_line(&bounded(&check.service, 200)))
    }
}

/// The word for a vantage, as in the record.
fn vantage(vantage: Vantage) -> &'static str {
    match vantage {
        Vantage::Model => "model",
        Vantage::Engine => "engine",
        Vantage::Inside => "inside",
        Vantage::Host => "host",
        Vantage::Control => "control",
        Vantage::Image => "image",
        Vantage::Source => "source",
    }
}

/// Bytes of JSON that are shown on one line.
const ONE_LINE: usize = 80;

/// Evidence for people: a line for each observation and its values as JSON below, `each` bytes
/// of one observation and `all` bytes together at most. What is left out is counted.
fn evidence_text(evidence: &Evidence, each: usize, all: usize) -> String {
    let observations = evidence.observations();
    let mut text = String::new();
    for (shown, observation) in observations.iter().enumerate() {
        if text.len() >= all {
            text.push_str(&format!("… ({} observations more)\n", observations.len() - shown));
            break;
        }
        let Observation { vantage: from, what, when, value } = observation;
        text.push_str(&format!(
            "{}: {} ({})\n",
            vantage(*from),
            one_line(&bounded(what, 500)),
            when.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        ));
        // What is short stays on one line; everything else is laid out.
        let mut value_text = value.to_string();
        if value_text.len() > ONE_LINE {
            value_text = format!("{value:#}");
        }
        let room = each.min(all.saturating_sub(text.len()));
        for line in printable(&bounded(&value_text, room)).lines() {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}
