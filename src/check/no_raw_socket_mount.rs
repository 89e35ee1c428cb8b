//! `no-raw-socket-mount`: the Compose model mounts no engine socket into the service, plainly or
//! by a parent folder, a symbolic link, a volume that binds, a secret, a config or another
//! service's volumes (CIS 5.32).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Finding;
use crate::compose::Mount;
use crate::observation::{Evidence, Observation, Vantage};
use crate::verdict::Verdict;
use crate::world::World;

const EXPECTED: &str = "no mount is an engine's socket or holds one";

/// Where engines listen unless told otherwise. `/var/run` is a link to `/run` on most hosts, so
/// both spellings stand here.
pub(super) const ENGINE_SOCKETS: [&str; 14] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/containerd/containerd.sock.ttrpc",
    "/var/run/containerd/containerd.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/var/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/var/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/cri-dockerd.sock",
    "/var/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
];

pub(super) fn judge(service: &str, world: &World) -> Finding {
    if !world.model.services.contains_key(service) {
        return Finding::could_not_observe(EXPECTED, format!("the model has no service {service}"));
    }
    let sockets = sockets(world);
    let mut outside = Vec::new();
    let mounts = mounts_of(service, world, &mut BTreeSet::new(), &mut outside);
    let listed: Vec<_> = mounts.iter().map(|m| json!([m.kind, m.source, m.target])).collect();
    let mut evidence = Evidence::one(Observation::now(Vantage::Model, "mounts", json!(listed)));
    let mut raw: Vec<String> = mounts
        .iter()
        .filter_map(|mount| {
            let source = mount.source.as_deref()?;
            let socket = held_by(source, world, &sockets)?;
            Some(describe(&mount.kind, source, &mount.target, &socket))
        })
        .collect();
    for sight in world.sights(service) {
        let mounts = &sight.container.mounts;
        evidence.extend([Observation::now(Vantage::Engine, "mounts", json!(mounts))]);
        for mount in mounts {
            let (Some(source), Some(target)) = (&mount.source, &mount.destination) else {
                continue;
            };
            if let Some(socket) = held_by(source, world, &sockets) {
                let kind = mount.kind.as_deref().unwrap_or("mount");
                raw.push(describe(kind, source, target, &socket));
            }
        }
    }
    raw.sort();
    raw.dedup();
    let reproduce =
        format!("docker compose config --format json | jq '.services[\"{service}\"].volumes'");
    if !raw.is_empty() {
        return Finding::new(Verdict::Broken, EXPECTED, evidence)
            .observed(raw.join("; "))
            .message(format!("an engine's socket is mounted: {}", raw.join("; ")))
            .reproduce(reproduce);
    }
    if !outside.is_empty() {
        let why = format!("volumes of {} are outside the model", outside.join(", "));
        return Finding::new(Verdict::Inconclusive, EXPECTED, evidence)
            .observed(why.clone())
            .message(why)
            .reproduce(reproduce);
    }
    Finding::new(Verdict::Held, EXPECTED, evidence)
        .observed(format!("{} mounts, none of a socket", mounts.len()))
        .message("no mount of the service is or holds an engine's socket")
        .reproduce(reproduce)
}

/// The engine sockets that are known: the usual places, the one that we talk to, and what
/// listens on the engine's host under an engine's name.
fn sockets(world: &World) -> BTreeSet<PathBuf> {
    let usual = ENGINE_SOCKETS.iter().map(PathBuf::from);
    let ours = std::iter::once(world.engine_socket.clone());
    let canonical = world.canonical.get(&*world.engine_socket.to_string_lossy()).map(PathBuf::from);
    usual.chain(ours).chain(canonical).collect()
}

/// The socket that `source` is or holds.
fn held_by(source: &str, world: &World, sockets: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let resolved = world.canonical.get(source).map(String::as_str);
    [Some(source), resolved].into_iter().flatten().find_map(|path| {
        // Component-wise, so that /runner is no parent of /run.
        sockets.iter().find(|socket| socket.starts_with(normal(path))).cloned()
    })
}

/// The path without `.`, `..` and doubled slashes, by text alone.
fn normal(path: &str) -> PathBuf {
    let mut parts = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            std::path::Component::ParentDir => {
                parts.pop();
            }
            std::path::Component::Normal(name) => parts.push(name),
            std::path::Component::CurDir
            | std::path::Component::RootDir
            | std::path::Component::Prefix(_) => {}
        }
    }
    parts
}

fn describe(kind: &str, source: &str, target: &str, socket: &Path) -> String {
    let socket = socket.display();
    if Path::new(source) == Path::new(&socket.to_string()) {
        format!("{kind} {source} at {target}")
    } else {
        format!("{kind} {source} at {target}, which gives {socket}")
    }
}

/// The mounts of a service with those that it takes from others.
fn mounts_of<'a>(
    service: &str,
    world: &'a World,
    visited: &mut BTreeSet<String>,
    outside: &mut Vec<String>,
) -> Vec<&'a Mount> {
    if !visited.insert(service.to_owned()) {
        return vec![];
    }
    let Some(declared) = world.model.services.get(service) else { return vec![] };
    let mut mounts: Vec<&Mount> = declared.mounts.iter().collect();
    for from in &declared.volumes_from {
        match from.split(':').collect::<Vec<_>>().as_slice() {
            ["container", name, ..] => outside.push(format!("container {name}")),
            [other, ..] => mounts.extend(mounts_of(other, world, visited, outside)),
            [] => {}
        }
    }
    mounts
}
