//! `seccomp`: every process is under a filter, and the filter refuses what the engine's default
//! profile refuses (CIS 5.22). A filter that allows everything shows the same mode, so a battery
//! of harmless system calls is tried; the control, without a filter, shows what the kernel
//! itself says to each.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Finding, each_container};
use crate::engine::versions::{ALWAYS, NEVER, Span, Version};
use crate::observation::{Evidence, Observation, Vantage};
use crate::verdict::Verdict;
use crate::world::{Blind, Sight, World};

const EXPECTED: &str = "every process is under a seccomp filter that refuses dangerous calls";

/// A call that the default profile refuses.
struct Refused {
    call: &'static str,
    /// The errors of a refusal. The profile gives EPERM; the runtime gives ENOSYS for calls newer
    /// than all that the profile names, and the profile itself does so for `clone3`.
    with: &'static [&'static str],
    /// The first engine whose profile refuses it.
    since: Version,
    /// The first engine whose profile allows it again.
    until: Version,
    /// The capability with which the profile allows it. Where it is `CAP_SYS_ADMIN`, that is no
    /// excuse: a service with it is told what its filter lets through.
    unless: &'static str,
}

const EPERM: &[&str] = &["EPERM"];
const EITHER: &[&str] = &["EPERM", "ENOSYS"];

const fn refused(call: &'static str) -> Refused {
    Refused { call, with: EPERM, since: ALWAYS, until: NEVER, unless: "" }
}

/// What the default profile refuses to a process without capabilities, by engine: moby,
/// `profiles/seccomp/default.json` at the tags 20.10.0, 20.10.24, 23.0.0, 24.0.0, 24.0.9, 25.0.0,
/// 26.0.0, 27.0.1 and 28.0.0, and its successor in the vendored `github.com/moby/profiles` at
/// 28.5.2, 29.0.0, 29.4.1, 29.5.0 and 29.7.2. For a newer engine the newest of these is expected.
const TABLE: [Refused; 40] = [
    refused("unshare"),
    refused("setns"),
    refused("mount"),
    refused("umount2"),
    refused("open_tree"),
    refused("fsconfig"),
    Refused { with: EITHER, ..refused("mount_setattr") },
    // EPERM before 20.10.10, where ENOSYS lets the C library fall back to `clone`.
    Refused { with: EITHER, ..refused("clone3") },
    refused("clone-newuser"),
    refused("keyctl"),
    refused("add_key"),
    refused("request_key"),
    Refused { unless: "BPF", ..refused("bpf") },
    Refused { unless: "PERFMON", ..refused("perf_event_open") },
    refused("userfaultfd"),
    Refused { since: Version(25, 0), ..refused("io_uring_setup") },
    Refused { since: Version(25, 0), ..refused("io_uring_enter") },
    Refused { since: Version(25, 0), ..refused("io_uring_register") },
    Refused { unless: "DAC_READ_SEARCH", ..refused("open_by_handle_at") },
    Refused { until: Version(24, 0), ..refused("name_to_handle_at") },
    Refused { until: Version(23, 0), unless: "SYS_PTRACE", ..refused("process_vm_readv") },
    Refused { with: EITHER, unless: "SYS_PTRACE", ..refused("process_madvise") },
    Refused { with: EITHER, unless: "SYS_PTRACE", ..refused("pidfd_getfd") },
    Refused { unless: "SYS_PTRACE", ..refused("kcmp") },
    refused("move_pages"),
    refused("migrate_pages"),
    Refused { unless: "SYS_NICE", ..refused("mbind") },
    Refused { unless: "SYS_NICE", ..refused("set_mempolicy") },
    Refused { unless: "SYS_NICE", ..refused("get_mempolicy") },
    Refused { with: EITHER, unless: "SYS_NICE", ..refused("set_mempolicy_home_node") },
    Refused { since: Version(23, 0), ..refused("socket-vsock") },
    Refused { since: Version(29, 5), ..refused("socket-alg") },
    refused("quotactl"),
    Refused { with: EITHER, ..refused("quotactl_fd") },
    refused("fanotify_init"),
    Refused { unless: "SYS_TIME", ..refused("settimeofday") },
    Refused { unless: "SYS_TIME", ..refused("clock_settime") },
    Refused { unless: "SYSLOG", ..refused("syslog") },
    Refused { unless: "SYS_RAWIO", ..refused("iopl") },
    Refused { unless: "SYS_RAWIO", ..refused("ioperm") },
];

/// How many calls must tell the filter from the kernel. A kernel built without some of them
/// answers ENOSYS with and without a filter.
const ENOUGH: usize = 12;

pub(super) fn judge(service: &str, world: &World) -> Finding {
    each_container(service, world, EXPECTED, |sight| judge_one(sight, world))
}

