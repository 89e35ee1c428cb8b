//! Parameters of `load`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{LatencyBudget, Services, Watch};
use crate::scenario::amount::Seconds;
use crate::yaml::Spanned;

/// Parameters of `load`: requests at fixed times, whether or not those before were answered.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The port on which the service listens inside its container.
    pub port: u16,
    /// The path of an HTTP GET.
    pub path: Spanned<String>,
    /// How much is asked, where `rate`, `duration` and `connections` do not say otherwise.
    #[serde(default)]
    pub shape: Shape,
    /// Requests in a second.
    #[serde(default)]
    pub rate: Option<f64>,
    /// For how long.
    #[serde(default)]
    pub duration: Option<Seconds>,
    /// The most requests that are not answered at a time.
    #[serde(default)]
    pub connections: Option<u32>,
    /// What part of the requests may fail, from 0 to less than 1: no answer within ten seconds, or
    /// a status of 400 and more.
    #[serde(default)]
    pub max_errors: f64,
    /// Within what time, from when each was to be sent, 95 of 100 requests are answered.
    #[serde(default)]
    pub p95: Option<Seconds>,
    /// The same of 99 of 100.
    #[serde(default)]
    pub p99: Option<Seconds>,
    /// Whether the service must have limits on CPU and memory, and stay within them.
    #[serde(default = "super::yes")]
    pub within_limits: bool,
    /// Whether the other services must not notice.
    #[serde(default = "super::yes")]
    pub neighbours: bool,
    /// Neighbours that are asked all the while how fast they answer.
    #[serde(default)]
    pub watch: Vec<Watch>,
    /// How much longer the answers of those may take.
    #[serde(default)]
    pub latency_budget: LatencyBudget,
}

/// How much is asked of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// 100 requests a second for 30 seconds over 10 connections: long enough for queues to fill
    /// and for what is collected or written now and then.
    #[default]
    Sustained,
    /// 200 requests a second for 5 seconds over 10 connections: the size of `ab -n 1000 -c 10`,
    /// which documents like to give and which by itself waits for each answer before it asks on.
    Documented,
}

impl Load {
    /// Requests in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(match self.shape {
            Shape::Sustained => 100.0,
            Shape::Documented => 200.0,
        })
    }

    /// For how long.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration.map_or_else(
            || match self.shape {
                Shape::Sustained => Duration::from_secs(30),
                Shape::Documented => Duration::from_secs(5),
            },
            |duration| duration.0,
        )
    }

    /// The most requests that are not answered at a time.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections.unwrap_or(10)
    }

    /// How many requests that makes.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "validated: a positive rate for a few minutes"
    )]
    pub fn requests(&self) -> u64 {
        (self.rate() * self.duration().as_secs_f64()).round() as u64
    }
}
