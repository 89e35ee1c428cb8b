//! How much memory this process has needed.

use serde_json::Value;

/// The most memory that this process has had in use, in bytes: `VmHWM` of proc_pid_status(5).
/// Null where the kernel does not say it. A process that makes several runs has one figure.
pub(super) fn peak_memory() -> Value {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    peak(&status).map_or(Value::Null, Value::from)
}

fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_in_bytes() {
        assert_eq!(peak("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 7 kB\n"), Some(2 << 20));
        assert_eq!(peak("VmPeak:\t 9 kB\n"), None);
        assert!(peak_memory().as_u64().is_some_and(|bytes| bytes > 1 << 20));
    }
}
