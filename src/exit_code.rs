//! The exit codes, a contract with scripts.

/// How the program ends. The numbers from 64 follow sysexits(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// Every claim held, or was skipped or waived.
    Held = 0,
    /// A claim is broken.
    Broken = 1,
    /// No claim is broken, but one could not be settled.
    Inconclusive = 2,
    /// Nothing was judged.
    NothingJudged = 3,
    /// The command line is wrong.
    Usage = 64,
    /// A scenario or Compose file is invalid.
    InvalidScenario = 65,
    /// The engine or Compose is not available, or the stack did not come up.
    Unavailable = 69,
    /// A defect of stackproof.
    Internal = 70,
    /// A report could not be written.
    ReportNotWritten = 73,
    /// Objects of the run are still in the engine.
    LeftBehind = 75,
    /// Interrupted; what the run made was removed first.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}
