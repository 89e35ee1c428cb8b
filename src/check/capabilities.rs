//! `capabilities`: no process holds a capability beyond the allowed ones, and none can regain
//! one through its bounding set (CIS 5.4).

use std::collections::BTreeSet;

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::probe::answer::{Process, Status};
use crate::scenario::capability;
use crate::scenario::check::Capabilities;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

pub(super) fn judge(check: &Capabilities, service: &str, world: &World) -> Finding {
    let allowed: BTreeSet<String> = check.allowed.iter().map(|name| plain(name)).collect();
    let expected = if allowed.is_empty() {
        "no process holds or can regain a capability".to_owned()
    } else {
        let names: Vec<_> = allowed.iter().cloned().collect();
        format!("no process holds or can regain a capability but {}", names.join(", "))
    };
    each_container(service, world, &expected, |sight| judge_one(&allowed, &expected, sight))
}

fn judge_one(allowed: &BTreeSet<String>, expected: &str, sight: &Sight) -> Finding {
    let name = sight.container.short_name();
    let reproduce =
        format!("docker top {name} -eo pid,comm; grep Cap /proc/HOST_PID/status, for each pid");
    let configured = configured(sight);
    let mut evidence =
        Evidence::one(Observation::now(Vantage::Engine, "capabilities configured", configured));
    if let Some(why) = configured_fault(allowed, sight) {
        // What is configured is what the container would run with. This also settles a
        // container that this kernel could not start, such as a privileged one.
        return Finding::new(Verdict::Broken, expected, evidence)
            .observed(why.clone())
            .message(why)
            .reproduce(format!("docker inspect {name} --format '{{{{json .HostConfig}}}}'"));
    }
    let processes = match sight.own().and_then(|reply| reply.processes()) {
        Ok(processes) => processes,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    let theirs = match processes.of_service() {
        Ok(theirs) => theirs,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    evidence.extend([Observation::now(
        Vantage::Inside,
        format!(
            "processes of {name}: pid, name, inheritable, permitted, effective, bounding, ambient"
        ),
        theirs.iter().map(|process| row(process)).collect::<Vec<_>>(),
    )]);
    let mut wrong = Vec::new();
    for process in &theirs {
        for status in std::iter::once(&process.status).chain(&process.threads_apart) {
            match held(status) {
                Ok(held) => {
                    let extra: Vec<String> = held.difference(allowed).cloned().collect();
                    if !extra.is_empty() {
                        let who = format!("{} (pid {})", process.name, process.pid);
                        wrong.push(format!("{who}: {}", summary(&extra)));
                    }
                }
                Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
            }
        }
    }
    let (verdict, text) = if wrong.is_empty() {
        (Verdict::Held, format!("{} processes, none beyond what is allowed", theirs.len()))
    } else {
        (Verdict::Broken, wrong.join("; "))
    };
    Finding::new(verdict, expected, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}

fn configured(sight: &Sight) -> serde_json::Value {
    let host = &sight.container.host_config;
    json!({"Privileged": host.privileged, "CapAdd": host.cap_add, "CapDrop": host.cap_drop})
}

fn configured_fault(allowed: &BTreeSet<String>, sight: &Sight) -> Option<String> {
    let host = &sight.container.host_config;
    if host.privileged == Some(true) {
        return Some("the container is privileged: it has every capability".to_owned());
    }
    let added: Vec<String> = host.cap_add.iter().flatten().map(|name| plain(name)).collect();
    let extra: Vec<&str> =
        added.iter().filter(|name| !allowed.contains(*name)).map(String::as_str).collect();
    (!extra.is_empty()).then(|| format!("the container is given {}", extra.join(", ")))
}

/// Upper case without the prefix, as this file spells the names.
fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
}

/// Everything in any of the five sets.
fn held(status: &Status) -> Result<BTreeSet<String>, String> {
    let sets =
        [&status.cap_inh, &status.cap_prm, &status.cap_eff, &status.cap_bnd, &status.cap_amb];
    let mut all = 0;
    for set in sets {
        all |= u64::from_str_radix(set, 16)
            .map_err(|_| format!("the capability set {set:?} is not understood"))?;
    }
    Ok((0..64)
        .filter(|bit| all & (1 << bit) != 0)
        .map(|bit: usize| {
            capability::ALL
                .get(bit)
                .map_or_else(|| format!("capability {bit}"), ToString::to_string)
        })
        .collect())
}

/// The engine's default set has fourteen; a list of all would hide which one matters.
fn summary(names: &[String]) -> String {
    const SHOWN: usize = 14;
    if names.len() <= SHOWN {
        return names.join(", ");
    }
    format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN)
}

fn row(process: &Process) -> serde_json::Value {
    let status = &process.status;
    json!([
        process.pid,
        process.name,
        status.cap_inh,
        status.cap_prm,
        status.cap_eff,
        status.cap_bnd,
        status.cap_amb
    ])
}
