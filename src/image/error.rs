//! Why an image could not be read.

use std::io;

/// Why an image, a layer or a table could not be read. Findings are never errors: an error means
/// that nothing can be said about the image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The stream itself failed; the engine or the disk is to blame, not the image.
    #[error("failed to read {place}")]
    Read {
        /// What was being read.
        place: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The bytes are not what the format asks for.
    #[error("{place} is malformed: {problem}")]
    Malformed {
        /// Which file of the archive, and where in it.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A bound was reached; see [`Limits`](crate::image::Limits).
    #[error("{place} is too large: more than {limit} {unit}")]
    TooLarge {
        /// Which file of the archive, and where in it.
        place: String,
        /// The bound.
        limit: u64,
        /// What the bound counts.
        unit: &'static str,
    },
    /// The archive names a file that it does not hold.
    #[error("{place} names `{missing}`, which the archive does not hold")]
    Missing {
        /// The file that names it.
        place: String,
        /// What is not there.
        missing: String,
    },
    /// A table of this program does not compile. A test keeps this from happening.
    #[error("the {table} do not compile: {problem}")]
    Table {
        /// Which table.
        table: &'static str,
        /// What the compiler of patterns said.
        problem: String,
    },
}

/// What is wrong with a stretch of bytes, before it is known which file they belong to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The bytes are not what the format asks for.
    #[error("{0}")]
    Malformed(String),
    /// A bound was reached.
    #[error("more than {limit} {unit}")]
    TooLarge {
        /// The bound.
        limit: u64,
        /// What the bound counts.
        unit: &'static str,
    },
    /// The bytes could not be had.
    #[error("{0}")]
    Io(io::Error),
}

impl Problem {
    /// Names the file.
    pub(crate) fn at(self, place: impl Into<String>) -> ImageError {
        let place = place.into();
        match self {
            Problem::Malformed(problem) => ImageError::Malformed { place, problem },
            Problem::TooLarge { limit, unit } => ImageError::TooLarge { place, limit, unit },
            // A decoder reports damage in these kinds; anything else comes from below it.
            Problem::Io(error) => match error.kind() {
                io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::UnexpectedEof => {
                    ImageError::Malformed { place, problem: error.to_string() }
                }
                _ => ImageError::Read { place, source: error },
            },
        }
    }
}

impl From<Problem> for io::Error {
    fn from(problem: Problem) -> Self {
        io::Error::other(problem)
    }
}

impl From<io::Error> for Problem {
    /// Takes out a problem that travelled through a reader as an I/O error.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Problem>() {
            Ok(problem) => problem,
            Err(error) => Problem::Io(error),
        }
    }
}
