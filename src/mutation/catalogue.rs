//! The catalogue of weaknesses, and for each service the mutants that fit it. A mutant fits where
//! something is claimed that it would break.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::subject::{Ground, Subject};
use super::{Change, Expected, File, Layer, Mutant, Sign};

mod access;
mod confinement;
mod identity;
mod image;
mod limit;
mod service;

/// Every mutant of the catalogue that fits the stack, by service and weakness.
#[must_use]
pub fn catalogue(ground: &Ground) -> Vec<Mutant> {
    let mut mutants = access::of_stack(ground);
    for subject in ground.subjects.values() {
        let fitting = access::of(ground, subject)
            .into_iter()
            .chain(identity::of(subject))
            .chain(confinement::of(ground, subject))
            .chain(limit::of(ground, subject))
            .chain(image::of(subject))
            .chain(service::of(ground, subject));
        mutants.extend(fitting);
    }
    mutants.into_iter().filter_map(|mutant| fitted(mutant, ground)).collect()
}

/// A mutant without what nobody claims; none where nobody claims any of what it breaks.
pub(super) fn fitted(mut mutant: Mutant, ground: &Ground) -> Option<Mutant> {
    mutant.breaks.retain(|expected| match ground.subjects.get(&expected.service) {
        Some(subject) => subject.is_asked(&expected.code),
        None => expected.service.is_empty(),
    });
    (!mutant.breaks.is_empty()).then_some(mutant)
}

/// A mutant of a service that changes nothing yet.
fn mutant(subject: &Subject, weakness: &str, text: impl Into<String>) -> Mutant {
    Mutant {
        id: format!("{weakness}@{}", subject.name),
        weakness: weakness.to_owned(),
        text: text.into(),
        service: subject.name.clone(),
        change: Change::default(),
        breaks: vec![],
        also: BTreeSet::new(),
        landed: vec![],
        alone: false,
        may_be_refused: false,
    }
}

impl Mutant {
    /// Changes the service in the model by a merge patch (RFC 7396).
    fn patch(self, patch: &Value) -> Mutant {
        let patch = json!({"services": {self.service.as_str(): patch}});
        self.patch_model(patch)
    }

    /// Changes the service by several patches, one after another.
    fn patches(self, patches: &[Value]) -> Mutant {
        patches.iter().fold(self, Mutant::patch)
    }

    /// Changes the model beyond the service.
    fn patch_model(mut self, patch: Value) -> Mutant {
        self.change.model.push(patch);
        self
    }

    /// Puts a layer on the service's image.
    fn layer(mut self, instructions: &[&str], files: Vec<File>) -> Mutant {
        let instructions = instructions.iter().map(ToString::to_string).collect();
        self.change.image = Some(Layer { instructions, files });
        self.landed.push(Sign::Image);
        self
    }

    /// Expects a check of the service to turn red, with this in its message.
    fn breaks(mut self, code: &str, because: impl Into<String>) -> Mutant {
        let service = self.service.clone();
        self.breaks.push(Expected { code: code.to_owned(), service, because: because.into() });
        self
    }

    /// Takes it as no surprise if checks of these codes turn red, too.
    fn also(mut self, codes: &[&str]) -> Mutant {
        self.also.extend(codes.iter().map(ToString::to_string));
        self
    }

    fn sign(mut self, sign: Sign) -> Mutant {
        self.landed.push(sign);
        self
    }

    fn may_be_refused(mut self) -> Mutant {
        self.may_be_refused = true;
        self.alone()
    }

    fn alone(mut self) -> Mutant {
        self.alone = true;
        self
    }
}

fn text_file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), content: super::Content::Text(text.to_owned()) }
}
