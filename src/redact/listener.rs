//! Events without secrets, on their way to whoever shows them.

use std::sync::{PoisonError, RwLock};

use super::Redactor;
use crate::event::{Event, Listener};

/// Passes events on without the secrets that are known by then. What is read before the model is
/// resolved holds none of its secrets.
pub struct DiscreetListener<'l> {
    listener: &'l dyn Listener,
    redactor: RwLock<Redactor>,
}

impl std::fmt::Debug for DiscreetListener<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiscreetListener").finish_non_exhaustive()
    }
}

impl<'l> DiscreetListener<'l> {
    /// One that knows no secret yet.
    #[must_use]
    pub fn new(listener: &'l dyn Listener) -> DiscreetListener<'l> {
        DiscreetListener { listener, redactor: RwLock::new(Redactor::new([])) }
    }

    /// Learns all secrets that are known now, in the place of those known before.
    pub fn learn(&self, secrets: impl IntoIterator<Item = String>) {
        // Whoever panicked with the lock had not begun to change what it guards.
        *self.redactor.write().unwrap_or_else(PoisonError::into_inner) = Redactor::new(secrets);
    }
}

impl Listener for DiscreetListener<'_> {
    fn hear(&self, event: Event) {
        let redactor = self.redactor.read().unwrap_or_else(PoisonError::into_inner);
        let event = match event {
            Event::PhaseProgress { phase, line } => {
                Event::PhaseProgress { phase, line: redactor.redact(&line) }
            }
            Event::PhaseFinished { phase, took, result } => {
                Event::PhaseFinished { phase, took, result: redactor.redact(&result) }
            }
            Event::PhaseFailed { phase, took, problem } => {
                Event::PhaseFailed { phase, took, problem: redactor.redact(&problem) }
            }
            Event::Note(text) => Event::Note(redactor.redact(&text)),
            Event::Problem(text) => Event::Problem(redactor.redact(&text)),
            // The others hold identities and times alone.
            Event::RunStarted { .. }
            | Event::ChecksPlanned { .. }
            | Event::PhaseStarted { .. }
            | Event::CheckStarted { .. }
            | Event::CheckFinished { .. }
            | Event::Interrupted
            | Event::RunFinished { .. } => event,
        };
        self.listener.hear(event);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::event::Phase;

    #[test]
    fn an_event_loses_the_secrets_that_are_known_when_it_comes() {
        let heard = Mutex::new(vec![]);
        let discreet = DiscreetListener::new(&heard);
        let line = |line: &str| Event::PhaseProgress { phase: Phase::Up, line: line.to_owned() };
        discreet.hear(line("a hunter2 b"));
        discreet.learn(["hunter2".to_owned()]);
        discreet.hear(line("a hunter2 b"));
        discreet.hear(Event::Problem("hunter2".to_owned()));
        assert_eq!(
            heard.into_inner().unwrap(),
            [line("a hunter2 b"), line("a [redacted] b"), Event::Problem("[redacted]".to_owned())]
        );
    }
}
