//! What the document's own commands said, beside what is the case.

use unicode_width::UnicodeWidthStr;

use super::{FIELD, Loudness, Page, Role, name, pad, wrap};
use crate::record::{ClaimRecord, DocumentedRecord, Record};
use crate::redact::{bounded, one_line};
use crate::verdict::Verdict;

/// Columns of a verdict's word and a gap.
const WORD: usize = 14;
/// Columns of `x WRONG` and a gap.
const MARK: usize = 10;
/// Columns of `expected` and a gap.
const LABEL: usize = 10;

/// The table of the claims that come with a command, and how often the commands were wrong.
/// Nothing where no claim comes with one.
pub(super) fn section(page: &mut Page<'_>, record: &Record) {
    let claims: Vec<(&ClaimRecord, &DocumentedRecord)> = record
        .claims
        .iter()
        .filter_map(|claim| claim.documented.as_ref().map(|documented| (claim, documented)))
        .collect();
    if claims.is_empty() {
        return;
    }
    let title = page.style.paint(Role::Title, "What the document's own commands said");
    page.line(&title);
    let ids = claims.iter().map(|(claim, _)| name(&claim.id).width()).max().unwrap_or(0);
    let ids = ids.max("claim".len()) + 2;
    let head = format!(
        "  {}{}{}{}command",
        " ".repeat(MARK),
        pad("claim", ids),
        pad("it said", WORD),
        pad("checks say", WORD),
    );
    let head = page.style.paint(Role::Aside, &head);
    page.line(&head);
    for (claim, documented) in &claims {
        row(page, claim, documented, ids);
    }
    let wrong = claims.iter().filter(|(claim, _)| claim.documented_was_wrong()).count();
    let of = claims.len();
    let noun = if of == 1 { "claim" } else { "claims" };
    let count = format!("the document's commands were wrong on {wrong} of {of} {noun}");
    let count = if wrong == 0 { count } else { page.style.paint(Role::Alarm, &count) };
    page.line(&format!("  {count}"));
    page.line("");
}

fn row(page: &mut Page<'_>, claim: &ClaimRecord, documented: &DocumentedRecord, ids: usize) {
    let style = page.style;
    let wrong = claim.documented_was_wrong();
    let agrees = match (documented.verdict, claim.verdict) {
        (Verdict::Held, Verdict::Held) | (Verdict::Broken, Verdict::Broken | Verdict::Waived) => {
            true
        }
        (
            Verdict::Held
            | Verdict::Broken
            | Verdict::Inconclusive
            | Verdict::Skipped
            | Verdict::Waived,
            _,
        ) => false,
    };
    let (verdict, word) = match (wrong, agrees) {
        (true, _) => (Verdict::Broken, "WRONG"),
        (false, true) => (Verdict::Held, "right"),
        (false, false) => (Verdict::Skipped, "open"),
    };
    let mark = pad(&format!("{} {word}", style.mark(verdict)), MARK);
    let mark = style.paint(Role::Verdict(verdict), &mark);
    let indent = 2 + MARK + ids + 2 * WORD;
    let command = one_line(&bounded(&documented.command, FIELD));
    let shown = style.cut(&command, style.width.saturating_sub(indent).max(20));
    page.line(&format!(
        "  {mark}{}{}{}{shown}",
        pad(&name(&claim.id), ids),
        pad(documented.verdict.word(), WORD),
        pad(claim.verdict.word(), WORD),
    ));
    // A command that misleads is worth its lines; the others are there to be recognised.
    if wrong || style.loudness == Loudness::Verbose {
        // Commands are not wrapped: they are there to be pasted.
        if shown != command {
            page.detail("command", vec![command.clone()]);
        }
        let ran = one_line(&bounded(&documented.ran, FIELD));
        if ran != command {
            page.detail("run as", vec![ran]);
        }
        let columns = style.width.saturating_sub(2 + MARK + LABEL);
        page.detail("expected", wrap(&excerpt(&documented.expected), columns));
        let exit = documented
            .exit_code
            .map_or_else(|| "did not run to its end".to_owned(), |code| format!("exit {code}"));
        let output = excerpt(&documented.output);
        let output = if output.is_empty() { "nothing" } else { &output };
        page.detail("printed", wrap(&format!("{output} ({exit})"), columns));
    }
}

/// The beginning of a text on one line. It is bounded more than elsewhere: the record has all of
/// it.
fn excerpt(text: &str) -> String {
    one_line(&bounded(text.trim(), 400))
}

impl Page<'_> {
    /// Labelled lines below a row; nothing where there is no text.
    fn detail(&mut self, label: &str, lines: Vec<String>) {
        let mut label = pad(label, LABEL);
        for line in lines {
            if line.is_empty() {
                continue;
            }
            let aside = self.style.paint(Role::Aside, &label);
            self.line(&format!("{}{aside}{line}", " ".repeat(2 + MARK)));
            label = " ".repeat(LABEL);
        }
    }
}
