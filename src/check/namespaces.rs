//! `namespaces`: the service shares no namespace with the engine's host or with another
//! container (CIS 5.10, 5.16, 5.17, 5.21). Namespaces are told apart by their inodes.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::probe::answer::Namespaces as Inodes;
use crate::scenario::check::Namespaces;
use crate::verdict::Verdict;
use crate::world::{Blind, Sight, World};

/// The kinds that every container has of its own unless told otherwise. User and cgroup
/// namespaces depend on how the engine is set up.
const KINDS: [&str; 5] = ["pid", "net", "ipc", "uts", "mnt"];

pub(super) fn judge(check: &Namespaces, service: &str, world: &World) -> Finding {
    let own: Vec<String> = check.own.iter().map(|kind| kind.value.clone()).collect();
    let own = if own.is_empty() { KINDS.map(str::to_owned).to_vec() } else { own };
    let expected = format!("namespaces of its own: {}", own.join(", "));
    each_container(service, world, &expected, |sight| judge_one(&own, &expected, sight, world))
}

fn judge_one(own: &[String], expected: &str, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let host = &sight.container.host_config;
    let reproduce = format!(
        "docker inspect {name} --format \
        '{{{{.HostConfig.PidMode}}}} {{{{.HostConfig.NetworkMode}}}} {{{{.HostConfig.IpcMode}}}}'"
    );
    let configured = json!({
        "PidMode": host.pid_mode, "IpcMode": host.ipc_mode, "NetworkMode": host.network_mode,
        "UTSMode": host.uts_mode,
    });
    let mut evidence =
        Evidence::one(Observation::now(Vantage::Engine, "namespace modes", configured));
    if !sight.container.is_running() {
        let shared = configured_as_shared(sight);
        if !shared.is_empty() {
            return Finding::new(Verdict::Broken, expected, evidence)
                .observed(shared.join("; "))
                .message(format!("configured: {}", shared.join("; ")))
                .reproduce(reproduce);
        }
    }
    let seen = match look(own, sight, world) {
        Ok(seen) => seen,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    evidence.extend([
        Observation::now(Vantage::Inside, "namespaces of the service", json!(seen.own)),
        Observation::now(Vantage::Host, "namespaces of the engine's host", json!(seen.host)),
        Observation::now(Vantage::Inside, "namespaces of the other containers", json!(seen.others)),
    ]);
    let mut shared = Vec::new();
    for kind in own {
        let Some(inode) = seen.own.get(kind).and_then(|inode| inode.as_str()) else {
            return Finding::could_not_observe(
                expected,
                format!("the {kind} namespace is unknown"),
            );
        };
        let same = |inodes: &Inodes| inodes.get(kind).and_then(|i| i.as_str()) == Some(inode);
        // Our container on the host has a mount namespace of its own, so that one says nothing
        // about the host's.
        if kind != "mnt" && same(&seen.host) {
            shared.push(format!("{kind} with the host"));
        }
        let others = seen.others.iter().filter(|(_, inodes)| same(inodes));
        shared.extend(others.map(|(other, _)| format!("{kind} with {other}")));
    }
    shared.extend(seen.apart);
    let (verdict, text) = if shared.is_empty() {
        (Verdict::Held, format!("{} namespaces, shared with nobody", own.len()))
    } else {
        (Verdict::Broken, format!("shared: {}", shared.join("; ")))
    };
    Finding::new(verdict, expected, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}

struct Look {
    own: Inodes,
    host: Inodes,
    others: BTreeMap<String, Inodes>,
    /// Processes that are in another namespace than the one the probe was given.
    apart: Vec<String>,
}

fn look(kinds: &[String], sight: &Sight, world: &World) -> Result<Look, Blind> {
    let reply = sight.own()?;
    let own = reply.header.ns.clone();
    let host = world.host.as_ref().map_err(Clone::clone)?.header.ns.clone();
    if host.get("net").and_then(|inode| inode.as_str()).is_none() {
        return Err("the namespaces of the engine's host are unknown".to_owned());
    }
    let mut others = BTreeMap::new();
    for other in world.services.values().flatten() {
        if other.container.id == sight.container.id {
            continue;
        }
        let name = other.container.short_name().to_owned();
        match other.own() {
            Ok(reply) => {
                others.insert(name, reply.header.ns.clone());
            }
            // A container that does not run has no namespaces to share.
            Err(_) if !other.container.is_running() => {}
            Err(why) => return Err(format!("the namespaces of {name} are unknown: {why}")),
        }
    }
    let host_inodes = &host;
    let processes = reply.processes()?;
    let apart = processes
        .of_service()?
        .into_iter()
        .flat_map(|process| {
            kinds.iter().filter_map(move |kind| {
                let inode = process.ns.get(kind)?.as_str()?;
                let is_hosts = kind != "mnt" && host_inodes.get(kind)?.as_str() == Some(inode);
                let who = format!("{} (pid {})", process.name, process.pid);
                is_hosts.then(|| format!("{kind} of {who} with the host"))
            })
        })
        .collect();
    Ok(Look { own, host, others, apart })
}

fn configured_as_shared(sight: &Sight) -> Vec<String> {
    let host = &sight.container.host_config;
    [
        ("pid", &host.pid_mode),
        ("ipc", &host.ipc_mode),
        ("net", &host.network_mode),
        ("uts", &host.uts_mode),
    ]
    .into_iter()
    .filter_map(|(kind, mode)| {
        let mode = mode.as_deref()?;
        let shared = mode == "host" || mode.starts_with("container:");
        shared.then(|| format!("{kind}: {mode}"))
    })
    .collect()
}
