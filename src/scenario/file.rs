//! One scenario file, as it is written.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Claim;
use super::amount::Seconds;
use crate::diagnostic::{Diagnostic, Problems, nearest};
use crate::mutation::custom::CustomMutant;
use crate::yaml::{self, Dialect, Span, Spanned};

/// One scenario file. It states a whole scenario, or with `extends` the difference to another.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// A scenario file to take over whatever is not stated here; the path is relative to this
    /// file.
    #[serde(default)]
    pub extends: Option<Spanned<String>>,
    /// Ids of claims that are not taken over.
    #[serde(default)]
    pub without: Vec<Spanned<String>>,
    /// The name, kebab-case. It becomes part of the project name and the JUnit class names.
    #[serde(default)]
    pub name: Option<Spanned<String>>,
    /// The document whose claims these are, for the reports.
    #[serde(default)]
    pub document: Option<String>,
    /// The Compose files, merged in this order; paths are relative to this file.
    #[serde(default)]
    pub compose: Option<Vec<Spanned<String>>>,
    /// Compose profiles to enable.
    #[serde(default)]
    pub profiles: Option<Vec<String>>,
    /// Environment for the interpolation of the Compose files. In a value, `${engine.socket}` and
    /// `${engine.socket_gid}` stand for the engine's socket and its group id, `${run.id}` for
    /// the run. Values that are taken over stay unless they are stated here.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Commands to run before the stack is built, without a shell, from the folder of the scenario
    /// that is run. A program with a slash in its name is relative to this file.
    #[serde(default)]
    pub prepare: Option<Vec<Spanned<Vec<String>>>>,
    /// How long building may take; `900s` unless stated.
    #[serde(default)]
    pub build_within: Option<Seconds>,
    /// How long the stack may take to become healthy; `120s` unless stated.
    #[serde(default)]
    pub healthy_within: Option<Seconds>,
    /// What is claimed. A claim with the id of one that is taken over replaces it; the others are
    /// added.
    #[serde(default)]
    pub claims: Option<Vec<Spanned<Claim>>>,
    /// Weaknesses that `mutate` puts in besides those that it knows. Those that are taken over
    /// stay.
    #[serde(default)]
    pub mutants: Vec<Spanned<CustomMutant>>,
    /// What the file says of itself.
    #[serde(skip)]
    pub(super) stated: Stated,
}

/// Where a file stands, and which keys it has a value for, readable or not: a value that could
/// not be read was reported and is not missing.
#[derive(Debug, Clone, Default)]
pub(super) struct Stated {
    pub(super) span: Span,
    pub(super) keys: BTreeSet<String>,
}

impl ScenarioFile {
    /// Reads the text of a scenario file. With problems there may still be a file, from which
    /// whatever was wrong is left out.
    #[must_use]
    pub fn read(text: &str, source: usize, problems: &mut Problems) -> Option<ScenarioFile> {
        let node = yaml::parse(text, source, &Dialect::PLAIN, problems)?;
        let mut file: ScenarioFile = yaml::deserialize(&node, problems)?;
        let entries = node.as_mapping().unwrap_or_default();
        let valued = entries.iter().filter(|entry| !entry.value.is_null());
        let keys = valued.map(|entry| entry.key.value.as_str());
        // A key that is spelt wrong was reported as such; what it meant is not also missing.
        let meant = |key| nearest(key, ["name", "compose", "claims"]).unwrap_or(key);
        file.stated.keys = keys.map(|key| meant(key).to_owned()).collect();
        file.stated.span = node.span;
        file.check(problems);
        Some(file)
    }

    /// The rules that a file must keep by itself.
    fn check(&self, problems: &mut Problems) {
        if !self.stated.keys.contains("extends") {
            for id in &self.without {
                let message = "`without` drops claims that are taken over, and there are none";
                let problem = Diagnostic::new("unknown-claim", message).at(id.span);
                problems.push(problem.hint("name the other scenario with `extends`"));
            }
        }
        for command in self.prepare.iter().flatten() {
            let no_program = command.first().is_none_or(|program| program.trim().is_empty());
            if no_program && !problems.any_within(command.span) {
                let message = "a command needs a program";
                problems.push(Diagnostic::new("empty-text", message).at(command.span));
            }
        }
    }
}
