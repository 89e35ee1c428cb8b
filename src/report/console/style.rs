//! How text for people looks: colour, marks, columns.

use std::time::Duration;

use anstyle::{AnsiColor, Effects};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::verdict::Verdict;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// What is wrong, and the summary.
    Quiet,
    /// Every claim on a line; what is broken or inconclusive in full.
    Normal,
    /// Every check, the evidence, the environment and what was changed for isolation.
    Verbose,
}

/// How text for people looks. The caller finds out what the terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours. Nothing is said by colour alone.
    pub colour: bool,
    /// Whether marks may leave ASCII.
    pub unicode: bool,
    /// The columns of the terminal.
    pub width: usize,
    /// How much is said.
    pub loudness: Loudness,
}

/// What a piece of text is, and so how it is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Verdict(Verdict),
    Title,
    Aside,
    Alarm,
}

impl Style {
    /// No colour, ASCII marks, 100 columns: what a file or a log can take.
    #[must_use]
    pub fn plain() -> Style {
        Style { colour: false, unicode: false, width: 100, loudness: Loudness::Normal }
    }

    pub(crate) fn paint(&self, role: Role, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match role {
            Role::Verdict(Verdict::Held) => AnsiColor::Green.on_default(),
            Role::Verdict(Verdict::Broken) | Role::Alarm => {
                AnsiColor::Red.on_default() | Effects::BOLD
            }
            Role::Verdict(Verdict::Inconclusive) => AnsiColor::Yellow.on_default(),
            Role::Verdict(Verdict::Waived) => AnsiColor::Cyan.on_default(),
            Role::Verdict(Verdict::Skipped) | Role::Aside => Effects::DIMMED.into(),
            Role::Title => Effects::BOLD.into(),
        };
        format!("{style}{text}{style:#}")
    }

    pub(crate) fn mark(&self, verdict: Verdict) -> &'static str {
        match (verdict, self.unicode) {
            (Verdict::Held, true) => "✓",
            (Verdict::Held, false) => "+",
            (Verdict::Broken, true) => "✗",
            (Verdict::Broken, false) => "x",
            (Verdict::Inconclusive, _) => "?",
            (Verdict::Skipped, _) => "-",
            (Verdict::Waived, _) => "~",
        }
    }

    /// Mark and word, painted and filled up to `columns` with spaces outside the paint.
    pub(crate) fn verdict(&self, verdict: Verdict, columns: usize) -> String {
        let text = format!("{} {verdict}", self.mark(verdict));
        fill(&self.paint(Role::Verdict(verdict), &text), columns, text.width())
    }

    /// The text cut to so many columns, with a mark where something is missing.
    pub(crate) fn cut(&self, text: &str, columns: usize) -> String {
        if text.width() <= columns {
            return text.to_owned();
        }
        let mark = if self.unicode { "…" } else { "..." };
        let mut left = columns.saturating_sub(mark.width());
        let mut cut = String::new();
        for c in text.chars() {
            let width = c.width().unwrap_or(0);
            if width > left {
                break;
            }
            left -= width;
            cut.push(c);
        }
        cut.truncate(cut.trim_end().len());
        cut + mark
    }
}

/// The text and spaces up to `columns`; a longer one is unchanged.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    fill(text, columns, text.width())
}

/// As [`pad`], for text with paint on it that is `width` columns wide.
fn fill(text: &str, columns: usize, width: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width)))
}

/// The text in lines of at most `columns`. Line feeds stay; a word that is longer than a line is
/// cut into pieces, because a hostile one must not run over the rest. Spaces at the beginning of
/// a line stay, those between words where it is broken go.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    // Below this a text is a column of letters; then the terminal may as well break it.
    let columns = columns.max(20);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut taken = 0;
        for word in paragraph.split_inclusive(' ') {
            // The space after a word may stick out.
            if taken > 0 && taken + word.trim_end().width() > columns {
                lines.push(std::mem::take(&mut line));
                taken = 0;
            }
            for c in word.chars() {
                let width = c.width().unwrap_or(0);
                if taken + width > columns && c != ' ' {
                    lines.push(std::mem::take(&mut line));
                    taken = 0;
                }
                line.push(c);
                taken += width;
            }
        }
        lines.push(line);
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// A time for people: `0.4 s`, `41.2 s`, `3 m 05 s`.
pub(crate) fn time(took: Duration) -> String {
    // What would be rounded to 60.0 s is a minute already.
    if took < Duration::from_millis(59_950) {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        let seconds = (took + Duration::from_millis(500)).as_secs();
        format!("{} m {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("one two three four five", &["one two three four", "five"])]
    #[case("one two three four fi", &["one two three four", "fi"])]
    #[case("aaaaaaaaaaaaaaaaaaaaaaaaa b", &["aaaaaaaaaaaaaaaaaaaa", "aaaaa b"])]
    #[case("  indented\nsecond", &["  indented", "second"])]
    #[case("12345678901234567890 next", &["12345678901234567890", "next"])]
    #[case("", &[""])]
    fn text_is_wrapped_at_words(#[case] text: &str, #[case] lines: &[&str]) {
        assert_eq!(wrap(text, 20), lines);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(wrap("漢字漢字漢字漢字漢字漢", 20), ["漢字漢字漢字漢字漢字", "漢"]);
        assert_eq!(Style { unicode: true, ..Style::plain() }.cut("漢字漢字", 6), "漢字…");
    }

    #[rstest]
    #[case(0, "0.0 s")]
    #[case(41_249, "41.2 s")]
    #[case(59_949, "59.9 s")]
    #[case(59_950, "1 m 00 s")]
    #[case(185_000, "3 m 05 s")]
    fn times_read_well(#[case] milliseconds: u64, #[case] text: &str) {
        assert_eq!(time(Duration::from_millis(milliseconds)), text);
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing_but_white_space(text in "[a-z漢é \n]{0,200}", columns in 0_usize..80) {
            let lines = wrap(&text, columns);
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.join("")), letters(&text));
            prop_assert!(lines.iter().all(|line| line.width() <= columns.max(20)));
        }

        #[test]
        fn cut_text_fits(text in "[a-z漢é ]{0,60}", columns in 3_usize..40) {
            prop_assert!(Style::plain().cut(&text, columns).width() <= columns);
        }
    }
}
