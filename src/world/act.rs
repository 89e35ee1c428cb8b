//! What was done to a container on purpose, and what was seen meanwhile.

use serde::Serialize;

use super::{Blind, Load};
use crate::probe::answer::Cgroup;

/// One act and what it showed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Memory ran out.
    Oom(Box<Oom>),
    /// Every process was stopped.
    Stop(Stop),
    /// Much was asked.
    Load(Box<Load>),
}

impl Act {
    /// What was seen while memory ran out.
    #[must_use]
    pub fn oom(&self) -> Option<&Oom> {
        match self {
            Act::Oom(oom) => Some(oom),
            Act::Stop(_) | Act::Load(_) => None,
        }
    }

    /// What was seen while the service was stopped.
    #[must_use]
    pub fn stop(&self) -> Option<&Stop> {
        match self {
            Act::Stop(stop) => Some(stop),
            Act::Oom(_) | Act::Load(_) => None,
        }
    }

    /// What was seen while the service was asked for much.
    #[must_use]
    pub fn load(&self) -> Option<&Load> {
        match self {
            Act::Load(load) => Some(load),
            Act::Oom(_) | Act::Stop(_) => None,
        }
    }
}

/// What was seen while a service ran out of memory.
#[derive(Debug, Clone, Serialize)]
pub struct Oom {
    /// The cgroup before, as the kernel printed it.
    pub before: Cgroup,
    /// The same after.
    pub after: Cgroup,
    /// The most that the probe had touched when it died, in bytes.
    pub touched: u64,
    /// How the probe ended: 137 when it was killed.
    pub exit_code: Option<i64>,
    /// The engine's events meanwhile.
    pub events: Vec<String>,
    /// The pids in the container that were gone afterwards, with their names.
    pub died: Vec<String>,
    /// Restarts before and after.
    pub restarts: (i64, i64),
    /// The engine's version-dependent flag afterwards.
    pub oom_killed_flag: Option<bool>,
    /// How long until healthy again, in milliseconds; none if it never was.
    pub healthy_after_ms: Option<u64>,
    /// Whether a fresh exec worked afterwards.
    pub fresh_exec: Result<(), Blind>,
    /// The limit that was to be passed, in bytes.
    pub limit: u64,
}

/// What was seen while a service was stopped.
#[derive(Debug, Clone, Serialize)]
pub struct Stop {
    /// The processes that were stopped.
    pub stopped: Vec<String>,
    /// How long until the engine reported it unhealthy, in milliseconds; none if it never did.
    pub unhealthy_after_ms: Option<u64>,
    /// How long until it was healthy again after it continued, in milliseconds.
    pub healthy_after_ms: Option<u64>,
    /// The health check's last output while stopped.
    pub said: String,
}
