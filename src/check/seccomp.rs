//! `seccomp`: every process is under a filter, and the filter refuses what the engine's default
//! profile refuses (CIS 5.22). A filter that allows everything shows the same mode, so a battery
//! of harmless system calls is tried; the control, without a filter, shows what the kernel
//! itself says to each.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::verdict::Verdict;
use crate::world::{Blind, Sight, World};

const EXPECTED: &str = "every process is under a seccomp filter that refuses dangerous calls";

/// The calls that the default profile of every supported engine refuses without capabilities,
/// and the error that it gives: moby, `profiles/seccomp/default.json`, 20.10 to 29. The call
/// `io_uring_setup` is refused from 25.0 on and so tells nothing here.
const REFUSED: [(&str, &str); 11] = [
    ("unshare", "EPERM"),
    ("setns", "EPERM"),
    ("mount", "EPERM"),
    ("keyctl", "EPERM"),
    ("add_key", "EPERM"),
    ("request_key", "EPERM"),
    ("perf_event_open", "EPERM"),
    ("userfaultfd", "EPERM"),
    ("clone3", "ENOSYS"),
    ("move_pages", "EPERM"),
    ("kcmp", "EPERM"),
];
/// How many calls must tell the filter from the kernel. A kernel built without some of them
/// answers ENOSYS with and without a filter.
const ENOUGH: usize = 6;

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
    let telling: Vec<(&str, &str)> = REFUSED
        .into_iter()
        .filter(|(call, refusal)| control.get(*call).is_some_and(|answer| answer != refusal))
        .collect();
    if telling.len() < ENOUGH {
        let why = format!("only {} calls tell a filter from this kernel", telling.len());
        return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce);
    }
    let allowed: Vec<String> = telling
        .iter()
        .filter(|(call, refusal)| battery.get(*call).is_none_or(|answer| answer != refusal))
        .map(|(call, _)| (*call).to_owned())
        .collect();
    if !allowed.is_empty() {
        return broken(evidence, format!("the filter lets through: {}", allowed.join(", ")));
    }
    Finding::new(Verdict::Held, EXPECTED, evidence)
        .observed(format!("{} processes filtered, {} calls refused", modes.len(), telling.len()))
        .message(format!("all {} telling system calls were refused", telling.len()))
        .reproduce(reproduce)
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