fn judge_one(sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker inspect {name} --format '{{{{.HostConfig.SecurityOpt}}}}'; \
        docker top {name} -eo pid,comm; grep Seccomp /proc/HOST_PID/status, for each pid"
    );
    let options = sight.container.host_config.security_opt.clone().unwrap_or_default();
    let shown: Vec<String> =
        options.iter().map(|option| option.chars().take(200).collect()).collect();
    let mut evidence =
        Evidence::one(Observation::now(Vantage::Engine, "security options", json!(shown)));
    let broken = |evidence: Evidence, why: String| {
        Finding::new(Verdict::Broken, EXPECTED, evidence)
            .observed(why.clone())
            .message(why)
            .reproduce(reproduce.clone())
    };
    if sight.container.host_config.privileged == Some(true) {
        return broken(evidence, "a privileged container has no filter".to_owned());
    }
    let (modes, battery) = match look(sight) {
        Ok(seen) => seen,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    evidence.extend([
        Observation::now(Vantage::Inside, "pid, name, Seccomp", json!(modes)),
        Observation::now(Vantage::Inside, "system calls tried", json!(battery)),
    ]);
    let without: Vec<String> = modes
        .iter()
        .filter(|(_, _, mode)| *mode != Some(2))
        .map(|(pid, name, _)| format!("{name} (pid {pid}) is under no filter"))
        .collect();
    if !without.is_empty() {
        return broken(evidence, without.join("; "));
    }
    let control = match control(world) {
        Ok(control) => control,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    evidence.extend([Observation::now(
        Vantage::Control,
        "the same system calls without a filter",
        json!(control),
    )]);
    let expected = expected(world.about.engine.as_deref(), &capabilities(sight));
    let telling: Vec<&Refused> = expected
        .into_iter()
        .filter(|row| {
            control.get(row.call).is_some_and(|answer| !row.with.contains(&answer.as_str()))
        })
        .collect();
    if telling.len() < ENOUGH {
        let why = format!("only {} calls tell a filter from this kernel", telling.len());
        return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce);
    }
    let allowed: Vec<&str> = telling
        .iter()
        .filter(|row| {
            battery.get(row.call).is_none_or(|answer| !row.with.contains(&answer.as_str()))
        })
        .map(|row| row.call)
        .collect();
    if !allowed.is_empty() {
        return broken(evidence, format!("the filter lets through: {}", allowed.join(", ")));
    }
    Finding::new(Verdict::Held, EXPECTED, evidence)
        .observed(format!("{} processes filtered, {} calls refused", modes.len(), telling.len()))
        .message(format!("all {} telling system calls were refused", telling.len()))
        .reproduce(reproduce)
}

/// What this engine's default profile refuses, with these capabilities. An engine that does not
/// tell its version is held to what all of them refuse.
fn expected(engine: Option<&str>, capabilities: &[String]) -> Vec<&'static Refused> {
    let version = engine.and_then(Version::parse);
    TABLE
        .iter()
        .filter(|row| {
            let span = Span { since: row.since, until: row.until };
            version.map_or_else(|| span.has_all(), |version| span.has(version))
        })
        .filter(|row| !capabilities.iter().any(|capability| capability == row.unless))
        .collect()
}

/// The capabilities that the container was given beyond the engine's own choice, of which none
/// is in the table; without their prefix.
fn capabilities(sight: &Sight) -> Vec<String> {
    let added = sight.container.host_config.cap_add.iter().flatten();
    let upper = added.map(|name| name.to_ascii_uppercase());
    upper.map(|name| name.strip_prefix("CAP_").unwrap_or(&name).to_owned()).collect()
}

type Modes = Vec<(u32, String, Option<u32>)>;

fn look(sight: &Sight) -> Result<(Modes, BTreeMap<String, String>), Blind> {
    let reply = sight.own()?;
    let processes = reply.processes()?;
    let modes = processes
        .of_service()?
        .into_iter()
        .map(|process| (process.pid, process.name.clone(), process.status.seccomp))
        .collect();
    Ok((modes, reply.syscalls()?))
}

fn control(world: &World) -> Result<BTreeMap<String, String>, Blind> {
    let control = world.control.as_ref().map_err(Clone::clone)?;
    control.user.as_ref().map_err(Clone::clone)?.syscalls()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::io_uring_before(Some("24.0.9"), "io_uring_setup", false)]
    #[case::io_uring_from(Some("25.0.0"), "io_uring_setup", true)]
    #[case::vsock_before(Some("20.10.24+dfsg1"), "socket-vsock", false)]
    #[case::vsock_from(Some("23.0.1"), "socket-vsock", true)]
    #[case::alg_before(Some("29.4.1"), "socket-alg", false)]
    #[case::alg_from(Some("29.5.0-rc.1"), "socket-alg", true)]
    #[case::handles_before(Some("23.0.6"), "name_to_handle_at", true)]
    #[case::handles_from(Some("24.0.0"), "name_to_handle_at", false)]
    #[case::vm_before(Some("20.10.24+dfsg1"), "process_vm_readv", true)]
    #[case::vm_from(Some("23.0.0"), "process_vm_readv", false)]
    #[case::newer_than_any_known(Some("31.2"), "socket-alg", true)]
    #[case::unknown_has_what_all_have(None, "mount", true)]
    #[case::unknown_has_no_more(None, "io_uring_setup", false)]
    fn the_expectation_is_that_of_the_engines_version(
        #[case] engine: Option<&str>,
        #[case] call: &str,
        #[case] is_refused: bool,
    ) {
        let found = expected(engine, &[]).iter().any(|row| row.call == call);
        assert_eq!(found, is_refused);
    }

    #[test]
    fn a_call_that_a_capability_brings_with_it_is_not_expected_to_be_refused() {
        let has = |capabilities: &[String], call: &str| {
            expected(Some("28.0"), capabilities).iter().any(|row| row.call == call)
        };
        let nice = ["SYS_NICE".to_owned()];
        assert!(has(&[], "mbind") && !has(&nice, "mbind") && has(&nice, "mount"));
        assert!(has(&["SYS_ADMIN".to_owned()], "mount"));
    }
}
