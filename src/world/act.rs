//! What was done to a container on purpose, and what was seen meanwhile.

use serde::{Deserialize, Serialize};

use super::neighbours::Neighbours;
use super::{Blind, Load};
use crate::probe::answer::Cgroup;

/// One act and what it showed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Memory ran out.
    Oom(Box<Oom>),
    /// Memory ran out while the neighbours were watched.
    Blast(Box<Blast>),
    /// Every process was stopped.
    Stop(Stop),
    /// More threads computed than the CPU limit has room for.
    Cpu(Box<Cpu>),
    /// Processes were forked until the kernel refused.
    Pids(Box<Pids>),
    /// Much was asked.
    Load(Box<Load>),
}

impl Act {
    /// What was seen while memory ran out.
    #[must_use]
    pub fn oom(&self) -> Option<&Oom> {
        if let Act::Oom(oom) = self { Some(oom) } else { None }
    }

    /// What was seen of the neighbours while memory ran out.
    #[must_use]
    pub fn blast(&self) -> Option<&Blast> {
        if let Act::Blast(blast) = self { Some(blast) } else { None }
    }

    /// What was seen while the service was stopped.
    #[must_use]
    pub fn stop(&self) -> Option<&Stop> {
        if let Act::Stop(stop) = self { Some(stop) } else { None }
    }

    /// What was seen while the service computed without end.
    #[must_use]
    pub fn cpu(&self) -> Option<&Cpu> {
        if let Act::Cpu(cpu) = self { Some(cpu) } else { None }
    }

    /// What was seen while the service forked.
    #[must_use]
    pub fn pids(&self) -> Option<&Pids> {
        if let Act::Pids(pids) = self { Some(pids) } else { None }
    }

    /// What was seen while the service was asked for much.
    #[must_use]
    pub fn load(&self) -> Option<&Load> {
        if let Act::Load(load) = self { Some(load) } else { None }
    }
}

/// What was seen while a service ran out of memory.
#[derive(Debug, Clone, Serialize)]
pub struct Oom {
    /// The cgroup before, as the kernel printed it.
    pub before: Cgroup,
    /// The same after.
    pub after: Cgroup,
    /// The command of the image that was to exhaust memory; none where it was the probe.
    pub command: Option<String>,
    /// The most that the probe had touched when it died, in bytes; none where it was not the
    /// probe.
    pub touched: Option<u64>,
    /// How the probe or the command ended: 137 when it was killed itself.
    pub exit_code: Option<i64>,
    /// What it complained of.
    pub complaint: String,
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

impl Oom {
    /// How many processes the kernel killed for memory. A restart makes a new cgroup whose counter
    /// begins anew, so then the engine's word counts.
    ///
    /// # Errors
    /// When the counter cannot be read.
    pub fn kills(&self) -> Result<u64, Blind> {
        let before = self.before.counters()?.oom_kills;
        let after = self.after.counters()?.oom_kills;
        if self.restarts.1 > self.restarts.0 {
            let events = self.events.iter().filter(|event| *event == "oom").count();
            return Ok(u64::try_from(events).unwrap_or(u64::MAX));
        }
        Ok(after.saturating_sub(before))
    }

    /// What the exit code of the command would have said by itself.
    #[must_use]
    pub fn stress_said(&self) -> Option<String> {
        let command = self.command.as_ref()?;
        let code = match self.exit_code {
            Some(0) => "with 0, as if nothing had been killed".to_owned(),
            Some(code) => format!("with {code}"),
            None => "not in time".to_owned(),
        };
        Some(format!("`{command}` ended {code}"))
    }
}

/// What was seen while a service ran out of memory beside others.
#[derive(Debug, Clone, Serialize)]
pub struct Blast {
    /// The service itself.
    pub oom: Oom,
    /// The others.
    pub neighbours: Neighbours,
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

/// What was seen while a service computed without end.
#[derive(Debug, Clone, Serialize)]
pub struct Cpu {
    /// The threads that computed.
    pub threads: u64,
    /// Why a further one could not be started, if one could not.
    pub refused: Option<String>,
    /// What the kernel had counted, from the beginning to the end.
    pub counts: Vec<CpuCount>,
}

/// What the kernel had counted at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CpuCount {
    /// When, by the clock, in microseconds since the beginning.
    pub at_us: u64,
    /// The cgroup.
    pub cgroup: Cgroup,
}

/// What was seen while processes were forked inside a service until the kernel refused.
#[derive(Debug, Clone, Serialize)]
pub struct Pids {
    /// The limit that was to be reached.
    pub limit: u64,
    /// How many were forked.
    pub forked: u64,
    /// The error of the one that was refused; none where none was.
    pub errno: Option<String>,
    /// How many of them were ended and waited for.
    pub reaped: u64,
    /// The cgroup before the first.
    pub before: Cgroup,
    /// The same after the last, while they lived.
    pub exhausted: Cgroup,
    /// The same when they had ended.
    pub after: Cgroup,
    /// Whether they lived until the neighbours had been asked.
    pub held: bool,
    /// The neighbours that ran.
    pub neighbours: Vec<Forked>,
    /// Whether a fresh exec worked afterwards.
    pub fresh_exec: Result<(), Blind>,
}

/// Whether a process can be executed in a neighbour.
#[derive(Debug, Clone, Serialize)]
pub struct Forked {
    /// The neighbour's container.
    pub container: String,
    /// In peace.
    pub before: Result<(), Blind>,
    /// While the limit of the service was exhausted.
    pub during: Result<(), Blind>,
}
