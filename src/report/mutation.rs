//! What a mutation run came to: for people, as a table in Markdown, as JSON and as JUnit.

use std::collections::BTreeMap;

use unicode_width::UnicodeWidthStr;

use super::console::{Loudness, Role, Style, pad, time, wrap};
use crate::mutation::record::{ClaimScore, MutantRecord, MutationRecord, Naive, Outcome, Score};
use crate::redact::{bounded, one_line};
use crate::verdict::Verdict;

mod junit;

pub use junit::junit;

/// Bytes of one text at most.
const FIELD: usize = 600;
/// Columns of mark and outcome.
const OUTCOME: usize = 12;

/// The record as JSON, pretty, with a newline at the end.
///
/// # Errors
/// When the serializer fails; writing to memory, it does not.
pub fn json(record: &MutationRecord) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_vec_pretty(record)?;
    text.push(b'\n');
    Ok(text)
}

/// The record for people: what was missed in full, and what each weakness came to.
#[must_use]
pub fn console(record: &MutationRecord, style: &Style) -> String {
    let mut page = Page { style, text: String::new() };
    if style.loudness > Loudness::Quiet {
        page.weaknesses(&record.mutants);
    }
    for mutant in record.mutants.iter().filter(|mutant| is_telling(mutant, style)) {
        page.mutant(mutant);
    }
    page.claims(&record.claims);
    for problem in record.aborted.iter().chain(&record.leftovers) {
        let text = style.paint(Role::Alarm, &one_line(&bounded(problem, FIELD)));
        page.line(&text);
    }
    let scenario = one_line(&bounded(&record.scenario, FIELD));
    let took = record.finished.duration_since(record.started).try_into().unwrap_or_default();
    page.line(&format!(
        "{}: {} in {}",
        style.paint(Role::Title, &scenario),
        score(&record.summary),
        time(took)
    ));
    page.text
}

fn is_telling(mutant: &MutantRecord, style: &Style) -> bool {
    mutant.outcome != Outcome::Killed
        || !mutant.collateral.is_empty()
        || style.loudness == Loudness::Verbose
}

/// `62 killed, 0 survived, 0 invalid, 3 skipped, 0 collateral, 0 claims unproven`.
fn score(score: &Score) -> String {
    let Score { killed, survived, invalid, skipped, collateral, unproven } = *score;
    format!(
        "{killed} killed, {survived} survived, {invalid} invalid, {skipped} skipped, \
         {collateral} collateral, {unproven} claims unproven"
    )
}

/// What the verdict of a mutant's outcome looks like.
fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Killed => Verdict::Held,
        Outcome::Survived => Verdict::Broken,
        Outcome::Invalid => Verdict::Inconclusive,
        Outcome::Skipped => Verdict::Skipped,
    }
}

/// Every weakness with its mutants, in the order in which they come first.
fn by_weakness(mutants: &[MutantRecord]) -> Vec<(&str, Vec<&MutantRecord>)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut weaknesses: Vec<(&str, Vec<&MutantRecord>)> = Vec::new();
    for mutant in mutants {
        let place = *places.entry(&mutant.weakness).or_insert_with(|| {
            weaknesses.push((&mutant.weakness, vec![]));
            weaknesses.len() - 1
        });
        weaknesses[place].1.push(mutant);
    }
    weaknesses
}

/// The worst outcome of several mutants.
fn worst(mutants: &[&MutantRecord]) -> Outcome {
    let rank = |outcome: Outcome| match outcome {
        Outcome::Killed => 0,
        Outcome::Skipped => 1,
        Outcome::Invalid => 2,
        Outcome::Survived => 3,
    };
    let outcomes = mutants.iter().map(|mutant| mutant.outcome);
    outcomes.max_by_key(|outcome| rank(*outcome)).unwrap_or(Outcome::Invalid)
}

/// What the document's commands said to a weakness, in a few words.
fn naive(mutants: &[&MutantRecord]) -> String {
    let said: Vec<&Naive> = mutants.iter().flat_map(|mutant| &mutant.documented).collect();
    let fooled = said.iter().filter(|naive| naive.verdict == Verdict::Held).count();
    match said.len() {
        0 => String::new(),
        of => format!("fooled {fooled} of {of}"),
    }
}

