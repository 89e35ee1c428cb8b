//! Why a node could not be read.

use std::fmt::Display;

use super::super::span::Span;
use crate::diagnostic::Diagnostic;

/// Why a node could not be read, as far as the reader is concerned.
#[derive(Debug)]
pub(super) enum Error {
    /// A problem that is not reported yet. Without a span it is about the node that is read.
    Problem(Box<Diagnostic>),
    /// The struct lacks a key. Reported by whoever reads the struct.
    Missing(&'static str),
    /// The node is done with: it was reported, and nothing can be made of it.
    Faulty,
    /// Something below was found out; the next pass gets further.
    Again,
}

impl Error {
    pub(super) fn problem(diagnostic: Diagnostic) -> Error {
        Error::Problem(Box::new(diagnostic))
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Error {
        self.map(|diagnostic| diagnostic.hint(hint))
    }

    pub(super) fn at(self, span: Span) -> Error {
        self.map(|diagnostic| diagnostic.at(span))
    }

    fn map(self, change: impl FnOnce(Diagnostic) -> Diagnostic) -> Error {
        match self {
            Error::Problem(diagnostic) => Error::problem(change(*diagnostic)),
            Error::Missing(_) | Error::Faulty | Error::Again => self,
        }
    }
}

impl serde::de::Error for Error {
    /// Types of ours say in a sentence what is wrong with a value.
    fn custom<T: Display>(message: T) -> Error {
        Error::problem(Diagnostic::new("wrong-value", message.to_string()))
    }

    fn missing_field(field: &'static str) -> Error {
        Error::Missing(field)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Problem(diagnostic) => f.write_str(&diagnostic.message),
            Error::Missing(field) => write!(f, "missing key `{field}`"),
            Error::Faulty | Error::Again => f.write_str("reported already"),
        }
    }
}

impl std::error::Error for Error {}
