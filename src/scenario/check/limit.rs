//! Parameters of the checks of what a service may use.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Services;
use crate::scenario::amount::Bytes;

/// Parameters of `memory-limit`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryLimit {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The limit that the document states. Without it any limit below the host's memory will do.
    #[serde(default)]
    pub limit: Option<Bytes>,
}

/// Parameters of `cpu-limit`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuLimit {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The limit that the document states, in cores. Without it any limit will do.
    #[serde(default)]
    pub cpus: Option<f64>,
}

/// Parameters of `pids-limit`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PidsLimit {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The limit that the document states, in processes and threads.
    #[serde(default)]
    pub limit: Option<u64>,
}

/// Parameters of `swap-limit`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapLimit {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The swap that the service may use on top of its memory; none unless stated.
    #[serde(default)]
    pub swap: Option<Bytes>,
}

/// Parameters of `reservation`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The memory that the document says is reserved. The kernel prefers not to take it away, but
    /// it may.
    #[serde(default)]
    pub memory: Option<Bytes>,
    /// The cores that the document says are reserved. Compose passes them on to Swarm alone.
    #[serde(default)]
    pub cpus: Option<f64>,
}

/// Parameters of `tmpfs-bounded`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TmpfsBounded {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The most that any of them may hold. Without it any size will do.
    #[serde(default)]
    pub max: Option<Bytes>,
}

/// Parameters of `log-rotation`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogRotation {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The most that the log of one container may take on the disk. Without it any bound will do.
    #[serde(default)]
    pub max: Option<Bytes>,
}
