//! Problems in a file, with the place and the remedy, shown as rustc shows them.

use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet};

use crate::yaml::Span;

/// The files that spans point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<(String, String)>,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code, kebab-case.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// Further places, with what they have to do with it.
    pub labels: Vec<(Span, String)>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Sources {
    /// Adds a file and gives the index by which spans name it.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> usize {
        self.files.push((path.into(), text.into()));
        self.files.len() - 1
    }

    /// The path of a file, as the user gave it.
    #[must_use]
    pub fn path(&self, source: usize) -> &str {
        self.files.get(source).map_or("", |(path, _)| path)
    }

    /// The text of a file.
    #[must_use]
    pub fn text(&self, source: usize) -> &str {
        self.files.get(source).map_or("", |(_, text)| text)
    }

    /// `path:line:column` of a span's beginning, counted from one, columns in characters.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        let text = self.text(span.source);
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        format!("{}:{line}:{column}", self.path(span.source))
    }
}

impl Diagnostic {
    /// A problem without a place.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, message: message.into(), span: None, labels: vec![], hint: None }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, span: Span) -> Diagnostic {
        self.span = Some(span);
        self
    }

    /// Adds a place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push((span, text.into()));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do, where that is known.
    #[must_use]
    pub fn hint_if(mut self, hint: Option<String>) -> Diagnostic {
        self.hint = self.hint.or(hint);
        self
    }

    /// The problem on one line, for the record.
    #[must_use]
    pub fn line(&self, sources: &Sources) -> String {
        match self.span {
            Some(span) => format!("{}: {}", sources.place(span), self.message),
            None => self.message.clone(),
        }
    }
}

/// Shows problems in the order of their places, and a closing line that counts them.
#[must_use]
pub fn render(
    sources: &Sources,
    diagnostics: &[Diagnostic],
    about: &dyn std::fmt::Display,
) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| diagnostic.span.map(|span| (span.source, span.start)));
    let mut text = String::new();
    for diagnostic in &sorted {
        text.push_str(&render_one(sources, diagnostic));
        text.push_str("\n\n");
    }
    let count = sorted.len();
    let plural = if count == 1 { "problem" } else { "problems" };
    text.push_str(&format!("error: {about}: {count} {plural}\n"));
    text
}

fn render_one(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let mut spans: Vec<(Span, Option<&str>)> = Vec::new();
    spans.extend(diagnostic.span.map(|span| (span, None)));
    spans.extend(diagnostic.labels.iter().map(|(span, words)| (*span, Some(words.as_str()))));
    let mut files: Vec<usize> = Vec::new();
    for (span, _) in &spans {
        if !files.contains(&span.source) {
            files.push(span.source);
        }
    }
    let texts: Vec<String> = files.iter().map(|file| harmless(sources.text(*file))).collect();
    let mut elements: Vec<Element> = Vec::new();
    for (file, text) in files.iter().zip(&texts) {
        let mut snippet = Snippet::source(text).path(sources.path(*file));
        for (span, words) in spans.iter().filter(|(span, _)| span.source == *file) {
            let annotation = match words {
                None => AnnotationKind::Primary.span(span.range(text)),
                Some(words) => AnnotationKind::Context.span(span.range(text)).label(*words),
            };
            snippet = snippet.annotation(annotation);
        }
        elements.push(snippet.into());
    }
    if let Some(hint) = &diagnostic.hint {
        elements.push(Level::HELP.message(hint).into());
    }
    let title = Level::ERROR.primary_title(&diagnostic.message).id(diagnostic.code);
    Renderer::plain().render(&[title.elements(elements)])
}

/// Control characters would reach the terminal with the quoted line. Each is replaced by one of
/// the same length, so that the positions stay right.
fn harmless(text: &str) -> String {
    text.chars()
        .map(
            |c| if c.is_control() && c != '\n' && c != '\t' && c.len_utf8() == 1 { '?' } else { c },
        )
        .collect()
}
