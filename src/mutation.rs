//! Mutants: the stack with one documented weakness put back, which the claims must catch. Pure.
//!
//! A check that cannot fail proves nothing. A mutant is a small change to the resolved Compose
//! model, to an image or to a running container, with the codes of the checks that must turn red
//! and the signs by which it is known that the change took hold.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub mod catalogue;
pub mod custom;
pub mod landing;
pub mod outcome;
pub mod record;
pub mod rounds;
pub mod subject;
pub mod twin;

pub use landing::Sign;

/// The label of a container that runs with a weakness, with the mutant's id.
pub const MUTANT: &str = "dev.stackproof.mutant";

/// One weakness, put back into one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutant {
    /// `weakness@service`, unique in a scenario.
    pub id: String,
    /// The weakness, kebab-case: the same for every service that it fits.
    pub weakness: String,
    /// What is changed, in a sentence.
    pub text: String,
    /// The service.
    pub service: String,
    /// The change.
    pub change: Change,
    /// What must turn red.
    pub breaks: Vec<Expected>,
    /// Codes of checks of the same service that may turn red as well, because the weakness is
    /// also theirs.
    pub also: BTreeSet<String>,
    /// How it is known that the change took hold.
    pub landed: Vec<Sign>,
    /// Whether other services feel it, so that no other mutant may be there meanwhile.
    pub alone: bool,
    /// Whether there are hosts that refuse to make or to start such a container.
    pub may_be_refused: bool,
}

/// What a mutant changes. Several parts may be given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// Merge patches (RFC 7396) of the whole resolved model, in this order.
    pub model: Vec<Value>,
    /// A further layer on the service's image.
    pub image: Option<Layer>,
    /// Files that are added to the service's build context, which is then built anew.
    pub context: Vec<File>,
    /// What is changed while the container runs.
    pub update: Option<Update>,
}

/// A further layer on the image of a service: a Dockerfile whose `FROM` is that image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layer {
    /// The instructions after `FROM`.
    pub instructions: Vec<String>,
    /// The files of the build context.
    pub files: Vec<File>,
}

/// A file of a build context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path in the context.
    pub path: String,
    /// What it holds.
    pub content: Content,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text(String),
    /// So many bytes that are zero.
    Zeros(u64),
}

/// What `docker update` changes in a running container; see docker-update(1).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Update {
    /// The memory limit in bytes.
    pub memory: Option<u64>,
    /// The CPU limit in cores.
    pub cpus: Option<f64>,
    /// The limit on processes.
    pub pids: Option<i64>,
}

/// A check that must turn red.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The code of the check.
    pub code: String,
    /// The service; empty for a check of the stack as a whole.
    pub service: String,
    /// What its message must contain: a check that is broken for another reason has not caught
    /// the mutant. Empty where any reason will do.
    pub because: String,
    /// Whether it is enough that one claim turns red: of several that ask the check, some may ask
    /// less than what the mutant breaks.
    #[serde(default)]
    pub one_is_enough: bool,
}

impl Mutant {
    /// Whether a check may turn red because of this mutant, wanted or not.
    #[must_use]
    pub fn concerns(&self, code: &str, service: &str) -> bool {
        let expected = |one: &Expected| one.code == code && one.service == service;
        let own = service == self.service || service.is_empty();
        self.breaks.iter().any(expected) || own && self.also.contains(code)
    }

    /// The services of which something is expected.
    #[must_use]
    pub fn services(&self) -> BTreeSet<&str> {
        let expected = self.breaks.iter().map(|one| one.service.as_str());
        expected.chain([self.service.as_str()]).filter(|service| !service.is_empty()).collect()
    }

    /// Whether an image has to be built for it.
    #[must_use]
    pub fn builds(&self) -> bool {
        self.change.image.is_some() || !self.change.context.is_empty()
    }
}
