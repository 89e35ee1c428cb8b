//! From the raw files of a cgroup to limits and counters, for version 1 and version 2.
//!
//! Sources: the kernel's `cgroup-v1/memory.rst`, `scheduler/sched-bwc.rst`, `cgroup-v1/pids.rst`
//! and `cgroup-v2.rst`.

use serde::Serialize;

use super::answer::Cgroup;

/// From this value on, a version 1 memory limit is none: the largest signed number, rounded down
/// to a page.
const NO_LIMIT: u64 = 0x7fff_ffff_ffff_f000;

/// The limits that the kernel enforces. `None` is unlimited.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Swap on top of the memory, in bytes.
    pub swap: Option<u64>,
    /// Cores.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// What the kernel counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Processes of this cgroup that the OOM killer killed.
    pub oom_kills: u64,
    /// The most memory ever used, in bytes; absent on version 2 before Linux 5.19.
    pub high_water: Option<u64>,
}

impl Cgroup {
    /// The memory limit in bytes.
    ///
    /// # Errors
    /// When the file is missing or not understood.
    pub fn memory(&self) -> Result<Option<u64>, String> {
        match self.version {
            1 => Ok(v1_bytes(self.number("memory.limit_in_bytes")?)),
            _ => self.number_or_max("memory.max"),
        }
    }

    /// The memory that is used, in bytes.
    ///
    /// # Errors
    /// When the file is missing or not understood.
    pub fn memory_used(&self) -> Result<u64, String> {
        self.number(if self.version == 1 { "memory.usage_in_bytes" } else { "memory.current" })
    }

    /// The memory in bytes that the kernel prefers to leave to the cgroup: the soft limit of
    /// version 1, `memory.low` of version 2. None where nothing is preferred.
    ///
    /// # Errors
    /// When the file is missing or not understood.
    pub fn soft_memory(&self) -> Result<Option<u64>, String> {
        match self.version {
            1 => Ok(v1_bytes(self.number("memory.soft_limit_in_bytes")?)),
            _ => Ok(self.number_or_max("memory.low")?.filter(|bytes| *bytes > 0)),
        }
    }

    /// The swap that may be used on top of the memory, in bytes.
    ///
    /// # Errors
    /// When the kernel does not account swap, or a file is not understood.
    pub fn swap(&self) -> Result<Option<u64>, String> {
        if self.version != 1 {
            return self.number_or_max("memory.swap.max");
        }
        let both = v1_bytes(self.number("memory.memsw.limit_in_bytes")?);
        let memory = v1_bytes(self.number("memory.limit_in_bytes")?);
        Ok(match (both, memory) {
            (Some(both), Some(memory)) => Some(both.saturating_sub(memory)),
            (Some(both), None) => Some(both),
            (None, _) => None,
        })
    }

    /// The CPU limit in cores.
    ///
    /// # Errors
    /// When a file is missing or not understood.
    pub fn cpus(&self) -> Result<Option<f64>, String> {
        let (quota, period) = if self.version == 1 {
            let quota = self.text("cpu.cfs_quota_us")?;
            (quota.to_owned(), self.text("cpu.cfs_period_us")?.to_owned())
        } else {
            let text = self.text("cpu.max")?;
            let (quota, period) = text.split_once(' ').unwrap_or((text, "100000"));
            (quota.to_owned(), period.to_owned())
        };
        if quota == "max" || quota == "-1" {
            return Ok(None);
        }
        let number = |text: &str| {
            text.trim().parse::<f64>().map_err(|_| format!("the CPU quota is {text:?}"))
        };
        let period = number(&period)?;
        if period <= 0.0 {
            return Err(format!("the CPU period is {period}"));
        }
        Ok(Some(number(&quota)? / period))
    }

    /// The limit on processes and threads.
    ///
    /// # Errors
    /// When the file is missing or not understood.
    pub fn pids(&self) -> Result<Option<u64>, String> {
        self.number_or_max("pids.max")
    }

    /// The processes and threads that there are.
    ///
    /// # Errors
    /// When the file is missing or not understood.
    pub fn pids_current(&self) -> Result<u64, String> {
        self.number("pids.current")
    }

    /// How often the kernel refused a process for the limit; none where it does not count that.
    #[must_use]
    pub fn pids_refused(&self) -> Option<u64> {
        self.counted("pids.events", "max ").ok()
    }

    /// The CPU time that the cgroup has used, in seconds.
    ///
    /// # Errors
    /// When the counter is missing or not understood.
    #[expect(clippy::cast_precision_loss, reason = "a millisecond in a year is no matter")]
    pub fn cpu_used(&self) -> Result<f64, String> {
        match self.version {
            1 => Ok(self.number("cpuacct.usage")? as f64 / 1e9),
            _ => Ok(self.counted("cpu.stat", "usage_usec ")? as f64 / 1e6),
        }
    }

    /// In how many periods the CPU limit made the cgroup wait.
    ///
    /// # Errors
    /// When the counter is missing.
    pub fn cpu_throttled(&self) -> Result<u64, String> {
        self.counted("cpu.stat", "nr_throttled ")
    }

