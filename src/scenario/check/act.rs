//! Parameters of the checks that try a limit.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Services;
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

/// A limit binds in periods of a tenth of a second, so three seconds are not measured exactly.
fn fifteen_percent() -> f64 {
    0.15
}

fn three_seconds() -> Seconds {
    Seconds(Duration::from_secs(3))
}
