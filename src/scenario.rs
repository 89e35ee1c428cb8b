//! A scenario: a stack and the claims made of it.
//!
//! The types here and [`ScenarioFile`] are the format: the reader and the JSON Schema
//! ([`schema`]) are both derived from them. Keys that are not named here are errors. Nothing here
//! touches a file but [`load`].

use std::collections::BTreeMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod amount;
pub mod capability;
pub mod check;
mod extend;
pub mod file;
pub mod load;
pub mod schema;
pub mod services;
pub mod validate;

use crate::mutation::custom::CustomMutant;
use crate::yaml::Spanned;
pub use amount::{Bytes, Seconds};
pub use check::CheckSpec;
pub use file::ScenarioFile;

/// A scenario, after `extends` has been followed.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The name, kebab-case. It becomes part of the project name and the JUnit class names.
    pub name: Spanned<String>,
    /// The document whose claims these are, for the reports.
    pub document: Option<String>,
    /// The Compose files, merged in this order; paths are relative to the scenario file.
    pub compose: Vec<Spanned<String>>,
    /// Compose profiles to enable.
    pub profiles: Vec<String>,
    /// Environment for the interpolation of the Compose files. In a value, `${engine.socket}` and
    /// `${engine.socket_gid}` stand for the engine's socket and its group id, `${run.id}` for
    /// the run.
    pub env: BTreeMap<String, String>,
    /// Commands to run before the stack is built, without a shell, from the scenario's folder.
    pub prepare: Vec<Vec<String>>,
    /// How long building may take.
    pub build_within: Seconds,
    /// How long the stack may take to become healthy.
    pub healthy_within: Seconds,
    /// What is claimed.
    pub claims: Vec<Spanned<Claim>>,
    /// Weaknesses that `mutate` puts in besides those that it knows.
    pub mutants: Vec<Spanned<CustomMutant>>,
}

/// One sentence of documentation and the checks that verify it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The stable id, kebab-case, unique in the scenario.
    pub id: Spanned<String>,
    /// The claim in our own words.
    pub text: String,
    /// How bad it is when the claim is broken.
    pub severity: Severity,
    /// Where the claim is made: document and section.
    pub source: String,
    /// The command that the document gives for it.
    #[serde(default)]
    pub documented: Option<Documented>,
    /// What is checked. Empty only for a pending claim.
    #[serde(default)]
    pub checks: Vec<Spanned<CheckSpec>>,
    /// Why the claim cannot be verified yet. It then has no checks and shows as skipped.
    #[serde(default)]
    pub pending: Option<String>,
    /// Why no mutant can break the claim, where none can: `mutate` then lists it with this reason.
    #[serde(default)]
    pub unproven: Option<String>,
    /// Accepts the claim being broken until a date.
    #[serde(default)]
    pub waived: Option<Spanned<Waiver>>,
}

/// The severities, as in the CIS and OWASP vocabularies.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Weakens a defence.
    Medium,
    /// Removes a defence.
    High,
    /// Gives the host away.
    Critical,
}

impl Severity {
    /// The word used in the scenario and in every report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// The command that the document gives, and how a reader would take its output.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Documented {
    /// The command as the document prints it. It is run by `sh -c` on this machine.
    pub command: String,
    /// What the document says to expect, in its words.
    pub expected: String,
    /// When a reader would be satisfied.
    pub satisfied_when: Satisfied,
}

/// When the reader of a document would take a command's output as proof.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Satisfied {
    /// The command exits with 0.
    ExitsZero,
    /// The command exits with anything else.
    ExitsNonZero,
    /// The trimmed output is exactly this.
    OutputIs(String),
    /// The output contains this.
    OutputContains(String),
    /// The output matches this regular expression.
    OutputMatches(Spanned<String>),
}

/// Accepts a broken claim until a date.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The last day on which the waiver counts, `YYYY-MM-DD`, in UTC.
    pub until: Spanned<String>,
    /// Why, and who accepted it.
    pub reason: String,
}

impl Waiver {
    /// The last day on which the waiver counts; none where `until` is no date.
    #[must_use]
    pub fn last_day(&self) -> Option<Date> {
        // The shape is checked too, because a date can be written in many ways.
        let text = self.until.value.as_str();
        let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        Date::strptime("%Y-%m-%d", text).ok().filter(|_| shaped)
    }
}
