//! What a check found.

use crate::observation::{Evidence, Observation, Vantage};
use crate::verdict::Verdict;

/// The result of one check of one service, before it becomes part of the record.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Finding {
    /// What was established.
    pub verdict: Verdict,
    /// What should be.
    pub expected: String,
    /// What is.
    pub observed: String,
    /// The finding in a sentence or two.
    pub message: String,
    /// A command that a person can paste to see it.
    pub reproduce: String,
    /// What the verdict rests on.
    pub evidence: Evidence,
}

impl Finding {
    /// A finding; what was observed, the message and the command are added to it.
    pub fn new(verdict: Verdict, expected: impl Into<String>, evidence: Evidence) -> Finding {
        Finding {
            verdict,
            expected: expected.into(),
            observed: String::new(),
            message: String::new(),
            reproduce: String::new(),
            evidence,
        }
    }

    /// A finding of a check that could not look: never anything but inconclusive.
    pub fn could_not_observe(expected: impl Into<String>, why: impl Into<String>) -> Finding {
        let why = why.into();
        let seen = Observation::now(Vantage::Inside, "could not observe", why.clone());
        Finding::new(Verdict::Inconclusive, expected, Evidence::one(seen))
            .observed("could not be observed")
            .message(why)
    }

    /// A finding of a check that does not apply here.
    pub fn does_not_apply(
        expected: impl Into<String>,
        why: impl Into<String>,
        evidence: Evidence,
    ) -> Finding {
        Finding::new(Verdict::Skipped, expected, evidence).observed("does not apply").message(why)
    }

    /// Says what is.
    pub fn observed(mut self, observed: impl Into<String>) -> Finding {
        self.observed = observed.into();
        self
    }

    /// Says what was found.
    pub fn message(mut self, message: impl Into<String>) -> Finding {
        self.message = message.into();
        self
    }

    /// Gives the command by which a person can see it.
    pub fn reproduce(mut self, command: impl Into<String>) -> Finding {
        self.reproduce = command.into();
        self
    }

    /// The worse of two findings, with the evidence of both.
    pub fn worse(self, other: Finding) -> Finding {
        let other_is_worse = self.verdict != other.verdict
            && Verdict::worst([self.verdict, other.verdict]) == other.verdict;
        let (mut worse, better) = if other_is_worse { (other, self) } else { (self, other) };
        worse.evidence.extend(Vec::from(better.evidence));
        worse
    }
}
