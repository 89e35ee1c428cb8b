//! Parameters of the checks that try a limit.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Services;
use super::watch::{LatencyBudget, Watch};
use crate::scenario::amount::Seconds;

/// Parameters of `cpu-limit-enforced`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuLimitEnforced {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// By what part of the limit the measured usage may differ from it, above as below.
    #[serde(default = "fifteen_percent")]
    pub tolerance: f64,
    /// For how long the service computes.
    #[serde(default = "three_seconds")]
    pub duration: Seconds,
}

/// Parameters of `pids-limit-enforced`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PidsLimitEnforced {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
}

/// Parameters of `oom-contained`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OomContained {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// How soon the service must be healthy again.
    #[serde(default = "Seconds::for_recovery")]
    pub healthy_within: Seconds,
    /// What lets memory run out.
    #[serde(default)]
    pub stress: Stress,
}

/// Parameters of `oom-blast-radius`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OomBlastRadius {
    /// The services that run out of memory, one after another, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The neighbours that are asked all the while, and what. Without it, only what they are is
    /// looked at and not how fast they answer.
    #[serde(default)]
    pub watch: Vec<Watch>,
    /// How much longer their answers may take.
    #[serde(default)]
    pub latency_budget: LatencyBudget,
    /// How long it is waited for the service itself to be healthy again.
    #[serde(default = "Seconds::for_recovery")]
    pub healthy_within: Seconds,
    /// What lets memory run out.
    #[serde(default)]
    pub stress: Stress,
}

/// What lets memory run out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stress {
    /// The probe, which needs nothing of the image.
    #[default]
    Probe,
    /// `stress-ng` of the image, as documents have it. Its exit code is 0 whatever is killed; the
    /// verdict rests on the cgroup's counters all the same.
    StressNg,
}

/// A limit binds in periods of a tenth of a second, so three seconds are not measured exactly.
fn fifteen_percent() -> f64 {
    0.15
}

fn three_seconds() -> Seconds {
    Seconds(Duration::from_secs(3))
}