    /// All limits at once.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn limits(&self) -> Result<Limits, String> {
        Ok(Limits {
            memory: self.memory()?,
            swap: self.swap()?,
            cpus: self.cpus()?,
            pids: self.pids()?,
        })
    }

    /// What the kernel counted of this cgroup alone. On version 2 `memory.events` includes the
    /// cgroups below, so `memory.events.local` is read.
    ///
    /// # Errors
    /// When the counter is missing.
    pub fn counters(&self) -> Result<Counters, String> {
        let (file, water) = if self.version == 1 {
            ("memory.oom_control", "memory.max_usage_in_bytes")
        } else if self.files.contains_key("memory.events.local") {
            ("memory.events.local", "memory.peak")
        } else {
            ("memory.events", "memory.peak")
        };
        let oom_kills = self.counted(file, "oom_kill ")?;
        Ok(Counters { oom_kills, high_water: self.number(water).ok() })
    }

    /// Whether the host has any swap.
    #[must_use]
    pub fn host_has_swap(&self) -> bool {
        // The first line of /proc/swaps is its heading.
        self.swaps.lines().skip(1).any(|line| !line.trim().is_empty())
    }

    /// The host's memory in bytes.
    #[must_use]
    pub fn host_memory(&self) -> Option<u64> {
        let kib: u64 = self.meminfo.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    fn text(&self, file: &str) -> Result<&str, String> {
        match self.files.get(file) {
            Some(serde_json::Value::String(text)) => Ok(text),
            Some(other) => Err(format!("{file} cannot be read: {other}")),
            None => Err(format!("the kernel has no {file}")),
        }
    }

    /// The counter behind `name`, which ends with a space, in a file of counters.
    fn counted(&self, file: &str, name: &str) -> Result<u64, String> {
        let lines = self.text(file)?.lines();
        lines
            .filter_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .next()
            .ok_or_else(|| format!("{file} has no counter {}", name.trim_end()))
    }

    fn number(&self, file: &str) -> Result<u64, String> {
        let text = self.text(file)?;
        text.trim().parse().map_err(|_| format!("{file} is {text:?}"))
    }

    fn number_or_max(&self, file: &str) -> Result<Option<u64>, String> {
        if self.text(file)?.trim() == "max" { Ok(None) } else { self.number(file).map(Some) }
    }
}

fn v1_bytes(bytes: u64) -> Option<u64> {
    (bytes < NO_LIMIT).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn cgroup(version: u64, files: serde_json::Value) -> Cgroup {
        serde_json::from_value(json!({
            "version": version, "genuine": true, "folders": {}, "files": files,
            "swaps": "Filename Type Size Used Priority", "meminfo": "MemTotal: 24684084 kB",
            "online": "0-1",
        }))
        .unwrap()
    }

    fn version_1() -> serde_json::Value {
        json!({
            "memory.limit_in_bytes": "268435456", "memory.memsw.limit_in_bytes": "536870912",
            "memory.max_usage_in_bytes": "1000", "cpu.cfs_quota_us": "50000",
            "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3",
            "cpu.cfs_period_us": "100000", "pids.max": "64",
        })
    }

    fn version_2() -> serde_json::Value {
        json!({
            "memory.max": "268435456", "memory.swap.max": "0", "cpu.max": "50000 100000",
            "pids.max": "64", "memory.peak": "1000",
            "memory.events": "low 0\nhigh 0\nmax 9\noom 4\noom_kill 7\noom_group_kill 0",
            "memory.events.local": "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0",
        })
    }

    #[test]
    fn version_1_has_swap_as_the_rest_of_both() {
        let limits = cgroup(1, version_1()).limits().unwrap();
        let expected = Limits {
            memory: Some(256 << 20),
            swap: Some(256 << 20),
            cpus: Some(0.5),
            pids: Some(64),
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn version_2_has_swap_of_its_own() {
        let limits = cgroup(2, version_2()).limits().unwrap();
        let expected =
            Limits { memory: Some(256 << 20), swap: Some(0), cpus: Some(0.5), pids: Some(64) };
        assert_eq!(limits, expected);
    }

    #[rstest]
    #[case(1, json!({"memory.limit_in_bytes": "9223372036854771712",
        "memory.memsw.limit_in_bytes": "9223372036854771712", "cpu.cfs_quota_us": "-1",
        "cpu.cfs_period_us": "100000", "pids.max": "max"}))]
    #[case(2, json!({"memory.max": "max", "memory.swap.max": "max", "cpu.max": "max 100000",
        "pids.max": "max"}))]
    fn no_limit_is_none_in_either_version(#[case] version: u64, #[case] files: serde_json::Value) {
        let limits = cgroup(version, files).limits().unwrap();
        assert_eq!(limits, Limits { memory: None, swap: None, cpus: None, pids: None });
    }

    #[test]
    fn kills_are_those_of_the_cgroup_itself() {
        let expected = Counters { oom_kills: 3, high_water: Some(1000) };
        assert_eq!(cgroup(1, version_1()).counters().unwrap(), expected);
        assert_eq!(cgroup(2, version_2()).counters().unwrap(), expected);
    }

    #[test]
    fn a_missing_file_is_an_error_and_no_limit() {
        let cgroup = cgroup(2, json!({}));
        assert!(cgroup.memory().is_err());
        assert!(cgroup.cpus().is_err());
        assert!(cgroup.pids().is_err());
        assert!(cgroup.counters().is_err());
    }

    #[test]
    fn swap_and_memory_of_the_host_are_read() {
        let mut cgroup = cgroup(1, version_1());
        assert!(!cgroup.host_has_swap());
        assert_eq!(cgroup.host_memory(), Some(24_684_084 * 1024));
        cgroup.swaps.push_str("\n/swapfile file 1048572 0 -2");
        assert!(cgroup.host_has_swap());
    }
}
