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
    let mut visited = BTreeSet::new();
    let mounts = mounts_of(service, world, &mut visited, &mut outside);
    outside.extend(visited.iter().flat_map(|service| external_volumes(service, world)));
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
        let configured = &sight.container.mounts;
        evidence.extend([Observation::now(Vantage::Engine, "mounts", json!(configured))]);
        for mount in configured {
            let (Some(source), Some(target)) = (&mount.source, &mount.destination) else {
                continue;
            };
            if let Some(socket) = held_by(source, world, &sockets) {
                let kind = mount.kind.as_deref().unwrap_or("mount");
                raw.push(describe(kind, source, target, &socket));
            } else if mount.kind.as_deref() == Some("volume")
                && !mounts.iter().any(|declared| normal(&declared.target) == normal(target))
                && !is_anonymous(source)
            {
                outside.push(format!("the volume at {target}"));
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
    let mut unknown: Vec<String> = outside
        .iter()
        .map(|what| format!("the Compose files do not say what {what} holds"))
        .collect();
    if world.attached && world.sights(service).is_empty() {
        unknown.push(format!("service {service} has no container"));
    }
    if !unknown.is_empty() {
        let why = unknown.join("; ");
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

/// The volumes that a service mounts and that were made elsewhere. A volume can bind any folder
/// of the host by the options that it was made with, and the engine reports its own path for it.
fn external_volumes(service: &str, world: &World) -> Vec<String> {
    let raw = &world.model.raw;
    let mounts = raw.get("services").and_then(|services| services.get(service)?.get("volumes"));
    mounts
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|mount| mount.get("source")?.as_str())
        .filter(|name| {
            let volume = raw.get("volumes").and_then(|volumes| volumes.get(name));
            volume.and_then(|volume| volume.get("external")) == Some(&json!(true))
        })
        .map(|name| format!("the external volume {name}"))
        .collect()
}

/// Whether a volume is one that the engine made for an image's `VOLUME`: it has no options. Its
/// name, by which the engine calls the folder, is then 64 hexadecimal digits.
fn is_anonymous(source: &str) -> bool {
    let name = Path::new(source).parent().and_then(Path::file_name);
    name.and_then(|name| name.to_str())
        .is_some_and(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The engine sockets that are known: the usual places, and the one that we talk to.
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
