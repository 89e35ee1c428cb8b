//! What a mutation run comes to, as one versioned value: the contract of `mutate --json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Expected;
use crate::record::Summary;
use crate::verdict::Verdict;

/// The version that a reader must know.
pub const SCHEMA: &str = "stackproof.mutation/1";

/// One mutation run of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MutationRecord {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The run, also the value of the label on everything that it made in the engine.
    pub run_id: String,
    /// The scenario's name.
    pub scenario: String,
    /// When the run began, in UTC.
    pub started: Timestamp,
    /// When it ended, in UTC.
    pub finished: Timestamp,
    /// Where it ran, as in the record of a run.
    pub environment: Map<String, Value>,
    /// How many mutants fit the stack, tried or not.
    pub possible: usize,
    /// How the claims stood on the unmutated stack.
    pub unmutated: Summary,
    /// The mutants, in the order of the catalogue.
    pub mutants: Vec<MutantRecord>,
    /// The claims, with what their mutants came to.
    pub claims: Vec<ClaimScore>,
    /// How many mutants came to what.
    pub summary: Score,
    /// Why the run was cut short, where it was.
    pub aborted: Option<String>,
    /// Objects that could not be removed, an entry each.
    pub leftovers: Vec<String>,
}

/// What one mutant came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MutantRecord {
    /// `weakness@service`.
    pub id: String,
    /// The weakness.
    pub weakness: String,
    /// What is changed, in a sentence.
    pub text: String,
    /// The service.
    pub service: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub reason: String,
    /// Whether the container could not be started, so that it was judged as it was created.
    pub judged_as_created: bool,
    /// The checks that had to turn red.
    pub expected: Vec<Judged>,
    /// What the document's own commands said meanwhile, of the claims that had to turn red.
    pub documented: Vec<Naive>,
    /// Checks that turned red without being expected to.
    pub collateral: Vec<Unexpected>,
    /// Which round it was in, from 1; the mutants of a round share a stack. 0 where it was in none.
    pub round: usize,
}

/// The outcome of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The expected claims broke, for the expected reason.
    Killed,
    /// They did not: the check misses the weakness.
    Survived,
    /// The change did not land or the container did not start: nothing was shown.
    Invalid,
    /// A fact of this host keeps the mutant from being judged.
    Skipped,
}

impl Outcome {
    /// The word in every report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Killed => "killed",
            Outcome::Survived => "survived",
            Outcome::Invalid => "invalid",
            Outcome::Skipped => "skipped",
        }
    }
}

/// A check that had to turn red, and how it was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The claim.
    pub claim: String,
    /// What was expected.
    #[serde(flatten)]
    pub expected: Expected,
    /// The verdict; null where the check was not judged.
    pub verdict: Option<Verdict>,
    /// What the check said.
    pub message: String,
}

/// What a document's own command said of a claim that had to turn red.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naive {
    /// The claim.
    pub claim: String,
    /// The command as the document gives it.
    pub command: String,
    /// What a reader of the document would have concluded.
    pub verdict: Verdict,
}

/// A check that turned red without being expected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexpected {
    /// The claim.
    pub claim: String,
    /// The check.
    pub code: String,
    /// The service.
    pub service: String,
    /// What the check said.
    pub message: String,
}

/// A claim and what its mutants came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimScore {
    /// The claim.
    pub claim: String,
    /// Mutants that it caught.
    pub killed: usize,
    /// Mutants that it missed.
    pub survived: usize,
    /// Mutants that showed nothing.
    pub unsettled: usize,
    /// Why no mutant that could break it was tried, where none was; the reason that the scenario
    /// gives, or what is known.
    pub unproven: Option<Unproven>,
}

/// Why no mutant could break a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unproven {
    /// In a sentence.
    pub reason: String,
    /// Whether that is accounted for: by the scenario, or by a claim that is not verified here.
    pub accounted: bool,
}

/// How many mutants came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Caught.
    pub killed: usize,
    /// Missed.
    pub survived: usize,
    /// Showed nothing.
    pub invalid: usize,
    /// Kept from being judged by the host.
    pub skipped: usize,
    /// Checks that turned red without being expected to.
    pub collateral: usize,
    /// Claims that no mutant could break, and nobody accounts for.
    pub unproven: usize,
}

impl Score {
    /// Counts.
    #[must_use]
    pub fn of(mutants: &[MutantRecord], claims: &[ClaimScore]) -> Score {
        let count = |outcome| mutants.iter().filter(|mutant| mutant.outcome == outcome).count();
        let unaccounted = |claim: &&ClaimScore| {
            claim.unproven.as_ref().is_some_and(|unproven| !unproven.accounted)
        };
        Score {
            killed: count(Outcome::Killed),
            survived: count(Outcome::Survived),
            invalid: count(Outcome::Invalid),
            skipped: count(Outcome::Skipped),
            collateral: mutants.iter().map(|mutant| mutant.collateral.len()).sum(),
            unproven: claims.iter().filter(unaccounted).count(),
        }
    }
}
