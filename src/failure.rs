//! Why a run was cut short. What a check finds is never a failure.

use crate::diagnostic::Diagnostic;
use crate::engine::EngineError;
use crate::exit_code::ExitCode;
use crate::interrupt::Interrupted;
use crate::run_id::NoRandomness;
use crate::stack::StackError;
use crate::stack::compose_tool::ComposeError;

/// A reason to end a run before every check was judged.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The stack.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The scenario does not fit the resolved model.
    #[error("the scenario does not fit the stack")]
    Invalid(Vec<Diagnostic>),
    /// The selection on the command line matches nothing.
    #[error("{0}")]
    Selection(String),
    /// A command of `prepare` failed.
    #[error("cannot prepare the stack: `{command}` failed: {how}\n{tail}")]
    Prepare {
        /// The command.
        command: String,
        /// How it ended.
        how: String,
        /// The last lines that it printed.
        tail: String,
    },
    /// Mutants say nothing where a claim does not hold to begin with.
    #[error("no mutant was tried, because the unmutated stack is not all held: {0}")]
    NotHeld(String),
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
    /// The system failed us.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was being done.
        doing: String,
        /// What the system said.
        cause: String,
    },
}

impl From<NoRandomness> for Failure {
    fn from(error: NoRandomness) -> Failure {
        Failure::System { doing: "make an id".to_owned(), cause: error.to_string() }
    }
}

impl From<ComposeError> for Failure {
    fn from(error: ComposeError) -> Failure {
        Failure::Stack(StackError::Compose(error))
    }
}

impl Failure {
    /// The exit code that says so.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Interrupted(_)
            | Failure::Stack(StackError::Compose(ComposeError::Interrupted)) => {
                ExitCode::Interrupted
            }
            Failure::Invalid(_)
            | Failure::Stack(StackError::Compose(
                ComposeError::Invalid(_) | ComposeError::NotUnderstood(_),
            )) => ExitCode::InvalidScenario,
            Failure::Selection(_) => ExitCode::Usage,
            Failure::NotHeld(_) => ExitCode::Inconclusive,
            Failure::Engine(_) | Failure::Stack(_) | Failure::Prepare { .. } => {
                ExitCode::Unavailable
            }
            Failure::System { .. } => ExitCode::Internal,
        }
    }
}
