//! The capabilities of the Linux kernel.

/// Every capability of capabilities(7), without the prefix `CAP_`, in the order of their numbers.
pub const ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Whether a word is the name of a capability, with or without the prefix `CAP_`.
#[must_use]
pub fn is_known(word: &str) -> bool {
    ALL.contains(&word.strip_prefix("CAP_").unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_with_and_without_prefix() {
        assert!(is_known("NET_BIND_SERVICE"));
        assert!(is_known("CAP_SYS_ADMIN"));
    }

    #[test]
    fn other_words_are_not_known() {
        for word in ["ALL", "net_raw", "CAP_", "", "CAP_CAP_KILL", "NET_BIND"] {
            assert!(!is_known(word), "{word}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_kernel() {
        assert_eq!(ALL[0], "CHOWN");
        assert_eq!(ALL[21], "SYS_ADMIN");
        assert_eq!(ALL[39], "BPF");
    }
}
