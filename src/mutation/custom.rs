//! Mutants that a scenario brings along.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::subject::Ground;
use super::{Change, Expected, Layer, Mutant, Sign};
use crate::yaml::Spanned;

/// A weakness that the scenario's authors know of, besides those of the catalogue.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomMutant {
    /// The name of the weakness, kebab-case, unique in the scenario.
    pub id: Spanned<String>,
    /// What is changed, in a sentence.
    pub text: String,
    /// The services into which it is put, one at a time.
    pub services: Vec<Spanned<String>>,
    /// A change of the service: a merge patch (RFC 7396) of what
    /// `docker compose config --format json` prints of it. Null takes a key away.
    #[serde(default)]
    pub change: Map<String, Value>,
    /// Instructions of a Dockerfile that are put on the service's image.
    #[serde(default)]
    pub dockerfile: Vec<String>,
    /// The codes of the checks that must turn red.
    pub breaks: Vec<Spanned<String>>,
    /// Codes of checks that may turn red as well.
    #[serde(default)]
    pub also: Vec<Spanned<String>>,
}

/// The scenario's own mutants, one for each service that they name.
#[must_use]
pub fn custom(mutants: &[Spanned<CustomMutant>], ground: &Ground) -> Vec<Mutant> {
    let mut made = Vec::new();
    for one in mutants {
        for service in &one.services {
            if !ground.subjects.contains_key(&service.value) {
                continue;
            }
            let model = (!one.change.is_empty())
                .then(|| json!({"services": {service.as_str(): one.change}}));
            let image = (!one.dockerfile.is_empty())
                .then(|| Layer { instructions: one.dockerfile.clone(), files: vec![] });
            let breaks = one.breaks.iter().map(|code| Expected {
                code: code.value.clone(),
                service: service.value.clone(),
                because: String::new(),
                one_is_enough: false,
            });
            let mutant = Mutant {
                id: format!("{}@{}", one.id.value, service.value),
                weakness: one.id.value.clone(),
                text: one.text.clone(),
                service: service.value.clone(),
                landed: image.iter().map(|_| Sign::Image).collect(),
                change: Change { model: model.into_iter().collect(), image, ..Change::default() },
                breaks: breaks.collect(),
                also: one.also.iter().map(|code| code.value.clone()).collect::<BTreeSet<_>>(),
                // What it does to others is not known.
                alone: true,
                may_be_refused: false,
            };
            made.extend(super::catalogue::fitted(mutant, ground));
        }
    }
    made
}
