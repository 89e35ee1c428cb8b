//! The record for people on a terminal.
//!
//! Calm and dense: a line for each claim, and room only for what is wrong. A verdict is a mark
//! and a word, never a colour alone.

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::{check_name, evidence_text, outcome, took};
use crate::record::{CheckRecord, ClaimRecord, Record, Summary};
use crate::redact::{bounded, one_line, printable};
use crate::verdict::Verdict;

mod documented;
mod list;
mod style;

pub use list::list;
pub use style::{Loudness, Style};
pub(crate) use style::{Role, pad, time, wrap};

/// Bytes of one field at most.
const FIELD: usize = 2_000;
/// Lines of one field at most.
const LINES: usize = 60;
/// Bytes of one observation at most.
const OBSERVATION: usize = 1_000;
/// Bytes of all observations of a check at most.
const EVIDENCE: usize = 8_000;
/// Bytes of a name at most.
const NAME: usize = 200;
/// Columns of mark and word: `? inconclusive` and a gap.
const VERDICT: usize = 16;
/// Columns of the names of fields: `reproduce` and a gap.
const FIELD_NAME: usize = 11;
/// Columns of a claim's id at most; a longer one pushes its text to the right.
const ID: usize = 40;

/// The record of one run. Where the reports were written is for the caller to say.
#[must_use]
pub fn console(record: &Record, style: &Style) -> String {
    let mut page = Page { style, text: String::new() };
    if style.loudness > Loudness::Quiet {
        page.header(record);
    }
    let ids = record.claims.iter().map(|claim| name(&claim.id).width()).max().unwrap_or(0).min(ID);
    let shown: Vec<&ClaimRecord> = record
        .claims
        .iter()
        .filter(|claim| style.loudness > Loudness::Quiet || is_wrong(claim.verdict))
        .collect();
    // What was not looked at needs a line for all of it, not one for each.
    let verbose = style.loudness == Loudness::Verbose;
    let (unseen, seen): (Vec<&ClaimRecord>, Vec<&ClaimRecord>) = shown
        .iter()
        .partition(|claim| !verbose && (claim.was_not_asked() || claim.was_not_reached()));
    for claim in &seen {
        page.claim(claim, ids);
    }
    page.unseen(&unseen, seen.is_empty());
    if !shown.is_empty() {
        page.line("");
    }
    if style.loudness > Loudness::Quiet {
        documented::section(&mut page, record);
    }
    if style.loudness == Loudness::Verbose {
        page.background(record);
    }
    page.problems(record);
    let summary = format!(
        "{}: {} in {}",
        style.paint(Role::Title, &name(&record.scenario)),
        counts(&Summary::of(&record.claims), style),
        time(took(record)),
    );
    page.line(&summary);
    page.text
}

/// One line for several runs together; empty where there is only one, whose own summary says it.
#[must_use]
pub fn total(records: &[Record], style: &Style) -> String {
    if records.len() < 2 {
        return String::new();
    }
    let mut sum = Summary::default();
    for record in records {
        let Summary { held, broken, inconclusive, skipped, waived } = Summary::of(&record.claims);
        sum.held += held;
        sum.broken += broken;
        sum.inconclusive += inconclusive;
        sum.skipped += skipped;
        sum.waived += waived;
    }
    let scenarios = style.paint(Role::Title, &format!("{} scenarios", records.len()));
    format!("{scenarios}: {}\n", counts(&sum, style))
}

/// Whether a verdict has to be looked at.
fn is_wrong(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Broken | Verdict::Inconclusive => true,
        Verdict::Held | Verdict::Skipped | Verdict::Waived => false,
    }
}

/// `31 held, 2 broken, 0 inconclusive, 9 skipped`, and waived claims where there are some.
fn counts(summary: &Summary, style: &Style) -> String {
    let Summary { held, broken, inconclusive, skipped, waived } = *summary;
    let mut parts = vec![
        (Verdict::Held, held),
        (Verdict::Broken, broken),
        (Verdict::Inconclusive, inconclusive),
        (Verdict::Skipped, skipped),
    ];
    if waived > 0 {
        parts.push((Verdict::Waived, waived));
    }
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(verdict, count)| {
            let text = format!("{count} {verdict}");
            // What did not happen needs no colour.
            if count == 0 { text } else { style.paint(Role::Verdict(verdict), &text) }
        })
        .collect();
    parts.join(", ")
}

/// A name on one line.
fn name(text: &str) -> String {
    one_line(&bounded(text, NAME))
}

