//! Everything that can happen in a run, told while it happens.
//!
//! Events are for people who wait. What counts is in the [record](crate::record): no report is
//! made of events, and a run without a listener comes to the same record.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::verdict::Verdict;

/// A stretch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The scenario's own commands run.
    Prepare,
    /// Compose resolves the model.
    Resolve,
    /// The images are built.
    Build,
    /// The images that others are compared with are built.
    Baseline,
    /// The stack is started and becomes healthy.
    Up,
    /// The probe has to see a known weakness first.
    Control,
    /// The services are observed.
    Observe,
    /// The document's own commands are run.
    Documented,
    /// The checks that stress, stop or kill something are run.
    Intrusive,
    /// Everything that the run made is removed.
    Down,
}

impl Phase {
    /// The word for the phase.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Phase::Prepare => "prepare",
            Phase::Resolve => "resolve",
            Phase::Build => "build",
            Phase::Baseline => "baseline",
            Phase::Up => "up",
            Phase::Control => "control",
            Phase::Observe => "observe",
            Phase::Documented => "documented",
            Phase::Intrusive => "intrusive",
            Phase::Down => "down",
        }
    }

    /// What is being done.
    #[must_use]
    pub fn doing(self) -> &'static str {
        match self {
            Phase::Prepare => "preparing",
            Phase::Resolve => "resolving",
            Phase::Build => "building",
            Phase::Baseline => "building baselines",
            Phase::Up => "starting",
            Phase::Control => "controlling",
            Phase::Observe => "observing",
            Phase::Documented => "following",
            Phase::Intrusive => "stressing",
            Phase::Down => "removing",
        }
    }

    /// What has been done.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Phase::Prepare => "prepared",
            Phase::Resolve => "resolved",
            Phase::Build => "built",
            Phase::Baseline => "baselines",
            Phase::Up => "started",
            Phase::Control => "controlled",
            Phase::Observe => "observed",
            Phase::Documented => "followed",
            Phase::Intrusive => "stressed",
            Phase::Down => "removed",
        }
    }
}

/// What happened. Text in an event may come from a container: a listener makes it harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A run of a scenario began.
    RunStarted {
        /// The scenario's name.
        scenario: String,
        /// The run.
        run_id: String,
    },
    /// It is known how many checks there will be.
    ChecksPlanned {
        /// The checks of this run, one for each service that they are about.
        count: usize,
    },
    /// A phase began. Phases may overlap.
    PhaseStarted {
        /// Which.
        phase: Phase,
    },
    /// Something moved in a phase.
    PhaseProgress {
        /// Which.
        phase: Phase,
        /// What moved, such as the last line that Compose printed.
        line: String,
    },
    /// A phase ended well.
    PhaseFinished {
        /// Which.
        phase: Phase,
        /// How long it took.
        took: Duration,
        /// What came of it in a few words, such as `5 images`; may be empty.
        result: String,
    },
    /// A phase ended badly.
    PhaseFailed {
        /// Which.
        phase: Phase,
        /// How long it took.
        took: Duration,
        /// Why.
        problem: String,
    },
    /// A check of a service began.
    CheckStarted {
        /// The claim's id.
        claim: String,
        /// The check's code.
        code: String,
        /// The service; empty for the stack as a whole.
        service: String,
    },
    /// A check of a service came to a verdict.
    CheckFinished {
        /// The claim's id.
        claim: String,
        /// The check's code.
        code: String,
        /// The service; empty for the stack as a whole.
        service: String,
        /// What was established.
        verdict: Verdict,
        /// How long it took.
        took: Duration,
    },
    /// Worth knowing, and nothing is wrong.
    Note(String),
    /// Something is wrong, and the run goes on.
    Problem(String),
    /// The user wants the run to end. Cleaning up follows.
    Interrupted,
    /// The run is over, and what it made is removed.
    RunFinished {
        /// The scenario's name.
        scenario: String,
        /// How long it took.
        took: Duration,
    },
}

/// Whoever wants to know. It is called from any thread and must be quick: the run waits for it.
pub trait Listener: Send + Sync {
    /// Takes one event.
    fn hear(&self, event: Event);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Listener for Nobody {
    fn hear(&self, _event: Event) {}
}

/// Keeps the events, for a test to look at.
impl Listener for Mutex<Vec<Event>> {
    fn hear(&self, event: Event) {
        self.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
