//! Problems as rustc shows them: the line, the column and a caret.

use std::fmt::{Display, Write as _};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Position, Sources};
use crate::yaml::Span;

/// Shows the problems of `subject` in colour, each with its lines, and how many there are. A
/// writer such as `anstream` takes the colour out where it is not wanted.
#[must_use]
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], subject: &dyn Display) -> String {
    show(&Renderer::styled(), sources, diagnostics, subject)
}

/// Shows the problems of `subject` without colour.
#[must_use]
pub fn render_plain(
    sources: &Sources,
    diagnostics: &[Diagnostic],
    subject: &dyn Display,
) -> String {
    show(&Renderer::plain(), sources, diagnostics, subject)
}

fn show(
    renderer: &Renderer,
    sources: &Sources,
    diagnostics: &[Diagnostic],
    subject: &dyn Display,
) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        let group = group(sources, diagnostic);
        // Writing to a string cannot fail.
        let _ = write!(text, "{}\n\n", renderer.render(&[group]));
    }
    let count = diagnostics.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let total = format!("{}: {count} {noun}", harmless(&subject.to_string()));
    let total = Group::with_title(Level::ERROR.primary_title(total));
    let _ = writeln!(text, "{}", renderer.render(&[total]));
    text
}

fn group<'a>(sources: &'a Sources, diagnostic: &'a Diagnostic) -> Group<'a> {
    let title = Level::ERROR.primary_title(harmless(&diagnostic.message)).id(diagnostic.code);
    let mut excerpts: Vec<Excerpt<'a>> = Vec::new();
    for (span, kind, label) in places(diagnostic) {
        match excerpts.iter_mut().find(|excerpt| excerpt.source == span.source) {
            Some(excerpt) => excerpt.add(span, kind, label),
            None => excerpts.extend(Excerpt::new(sources, span, kind, label)),
        }
    }
    let group = Group::with_title(title).elements(excerpts.into_iter().map(Excerpt::element));
    match &diagnostic.hint {
        Some(hint) => group.element(Level::HELP.message(harmless(hint))),
        None => group,
    }
}

/// The places of a problem, the main one first.
fn places(diagnostic: &Diagnostic) -> impl Iterator<Item = (Span, AnnotationKind, Option<&str>)> {
    let main = diagnostic.span.map(|span| (span, AnnotationKind::Primary, None));
    let labels = diagnostic.labels.iter();
    main.into_iter().chain(labels.map(|l| (l.span, AnnotationKind::Context, Some(l.text.as_str()))))
}

/// The lines of one file that a problem is about.
struct Excerpt<'a> {
    source: usize,
    path: &'a str,
    text: &'a str,
    /// Where the first of the marks is.
    position: Option<Position>,
    marks: Vec<Mark<'a>>,
}

struct Mark<'a> {
    range: Range<usize>,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

/// So many lines around a marked one may be shown.
const CONTEXT: usize = 2;
/// A longer line, in bytes, is not written by a person.
const LONGEST_LINE: usize = 4096;

impl<'a> Excerpt<'a> {
    /// An excerpt with one mark. A span that is in no file has none: the message still says what
    /// is wrong.
    fn new(
        sources: &'a Sources,
        span: Span,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Option<Excerpt<'a>> {
        let (path, text) = (sources.path(span.source)?, sources.text(span.source)?);
        let position = sources.position(span);
        let mut excerpt = Excerpt { source: span.source, path, text, position, marks: Vec::new() };
        excerpt.add(span, kind, label);
        Some(excerpt)
    }

    fn add(&mut self, span: Span, kind: AnnotationKind, label: Option<&'a str>) {
        self.marks.push(Mark { range: first_line(self.text, span), kind, label });
    }