/// Text under construction.
struct Page<'s> {
    style: &'s Style,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn header(&mut self, record: &Record) {
        let mut facts = vec![format!("run {}", name(&record.run_id))];
        for (key, word) in [
            ("engine", "engine"),
            ("compose", "compose"),
            ("cgroup", "cgroup"),
            ("kernel", "kernel"),
        ] {
            match record.environment.get(key) {
                None | Some(Value::Null) => {}
                Some(Value::String(fact)) => {
                    facts.push(format!("{word} {}", one_line(&bounded(fact, 60))));
                }
                Some(fact) => {
                    facts.push(format!("{word} {}", one_line(&bounded(&fact.to_string(), 60))));
                }
            }
        }
        let title = self.style.paint(Role::Title, &name(&record.scenario));
        let facts = self.style.paint(Role::Aside, &facts.join(", "));
        self.line(&format!("{title}  {facts}"));
        self.line("");
    }

    fn claim(&mut self, claim: &ClaimRecord, ids: usize) {
        let verdict = self.style.verdict(claim.verdict, VERDICT);
        let id = pad(&name(&claim.id), ids);
        let indent = VERDICT + id.width() + 2;
        let text = one_line(&bounded(&claim.text, FIELD));
        let columns = self.style.width.saturating_sub(indent).max(20);
        // The text of what is well is there to be recognised; the record has all of it.
        let whole = is_wrong(claim.verdict) || self.style.loudness == Loudness::Verbose;
        let lines = if whole { wrap(&text, columns) } else { vec![self.style.cut(&text, columns)] };
        let mut lines = lines.into_iter();
        self.line(&format!("{verdict}{id}  {}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("{}{line}", " ".repeat(indent)));
        }
        if is_wrong(claim.verdict) {
            let source =
                format!("{}, {}", claim.severity.word(), one_line(&bounded(&claim.source, FIELD)));
            let source = self.style.paint(Role::Aside, &source);
            self.line(&format!("{}{source}", " ".repeat(VERDICT)));
        } else if let Some(reason) = reason(claim) {
            for line in wrap(&reason, self.style.width.saturating_sub(indent)) {
                let line = self.style.paint(Role::Aside, &line);
                self.line(&format!("{}{line}", " ".repeat(indent)));
            }
        }
        for check in &claim.checks {
            let verdict = outcome(claim, check);
            if is_wrong(verdict) {
                self.finding(check, verdict);
            } else if self.style.loudness == Loudness::Verbose {
                self.remark(check, verdict);
            }
        }
    }

    /// The claims that were not looked at: those that the run did not come to with their ids,
    /// unless that is all of them.
    fn unseen(&mut self, claims: &[&ClaimRecord], nothing_else: bool) {
        let (unreached, unasked): (Vec<&ClaimRecord>, Vec<&ClaimRecord>) =
            claims.iter().partition(|claim| claim.was_not_reached());
        let count = |claims: &[&ClaimRecord]| match claims.len() {
            1 => "1 claim was".to_owned(),
            count => format!("{count} claims were"),
        };
        if !unreached.is_empty() {
            let mut text = format!("{} not reached", count(&unreached));
            if !nothing_else {
                let ids: Vec<String> = unreached.iter().map(|claim| name(&claim.id)).collect();
                text.push_str(&format!(": {}", bounded(&ids.join(", "), FIELD)));
            }
            self.remark_on(Verdict::Inconclusive, &text);
        }
        if !unasked.is_empty() {
            let mut reasons: Vec<String> = unasked.iter().filter_map(|c| reason(c)).collect();
            reasons.dedup();
            let text = format!("{} {}", count(&unasked), reasons.join("; "));
            self.remark_on(Verdict::Skipped, &text);
        }
    }

    fn remark_on(&mut self, verdict: Verdict, text: &str) {
        let verdict = self.style.verdict(verdict, VERDICT);
        let mut lines = wrap(text, self.style.width.saturating_sub(VERDICT)).into_iter();
        self.line(&format!("{verdict}{}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("{}{line}", " ".repeat(VERDICT)));
        }
    }

    /// A check that is broken or inconclusive, in full.
    fn finding(&mut self, check: &CheckRecord, verdict: Verdict) {
        let verdict = self.style.verdict(verdict, 0);
        self.line(&format!("    {verdict}: {}", check_name(check)));
        self.field("expected", &check.expected, FIELD);
        self.field("observed", &check.observed, FIELD);
        self.field("message", &check.message, FIELD);
        self.field("reproduce", &check.reproduce, FIELD);
        if self.style.loudness == Loudness::Verbose {
            let evidence = evidence_text(&check.evidence, OBSERVATION, EVIDENCE);
            self.field("evidence", &evidence, 2 * EVIDENCE);
        }
    }

    /// A check that needs no attention, on a line.
    fn remark(&mut self, check: &CheckRecord, verdict: Verdict) {
        let verdict = self.style.verdict(verdict, 0);
        let said = if check.observed.is_empty() { &check.message } else { &check.observed };
        let took = time(std::time::Duration::from_millis(check.duration_ms));
        let line = format!("{}: {} ({took})", check_name(check), one_line(&bounded(said, FIELD)));
        let mut lines = wrap(&line, self.style.width.saturating_sub(8)).into_iter();
        self.line(&format!("    {verdict} {}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("        {line}"));
        }
    }

    /// A named text of at most `max` bytes below a check; nothing where there is none.
    fn field(&mut self, name: &str, text: &str, max: usize) {
        let text = printable(&bounded(text.trim(), max));
        if text.is_empty() {
            return;
        }
        let indent = 6 + FIELD_NAME;
        let mut lines = if name == "reproduce" {
            // A command that is to be pasted must not be broken.
            text.lines().map(str::to_owned).collect()
        } else {
            wrap(&text, self.style.width.saturating_sub(indent))
        };
        // Few bytes can be many lines.
        if lines.len() > LINES {
            let more = lines.len() - LINES;
            lines.truncate(LINES);
            lines.push(format!("… ({more} lines more)"));
        }
        let mut label = pad(name, FIELD_NAME);
        for line in lines {
            let aside = self.style.paint(Role::Aside, &label);
            self.line(&format!("      {aside}{line}"));
            label = " ".repeat(FIELD_NAME);
        }
    }

    /// What a reviewer wants to know besides the claims.
    fn background(&mut self, record: &Record) {
        self.section("Changed in the Compose model to keep this run apart", &record.changes);
        let environment: Vec<String> = record
            .environment
            .iter()
            .map(|(key, value)| match value {
                Value::Null => format!("{key}: not known"),
                Value::String(fact) => format!("{key}: {fact}"),
                fact => format!("{key}: {fact}"),
            })
            .collect();
        self.section("Environment", &environment);
        let images: Vec<String> = record
            .images
            .iter()
            .map(|image| {
                format!(
                    "{}: {} {} {} bytes",
                    image.service, image.reference, image.id, image.size_bytes
                )
            })
            .collect();
        self.section("Images", &images);
    }

    fn section(&mut self, title: &str, things: &[String]) {
        if things.is_empty() {
            return;
        }
        let title = self.style.paint(Role::Title, title);
        self.line(&title);
        for thing in things {
            self.item(thing, 2);
        }
        self.line("");
    }

    /// One thing of a list, its further lines indented by two more.
    fn item(&mut self, thing: &str, indent: usize) {
        let thing = one_line(&bounded(thing, FIELD));
        for (at, line) in
            wrap(&thing, self.style.width.saturating_sub(indent + 2)).into_iter().enumerate()
        {
            let further = if at == 0 { 0 } else { 2 };
            self.line(&format!("{}{line}", " ".repeat(indent + further)));
        }
    }

    /// What went wrong with the run itself, right above the summary, where it is read.
    fn problems(&mut self, record: &Record) {
        if let Some(reason) = &record.aborted {
            let title = self.style.paint(Role::Alarm, "! the run was cut short");
            self.line(&title);
            self.item(reason, 4);
            self.line("");
        }
        if !record.leftovers.is_empty() {
            let count = record.leftovers.len();
            let title = if count == 1 {
                "! 1 object was left behind; `stackproof sweep` removes it".to_owned()
            } else {
                format!("! {count} objects were left behind; `stackproof sweep` removes them")
            };
            let title = self.style.paint(Role::Alarm, &title);
            self.line(&title);
            for leftover in &record.leftovers {
                self.item(leftover, 4);
            }
            self.line("");
        }
    }
}

/// Why a claim is skipped or waived: what its checks say, each once.
fn reason(claim: &ClaimRecord) -> Option<String> {
    if !matches!(claim.verdict, Verdict::Skipped | Verdict::Waived) {
        return None;
    }
    if claim.checks.is_empty() {
        return Some("no check verifies this claim yet".to_owned());
    }
    let mut reasons: Vec<String> = Vec::new();
    for check in claim.checks.iter().filter(|check| outcome(claim, check) == claim.verdict) {
        let reason = one_line(&bounded(&check.message, FIELD));
        if !reason.is_empty() && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
