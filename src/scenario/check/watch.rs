//! How the neighbours of a service are asked while something is done to it, and how much longer
//! their answers may take.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::amount::Seconds;
use crate::yaml::Spanned;

/// What one neighbour is asked, at the address of its container: an HTTP GET of a path, or bytes
/// that it answers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The neighbour.
    pub service: Spanned<String>,
    /// The port on which it listens inside its container.
    pub port: u16,
    /// The path of an HTTP GET. An answer is a status below 400, the same as before.
    #[serde(default)]
    pub path: Option<String>,
    /// What is sent as it is, such as `"PING\r\n"`. An answer is the same first line as before.
    #[serde(default)]
    pub send: Option<String>,
}

/// How much longer the answers of a neighbour may take.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyBudget {
    /// By what factor the time that 95 of 100 answers take may grow.
    pub ratio: f64,
    /// Whatever the factor, answers within this time are no notice: a few milliseconds more are
    /// noise where there was one before.
    pub floor: Seconds,
}

impl Default for LatencyBudget {
    fn default() -> LatencyBudget {
        LatencyBudget { ratio: 3.0, floor: Seconds(std::time::Duration::from_millis(100)) }
    }
}

impl std::fmt::Display for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Watch { service, port, path, send } = self;
        match (path, send) {
            (Some(path), _) => write!(f, "GET {path} of {}:{port}", service.value),
            (None, Some(send)) => write!(f, "{send:?} to {}:{port}", service.value),
            (None, None) => write!(f, "a connection to {}:{port}", service.value),
        }
    }
}