    /// The marked lines for the renderer, which reads all that it gets, however long: of lines
    /// far from any mark it gets the ends only, and of lines that nobody can read only the place.
    fn element(mut self) -> Element<'a> {
        let path = harmless(self.path);
        let marked: Vec<usize> =
            self.marks.iter().map(|mark| self.line(mark.range.start)).collect();
        let (first, last) = (marked.iter().min(), marked.iter().max());
        let (first, last) = (first.copied().unwrap_or(0), last.copied().unwrap_or(0));
        let is_near = |line: usize| marked.iter().any(|near| near.abs_diff(line) <= CONTEXT);
        let mut kept = String::new();
        let mut start = 0;
        for (line, text) in self.text.split('\n').enumerate().take(last + 1) {
            if line > first {
                kept.push('\n');
            }
            for (mark, _) in self.marks.iter_mut().zip(&marked).filter(|(_, at)| **at == line) {
                let (from, to) = (mark.range.start - start, mark.range.end - start);
                mark.range = kept.len() + from..kept.len() + to;
            }
            if line >= first && is_near(line) {
                if text.len() > LONGEST_LINE {
                    return self.origin(path);
                }
                kept.push_str(text.strip_suffix('\r').unwrap_or(text));
            }
            start += text.len() + 1;
        }
        let marks = self.marks.into_iter();
        let marks = marks.map(|mark| mark.kind.span(mark.range).label(mark.label.map(harmless)));
        Snippet::source(shown(kept)).line_start(first + 1).path(path).annotations(marks).into()
    }

    /// The place alone.
    fn origin(&self, path: String) -> Element<'a> {
        let origin = Origin::path(path);
        let position = self.position.as_ref();
        position.map_or(origin.clone(), |p| origin.line(p.line).char_column(p.column)).into()
    }

    fn line(&self, offset: usize) -> usize {
        self.text.get(..offset).map_or(0, |before| before.matches('\n').count())
    }
}

/// The part of a span that is on its first line: a caret under a whole mapping tells less than
/// one under its beginning.
fn first_line(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.floor_char_boundary(span.end).max(start);
    let line = text.get(start..end).and_then(|part| part.lines().next()).unwrap_or_default();
    start..start + line.trim_end().len()
}

/// The source with what could change a terminal or hide itself made visible. Every replacement
/// is as long as what it replaces, so that the spans stay true; `annotate-snippets` itself sees to
/// the ASCII control characters and to the bidirectional ones.
fn shown(text: String) -> String {
    if !text.contains(is_hidden) {
        return text;
    }
    let replaced = text.chars().map(|c| match (is_hidden(c), c.len_utf8()) {
        (true, 2) => '\u{bf}',
        (true, 3) => char::REPLACEMENT_CHARACTER,
        (true, 4) => '\u{1fbc4}',
        _ => c,
    });
    replaced.collect()
}

