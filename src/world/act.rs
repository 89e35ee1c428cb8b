//! What was done to a container on purpose, and what was seen meanwhile.

use serde::Serialize;

use super::Blind;
use crate::probe::answer::Cgroup;

/// One act and what it showed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Memory ran out.
    Oom(Box<Oom>),
    /// Every process was stopped.
    Stop(Stop),
    /// What the service depends on came late.
    Late(Late),
}

impl Act {
    /// What was seen while memory ran out.
    #[must_use]
    pub fn oom(&self) -> Option<&Oom> {
        match self {
            Act::Oom(oom) => Some(oom),
            Act::Stop(_) | Act::Late(_) => None,
        }
    }

    /// What was seen while the service was stopped.
    #[must_use]
    pub fn stop(&self) -> Option<&Stop> {
        match self {
            Act::Stop(stop) => Some(stop),
            Act::Oom(_) | Act::Late(_) => None,
        }
    }

    /// What was seen while what the service depends on was missing.
    #[must_use]
    pub fn late(&self) -> Option<&Late> {
        match self {
            Act::Late(late) => Some(late),
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

/// What was seen of a service that was started before what it depends on.
#[derive(Debug, Clone, Serialize)]
pub struct Late {
    /// How much later that came, in milliseconds.
    pub delay_ms: u64,
    /// What the engine said of the service at the end of the delay: `starting`, `unhealthy` and
    /// so on, or the state of the container where there is no health check.
    pub without: String,
    /// How often the service ended from its start on.
    pub ends: u64,
    /// The exit code of the last end.
    pub exit_code: Option<i64>,
    /// How long until it was healthy once what it depends on was, in milliseconds; none if it
    /// never was. Running is all that can be waited for where there is no health check.
    pub healthy_after_ms: Option<u64>,
    /// Whether there is a health check.
    pub has_health_check: bool,
}
