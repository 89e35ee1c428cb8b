//! Parameters of the checks of the stack as a whole and of its host.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::amount::Bytes;

/// Parameters of `capacity-totals`: the sums over all running containers that the document states.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityTotals {
    /// The sum of the CPU limits, in cores.
    #[serde(default)]
    pub cpus: Option<f64>,
    /// The sum of the memory limits.
    #[serde(default)]
    pub memory: Option<Bytes>,
    /// The sum of the CPU reservations, in cores.
    #[serde(default)]
    pub reserved_cpus: Option<f64>,
    /// The sum of the memory reservations.
    #[serde(default)]
    pub reserved_memory: Option<Bytes>,
}

/// Parameters of `host-capacity`: what the document says that the engine's host must have.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostCapacity {
    /// Processors.
    #[serde(default)]
    pub cpus: Option<u64>,
    /// Memory, as the kernel counts it: a little less than what is built in.
    #[serde(default)]
    pub memory: Option<Bytes>,
    /// The size of the file system that holds the engine's images and volumes.
    #[serde(default)]
    pub disk: Option<Bytes>,
    /// What a host that is too small comes to.
    #[serde(default)]
    pub when_small: WhenSmall,
}

/// What a host that is too small comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenSmall {
    /// The claim is broken.
    #[default]
    Broken,
    /// The claim is about another host than this one, and is skipped.
    Skipped,
}