/// Characters above ASCII that a terminal acts on or shows as nothing.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A text for a message: anything that a terminal would act on is written out.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_hidden(c) {
            harmless.extend(c.escape_default());
        } else {
            harmless.push(c);
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, range: Range<usize>) -> String {
        let mut sources = Sources::default();
        let source = sources.add("dir/x.yaml", text);
        let span = Span { source, start: range.start, end: range.end };
        let diagnostic = Diagnostic::new("wrong", "this is wrong").at(span).hint("put it right");
        render_plain(&sources, &[diagnostic], &"dir/x.yaml")
    }

    #[test]
    fn a_problem_is_shown_with_its_line_a_caret_and_the_help() {
        insta::assert_snapshot!(one("a: 1\nb: xyz\n", 8..11), @r"
        error[wrong]: this is wrong
         --> dir/x.yaml:2:4
          |
        2 | b: xyz
          |    ^^^
          |
          = help: put it right

        error: dir/x.yaml: 1 problem
        ");
    }

    #[test]
    fn only_the_first_line_of_a_long_span_is_underlined() {
        insta::assert_snapshot!(one("a:\n  b: 1\n  c: 2\n", 5..16), @r"
        error[wrong]: this is wrong
         --> dir/x.yaml:2:3
          |
        2 |   b: 1
          |   ^^^^
          |
          = help: put it right

        error: dir/x.yaml: 1 problem
        ");
    }

    #[test]
    fn carets_stand_under_wide_characters_and_after_tabs() {
        insta::assert_snapshot!(one("a: \t\"漢字\" # é\n", 4..12), @r#"
        error[wrong]: this is wrong
         --> dir/x.yaml:1:5
          |
        1 | a:     "漢字" # é
          |        ^^^^^^
          |
          = help: put it right

        error: dir/x.yaml: 1 problem
        "#);
    }

    #[test]
    fn labels_show_further_places_also_in_other_files() {
        let mut sources = Sources::default();
        let a = sources.add("a.yaml", "x: 1\ny: 2\n");
        let b = sources.add("b.yaml", "z: 3\n");
        let diagnostic = Diagnostic::new("twice", "said twice")
            .at(Span { source: a, start: 5, end: 6 })
            .label(Span { source: a, start: 0, end: 1 }, "first here")
            .label(Span { source: b, start: 0, end: 1 }, "and here");
        insta::assert_snapshot!(render_plain(&sources, &[diagnostic], &"a.yaml"), @r"
        error[twice]: said twice
         --> a.yaml:2:1
          |
        1 | x: 1
          | - first here
        2 | y: 2
          | ^
          |
         ::: b.yaml:1:1
          |
        1 | z: 3
          | - and here

        error: a.yaml: 1 problem
        ");
    }

    #[test]
    fn a_problem_without_a_place_has_a_title_only() {
        let diagnostic = Diagnostic::new("missing-file", "cannot read `x`");
        let text = render_plain(&Sources::default(), &[diagnostic], &"x");
        assert_eq!(text, "error[missing-file]: cannot read `x`\n\nerror: x: 1 problem\n");
    }

    #[test]
    fn colour_is_added_by_the_other_renderer_only() {
        let diagnostic = [Diagnostic::new("a", "b")];
        assert!(render(&Sources::default(), &diagnostic, &"x").contains('\u{1b}'));
        assert!(!render_plain(&Sources::default(), &diagnostic, &"x").contains('\u{1b}'));
        let coloured = render(&Sources::default(), &diagnostic, &"x");
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(stripped, render_plain(&Sources::default(), &diagnostic, &"x"));
    }

    #[test]
    fn control_characters_of_the_source_reach_no_terminal() {
        let hostile = "a: \u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{7}\u{e0041}\r x\n";
        let mut sources = Sources::default();
        let source = sources.add("\u{1b}]0;x\u{7}.yaml", hostile);
        let span = Span { source, start: 0, end: hostile.len() };
        let diagnostic = Diagnostic::new("a", hostile).at(span).hint(hostile).label(span, hostile);
        let text = render_plain(&sources, &[diagnostic], &hostile);
        let active = |c: char| (c.is_control() && c != '\n') || is_hidden(c);
        assert!(!text.contains(active), "{text:?}");
    }

    #[test]
    fn the_end_of_a_file_can_be_shown() {
        insta::assert_snapshot!(one("a: 1\n", 5..5), @r"
        error[wrong]: this is wrong
         --> dir/x.yaml:2:1
          |
        2 |
          | ^
          |
          = help: put it right

        error: dir/x.yaml: 1 problem
        ");
    }

    #[test]
    fn a_line_that_nobody_can_read_is_not_shown() {
        let text = format!("a: b\n{}", "x ".repeat(5_000));
        insta::assert_snapshot!(one(&text, 1_005..1_007), @r"
        error[wrong]: this is wrong
        --> dir/x.yaml:2:1001
         = help: put it right

        error: dir/x.yaml: 1 problem
        ");
    }

    #[test]
    fn lines_between_far_places_are_left_out() {
        let mut sources = Sources::default();
        let text = format!("a: 1\nb: 2\n{}c: 3\nd: 4\n", "x: y\n".repeat(100_000));
        let source = sources.add("x.yaml", text.as_str());
        let end = text.len() - 5;
        let diagnostic = Diagnostic::new("far", "far apart")
            .at(Span { source, start: end, end: end + 4 })
            .label(Span { source, start: 5, end: 6 }, "from here");
        insta::assert_snapshot!(render_plain(&sources, &[diagnostic], &"x.yaml"), @r"
        error[far]: far apart
              --> x.yaml:100004:1
               |
             2 | b: 2
               | - from here
        ...
        100004 | d: 4
               | ^^^^

        error: x.yaml: 1 problem
        ");
    }

    #[test]
    fn a_span_beyond_the_text_is_no_panic() {
        for (start, end) in [(0, 99), (98, 99), (3, 1), (4, 5)] {
            let text = one("é: é", Range { start, end });
            assert!(text.starts_with("error[wrong]"), "{text}");
        }
    }
}
