//! Problems in what the user wrote: what is wrong, where, and what to do about it.

use std::collections::HashSet;

use crate::yaml::Span;

mod render;
mod sources;

pub use render::{render, render_plain};
pub use sources::{Position, Sources};

/// More problems than anybody reads at once. A file that is made to have one in every line must
/// not keep us busy with showing them.
pub const MOST_PROBLEMS: usize = 100;
/// More words than anybody looks through.
const MOST_KNOWN: usize = 40;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// The kind of problem, a stable word in kebab-case.
    pub code: &'static str,
    /// What is wrong, in lower case and without a final period.
    pub message: String,
    /// Where; none where the problem is not in a file, as with a file that cannot be read.
    pub span: Option<Span>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Further places that belong to the problem.
    pub labels: Vec<Label>,
}

/// A further place of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there, in a few words.
    pub text: String,
}

impl Diagnostic {
    /// A problem without a place.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, message: message.into(), span: None, hint: None, labels: Vec::new() }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, span: Span) -> Diagnostic {
        self.span = Some(span);
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// Offers the known word that `word` looks most like; all of them where none looks like it.
    #[must_use]
    pub fn suggest(self, word: &str, known: &[&str]) -> Diagnostic {
        match nearest(word, known.iter().copied()) {
            Some(meant) => self.hint(format!("did you mean `{meant}`?")),
            None if known.is_empty() => self,
            None if known.len() > MOST_KNOWN => {
                let some = known.get(..MOST_KNOWN).unwrap_or_default();
                let more = known.len() - some.len();
                self.hint(format!("known here: {} and {more} more", some.join(", ")))
            }
            None => self.hint(format!("known here: {}", known.join(", "))),
        }
    }

    /// Adds a further place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// The problem on one line, `path:line:column: message`, for the record and for editors.
    #[must_use]
    pub fn line(&self, sources: &Sources) -> String {
        let message = render::harmless(&self.message);
        match self.span.and_then(|span| sources.position(span)) {
            Some(position) => format!("{position}: {message}"),
            None => message,
        }
    }
}

/// Problems as they are found, [`MOST_PROBLEMS`] of them at most. The same problem is kept once:
/// the text behind an alias is read as often as the alias is used.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<Diagnostic>,
    seen: HashSet<Diagnostic>,
    cut_short: bool,
}

impl Problems {
    /// Adds a problem.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.seen.contains(&diagnostic) {
            return;
        }
        if self.is_full() {
            self.cut_short = true;
            return;
        }
        self.seen.insert(diagnostic.clone());
        self.list.push(diagnostic);
    }

    /// Adds those that were found apart from these.
    pub fn append(&mut self, others: Problems) {
        self.cut_short |= others.cut_short;
        self.extend(others.list);
    }

    /// Says that not everything was looked at.
    pub fn cut_short(&mut self) {
        self.cut_short = true;
    }

    /// Whether no more are kept.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.list.len() >= MOST_PROBLEMS
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether any lies within `outer`. What looks absent there may only have been unreadable.
    #[must_use]
    pub fn any_within(&self, outer: Span) -> bool {
        self.list.iter().filter_map(|diagnostic| diagnostic.span).any(|span| {
            span.source == outer.source && outer.start <= span.start && span.end <= outer.end
        })
    }

    /// Whether any lies in another file than this one.
    #[must_use]
    pub fn any_outside(&self, source: usize) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.span.is_none_or(|s| s.source != source))
    }

    /// The problems in the order of the files and of the places in them. The last one says where
    /// there are more.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        // The sort is stable: problems of one place stay in the order in which they were found.
        self.list.sort_by_key(|diagnostic| {
            diagnostic.span.map_or((0, 0, 0), |span| (1, span.source, span.start))
        });
        if self.cut_short {
            let message = "there are more problems than these";
            self.list.push(Diagnostic::new("too-many-problems", message));
        }
        self.list
    }
}

impl Extend<Diagnostic> for Problems {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        for diagnostic in diagnostics {
            self.push(diagnostic);
        }
    }
}

/// The word in `known` that `word` was most likely meant to be, if any is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody has more words than this to choose from but to keep us busy.
    const MOST: usize = 1_000;
    // A long word is no typing error, and comparing it costs time.
    if word.len() > 64 {
        return None;
    }
    let word = plain(word);
    let tolerated = (word.chars().count() / 3).max(1);
    let is_near_in_length =
        |candidate: &&str| candidate.chars().count().abs_diff(word.chars().count()) <= tolerated;
    known
        .into_iter()
        .take(MOST)
        .filter(is_near_in_length)
        .map(|candidate| (strsim::osa_distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A word as it is compared: people mix case, `_` and `-` up more often than letters.
fn plain(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::swapped_letters("sevrices", Some("services"))]
    #[case::a_missing_letter("servces", Some("services"))]
    #[case::underscores("build-within", Some("build_within"))]
    #[case::upper_case("Services", Some("services"))]
    #[case::something_else("volumes", None)]
    #[case::nothing("", None)]
    fn the_nearest_word_is_offered_only_when_near(
        #[case] word: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(nearest(word, ["services", "except", "build_within"]), expected);
    }

    #[test]
    fn the_same_problem_is_kept_once() {
        let mut problems = Problems::default();
        problems.extend([Diagnostic::new("a", "x"), Diagnostic::new("a", "x")]);
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn more_problems_than_anybody_reads_are_cut_short() {
        let mut problems = Problems::default();
        problems.extend((0..MOST_PROBLEMS).map(|n| Diagnostic::new("a", n.to_string())));
        problems.push(Diagnostic::new("a", "0"));
        let whole = problems.into_sorted();
        assert_eq!(whole.len(), MOST_PROBLEMS, "the same one again is no further one");
        let mut problems = Problems::default();
        problems.extend((0..=MOST_PROBLEMS).map(|n| Diagnostic::new("a", n.to_string())));
        let cut = problems.into_sorted();
        assert_eq!(cut.len(), MOST_PROBLEMS + 1);
        assert_eq!(cut.last().map(|last| last.code), Some("too-many-problems"));
    }

    #[test]
    fn problems_are_sorted_by_file_and_place() {
        let span = |source, start| Span { source, start, end: start };
        let mut problems = Problems::default();
        problems.push(Diagnostic::new("c", "").at(span(1, 0)));
        problems.push(Diagnostic::new("b", "").at(span(0, 9)));
        problems.push(Diagnostic::new("a", "").at(span(0, 2)));
        problems.push(Diagnostic::new("z", ""));
        let codes: Vec<_> = problems.into_sorted().iter().map(|d| d.code).collect();
        assert_eq!(codes, ["z", "a", "b", "c"]);
    }

    #[test]
    fn one_line_names_the_place() {
        let mut sources = Sources::default();
        let source = sources.add("x.yaml", "a: é\nb: c\n");
        let diagnostic = Diagnostic::new("a", "is\nwrong").at(Span { source, start: 9, end: 10 });
        assert_eq!(diagnostic.line(&sources), "x.yaml:2:4: is\\nwrong");
    }

    #[test]
    fn a_place_in_no_file_is_left_out_of_the_line() {
        let sources = Sources::default();
        let nowhere = Span { source: 7, start: 3, end: 4 };
        assert_eq!(Diagnostic::new("a", "wrong").at(nowhere).line(&sources), "wrong");
    }
}
