//! What was seen, from where and when, and the evidence made of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where an observation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vantage {
    /// The resolved Compose model: what was declared.
    Model,
    /// The Engine API: what was configured, and what the engine itself saw.
    Engine,
    /// The kernel, asked by the probe from inside the container.
    Inside,
    /// The kernel, asked by the probe in the namespaces of the engine's host.
    Host,
    /// A container of our own in which the weakness is known to exist.
    Control,
    /// The layers of an image.
    Image,
    /// The files an image is built from.
    Source,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Where it was seen from.
    pub vantage: Vantage,
    /// What was looked at, in a few words.
    pub what: String,
    /// When, in UTC.
    pub when: Timestamp,
    /// The raw values, as they were found.
    pub value: Value,
}

impl Observation {
    /// An observation made now.
    #[must_use]
    pub fn now(vantage: Vantage, what: impl Into<String>, value: impl Into<Value>) -> Observation {
        Observation::at(Timestamp::now(), vantage, what, value)
    }

    /// An observation made at `when`.
    #[must_use]
    pub fn at(
        when: Timestamp,
        vantage: Vantage,
        what: impl Into<String>,
        value: impl Into<Value>,
    ) -> Observation {
        Observation { vantage, what: what.into(), when, value: value.into() }
    }
}

/// The observations behind a verdict. It cannot be built empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Observation>", into = "Vec<Observation>")]
pub struct Evidence(Vec<Observation>);

impl Evidence {
    /// Evidence of one observation.
    #[must_use]
    pub fn one(observation: Observation) -> Evidence {
        Evidence(vec![observation])
    }

    /// Adds an observation.
    #[must_use]
    pub fn and(mut self, observation: Observation) -> Evidence {
        self.0.push(observation);
        self
    }

    /// Adds observations.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Observation>) {
        self.0.extend(more);
    }

    /// The observations, at least one.
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        &self.0
    }
}

impl From<Evidence> for Vec<Observation> {
    fn from(evidence: Evidence) -> Self {
        evidence.0
    }
}

impl TryFrom<Vec<Observation>> for Evidence {
    type Error = &'static str;

    fn try_from(observations: Vec<Observation>) -> Result<Self, Self::Error> {
        if observations.is_empty() {
            return Err("evidence needs at least one observation");
        }
        Ok(Evidence(observations))
    }
}
