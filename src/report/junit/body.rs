//! The text of a case: what was expected and seen, how to see it again, and on what it rests.

use crate::record::{CheckRecord, ClaimRecord};
use crate::redact::{bounded, printable};
use crate::report::evidence_text;

/// Bytes of one field at most.
const FIELD: usize = 8_000;
/// Bytes of one observation at most.
const OBSERVATION: usize = 4_000;
/// Bytes of all observations of a check at most.
const EVIDENCE: usize = 32_000;

/// The text of a check's case.
pub(super) fn check(claim: &ClaimRecord, check: &CheckRecord) -> String {
    let mut body = String::from("\n");
    field(&mut body, "claim", &claim.text);
    field(&mut body, "expected", &check.expected);
    field(&mut body, "observed", &check.observed);
    field(&mut body, "message", &check.message);
    field(&mut body, "reproduce", &check.reproduce);
    body.push_str("evidence:\n");
    indent(&mut body, &evidence_text(&check.evidence, OBSERVATION, EVIDENCE));
    documented(&mut body, claim);
    body
}

/// The text of the case of a claim without checks.
pub(super) fn pending(claim: &ClaimRecord) -> String {
    let mut body = String::from("\n");
    field(&mut body, "claim", &claim.text);
    documented(&mut body, claim);
    body
}

/// The text of a case that is about several things.
pub(super) fn list(things: &[String]) -> String {
    let mut body = String::from("\n");
    for thing in things {
        indent(&mut body, &printable(&bounded(thing, FIELD)));
    }
    body
}

fn documented(body: &mut String, claim: &ClaimRecord) {
    let Some(documented) = &claim.documented else { return };
    field(body, "documented command", &documented.command);
    field(body, "run as", &documented.ran);
    field(body, "documented expectation", &documented.expected);
    let exit = documented.exit_code.map_or("none".to_owned(), |code| code.to_string());
    field(body, "exit code", &exit);
    field(body, "output", &documented.output);
    let said = if claim.documented_was_wrong() {
        format!("{}, which is wrong: the claim is {}", documented.verdict, claim.verdict)
    } else {
        documented.verdict.to_string()
    };
    field(body, "the document's command said", &said);
}

/// `name: text`, or the text below and indented where it has several lines.
fn field(body: &mut String, name: &str, text: &str) {
    let text = printable(&bounded(text.trim(), FIELD));
    if text.is_empty() {
        return;
    }
    body.push_str(name);
    if text.contains('\n') {
        body.push_str(":\n");
        indent(body, &text);
    } else {
        body.push_str(": ");
        body.push_str(&text);
        body.push('\n');
    }
}

fn indent(body: &mut String, text: &str) {
    for line in text.lines() {
        body.push_str("    ");
        body.push_str(line);
        body.push('\n');
    }
}