struct Page<'a> {
    style: &'a Style,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn weaknesses(&mut self, mutants: &[MutantRecord]) {
        let weaknesses = by_weakness(mutants);
        if weaknesses.is_empty() {
            return;
        }
        let title = self.style.paint(Role::Title, "Weaknesses put back");
        self.line(&title);
        let columns = weaknesses.iter().map(|(name, _)| name.width()).max().unwrap_or(0) + 2;
        let head = format!("  {}{}document", pad("weakness", columns), pad("stackproof", 26));
        let head = self.style.paint(Role::Aside, &head);
        self.line(&head);
        for (name, mutants) in &weaknesses {
            let worst = worst(mutants);
            let killed = mutants.iter().filter(|one| one.outcome == Outcome::Killed).count();
            let mark = self.style.mark(verdict(worst));
            let result = pad(&format!("{mark} killed {killed} of {}", mutants.len()), 26);
            let result = self.style.paint(Role::Verdict(verdict(worst)), &result);
            self.line(&format!("  {}{result}{}", pad(name, columns), naive(mutants)));
        }
        self.line("");
    }

    fn mutant(&mut self, mutant: &MutantRecord) {
        let word =
            format!("{} {}", self.style.mark(verdict(mutant.outcome)), mutant.outcome.word());
        let word = self.style.paint(Role::Verdict(verdict(mutant.outcome)), &pad(&word, OUTCOME));
        self.line(&format!("{word}{}", one_line(&bounded(&mutant.id, FIELD))));
        self.detail(&mutant.text);
        self.detail(&mutant.reason);
        for other in &mutant.collateral {
            self.detail(&format!(
                "collateral: {} of {} in claim {} broke too: {}",
                other.code, other.service, other.claim, other.message
            ));
        }
    }

    fn detail(&mut self, text: &str) {
        let columns = self.style.width.saturating_sub(OUTCOME);
        for line in wrap(&one_line(&bounded(text, FIELD)), columns) {
            self.line(&format!("{}{line}", " ".repeat(OUTCOME)));
        }
    }

    /// Claims that no mutant could break: what they are worth is not known.
    fn claims(&mut self, claims: &[ClaimScore]) {
        let verbose = self.style.loudness == Loudness::Verbose;
        for claim in claims {
            let Some(unproven) = &claim.unproven else { continue };
            if unproven.accounted && !verbose {
                continue;
            }
            let word =
                self.style.paint(Role::Verdict(Verdict::Inconclusive), &pad("unproven", OUTCOME));
            self.line(&format!("{word}{}", one_line(&bounded(&claim.claim, FIELD))));
            self.detail(&unproven.reason);
        }
    }
}

/// The weaknesses as a table in Markdown: what the document's own commands say to each, and what
/// stackproof says.
#[must_use]
pub fn markdown(record: &MutationRecord) -> String {
    let mut text = String::from(
        "| weakness | what is changed | the document's command says | stackproof says |\n\
         |---|---|---|---|\n",
    );
    for (name, mutants) in by_weakness(&record.mutants) {
        let Some(first) = mutants.first() else { continue };
        let commands: BTreeMap<&str, Vec<Verdict>> = mutants
            .iter()
            .flat_map(|mutant| &mutant.documented)
            .fold(BTreeMap::new(), |mut commands, naive| {
                let verdicts: &mut Vec<Verdict> =
                    commands.entry(naive.command.as_str()).or_default();
                verdicts.push(naive.verdict);
                commands
            });
        let said: Vec<String> = commands
            .iter()
            .map(|(command, verdicts)| {
                let fooled = verdicts.contains(&Verdict::Held);
                let word = if fooled { "**all is well**" } else { "something is wrong" };
                format!("`{}`: {word}", cell(command))
            })
            .collect();
        let said = if said.is_empty() { "has none".to_owned() } else { said.join("<br>") };
        let killed = mutants.iter().filter(|one| one.outcome == Outcome::Killed).count();
        let codes: Vec<&str> =
            first.expected.iter().map(|judged| judged.expected.code.as_str()).collect();
        let codes: std::collections::BTreeSet<&str> = codes.into_iter().collect();
        let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
        let result = match worst(&mutants) {
            Outcome::Killed => format!("broken ({codes}), {killed} of {killed}"),
            outcome => format!("{killed} of {} broken, worst {}", mutants.len(), outcome.word()),
        };
        text.push_str(&format!("| {name} | {} | {said} | {result} |\n", cell(&first.text)));
    }
    text
}

/// A text that cannot end a cell of a table.
fn cell(text: &str) -> String {
    one_line(&bounded(text, FIELD)).replace('|', "\\|")
}
