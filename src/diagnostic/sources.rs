//! The files that problems are in.

use crate::yaml::Span;

/// The files that were read, in the order in which they were read.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<File>,
}

#[derive(Debug, Clone)]
struct File {
    path: String,
    text: String,
}

/// A place as people write it. It displays as `path:line:column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file, relative or absolute as the user gave it.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Sources {
    /// Adds a file and says which [`Span::source`] it is.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> usize {
        self.files.push(File { path: path.into(), text: text.into() });
        self.files.len() - 1
    }

    /// The path of a file, as the user gave it.
    #[must_use]
    pub fn path(&self, source: usize) -> Option<&str> {
        self.files.get(source).map(|file| file.path.as_str())
    }

    /// The text of a file.
    #[must_use]
    pub fn text(&self, source: usize) -> Option<&str> {
        self.files.get(source).map(|file| file.text.as_str())
    }

    /// The text of a span; none where the span is not of these files.
    #[must_use]
    pub fn slice(&self, span: Span) -> Option<&str> {
        self.text(span.source)?.get(span.start..span.end)
    }

    /// Where a span begins.
    #[must_use]
    pub fn position(&self, span: Span) -> Option<Position> {
        let file = self.files.get(span.source)?;
        let before = file.text.get(..span.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some(Position { path: super::render::harmless(&file.path), line, column })
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}
