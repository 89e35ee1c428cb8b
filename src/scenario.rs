//! A scenario: a stack and the claims made of it.
//!
//! The types here are the format: the parser (`scenario::parse`) and the JSON Schema
//! (`scenario::schema`) are both derived from them. Keys that are not named here are errors.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod amount;
pub mod check;
pub mod load;
pub mod schema;
pub mod stack_file;
pub mod validate;

use crate::yaml::Spanned;
pub use amount::{Bytes, Seconds};
pub use check::CheckSpec;

/// One scenario, after `extends` has been followed.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The name, kebab-case. It becomes part of the project name and the JUnit class names.
    pub name: Spanned<String>,
    /// The document whose claims these are, for the reports.
    pub document: Option<String>,
    /// The Compose files, merged in this order; relative to the folder of the scenario.
    pub compose: Vec<Spanned<String>>,
    /// Compose profiles to enable.
    pub profiles: Vec<String>,
    /// Environment for the interpolation of the Compose files.
    pub env: BTreeMap<String, String>,
    /// Commands to run before the stack is built.
    pub prepare: Vec<Vec<String>>,
    /// How long building may take.
    pub build_within: Seconds,
    /// How long the stack may take to become healthy.
    pub healthy_within: Seconds,
    /// What is claimed.
    pub claims: Vec<Spanned<Claim>>,
}

/// A scenario file as it is written. What it does not state it takes from the file that it
/// extends.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// The name, kebab-case. It becomes part of the project name and the JUnit class names.
    pub name: Spanned<String>,
    /// Another scenario file, relative to this one. Its claims are taken over; a claim with the
    /// same id replaces the inherited one.
    #[serde(default)]
    pub extends: Option<Spanned<String>>,
    /// Inherited claims that are not taken over.
    #[serde(default, deserialize_with = "crate::yaml::list")]
    pub without: Vec<Spanned<String>>,
    /// The document whose claims these are, for the reports.
    #[serde(default)]
    pub document: Option<String>,
    /// The Compose files, merged in this order; relative to this file.
    #[serde(default, deserialize_with = "crate::yaml::list")]
    pub compose: Vec<Spanned<String>>,
    /// Compose profiles to enable.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Environment for the interpolation of the Compose files. In a value, `${engine.socket}` and
    /// `${engine.socket_gid}` stand for the engine's socket and its group id, `${run.id}` for
    /// the run.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Commands to run before the stack is built, without a shell, from the folder of this file.
    /// A program with a slash in its name is relative to that folder.
    #[serde(default)]
    pub prepare: Vec<Vec<String>>,
    /// How long building may take.
    #[serde(default)]
    pub build_within: Option<Seconds>,
    /// How long the stack may take to become healthy.
    #[serde(default)]
    pub healthy_within: Option<Seconds>,
    /// What is claimed.
    #[serde(default, deserialize_with = "crate::yaml::list")]
    pub claims: Vec<Spanned<Claim>>,
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
    #[serde(default, deserialize_with = "crate::yaml::list")]
    pub checks: Vec<Spanned<CheckSpec>>,
    /// Why the claim cannot be verified yet. It then has no checks and shows as skipped.
    #[serde(default)]
    pub pending: Option<String>,
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
