//! Ways to the engine.

use serde_json::{Value, json};

use super::mutant;
use crate::mutation::landing::Kernel;
use crate::mutation::subject::{Ground, Subject};
use crate::mutation::{Expected, Mutant, Sign};
use crate::scenario::CheckSpec;

/// The service that a mutant adds: it relays, as a person's `socat` would.
const RELAY: &str = "stackproof-relay";
/// The port of the relay, at which nobody looks for an engine.
const PORT: &str = "12375";

/// A further container, and one without limits, is in every sum.
const RELAYS: [&str; 1] = ["capacity-totals"];

/// The mutants of one service.
pub(super) fn of(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let group = subject.appended("group_add", json!(ground.socket_gid.to_string()));
    let folder = parent(&ground.socket);
    let socket = &ground.socket;
    let bind = |target: &str, source: &str| json!({"type": "bind", "source": source, "target": target, "bind": {"create_host_path": false}});
    let mounted = |weakness: &str, text: &str, entry: Value, grouped: bool| {
        let target = entry["target"].as_str().unwrap_or_default().to_owned();
        let name = target.trim_start_matches("/var").to_owned();
        let mut patch = json!({"volumes": subject.appended("volumes", entry)});
        let mut mutant = mutant(subject, weakness, text)
            .sign(Sign::ConfiguredText("/Mounts".to_owned(), format!("\"{target}\"")))
            .sign(Sign::Kernel(Kernel::Mounted(target.clone())))
            .breaks("no-raw-socket-mount", name.clone());
        if grouped {
            patch["group_add"] = group.clone();
            mutant = mutant
                .breaks("no-docker-access", name.clone())
                .breaks("docker-access-via", "another way");
        }
        // Of a service that may not reach the engine at all this is no surprise either.
        mutant.also(&["no-docker-access", "docker-access-via", "read-only-root"]).patch(&patch)
    };
    mutants.push(mounted(
        "socket-mounted",
        "the engine's socket is mounted at its usual place, and its group is given",
        bind("/var/run/docker.sock", socket),
        true,
    ));
    mutants.push(mounted(
        "socket-elsewhere",
        "the engine's socket is mounted under another name",
        bind("/srv/cache.dat", socket),
        true,
    ));
    mutants.push(mounted(
        "socket-by-symlink",
        "a symbolic link to the engine's socket is mounted",
        bind("/srv/link.dat", &format!("{}/innocent.dat", ground.folder)),
        true,
    ));
    let mut read_only = bind("/srv/host-run", &folder);
    read_only["read_only"] = json!(true);
    mutants.push(mounted(
        "socket-folder-read-only",
        "the folder of the engine's socket is mounted read-only",
        read_only,
        true,
    ));
    let mut long = bind("/srv/engine.sock", socket);
    long["read_only"] = json!(true);
    long["bind"] = json!({"create_host_path": false, "propagation": "rprivate"});
    mutants.push(mounted(
        "socket-long-syntax",
        "the engine's socket is mounted read-only, with options that only the long syntax has",
        long,
        true,
    ));
    mutants.push(mounted(
        "socket-without-permission",
        "the engine's socket is mounted, and the service may not open it",
        bind("/var/run/docker.sock", socket),
        false,
    ));
    if let Some((uid, _)) = subject.identity {
        let user = format!("{uid}:{}", ground.socket_gid);
        mutants.push(
            mounted(
                "socket-by-user-group",
                "the engine's socket is mounted, and its group is the service's own",
                bind("/srv/cache.dat", socket),
                false,
            )
            .patch(&json!({"user": user, "group_add": subject.with_groups(&[])}))
            .sign(Sign::Kernel(Kernel::Gid(ground.socket_gid)))
            .breaks("no-docker-access", "/srv/cache.dat")
            .also(&["runs-as"]),
        );
    }
    mutants.push(
        mounted(
            "socket-by-volume",
            "a named volume binds the folder of the engine's socket",
            json!({"type": "volume", "source": "stackproof-scratch", "target": "/srv/scratch",
                "volume": {}}),
            true,
        )
        .patch_model(json!({"volumes": {"stackproof-scratch": {"driver": "local",
            "driver_opts": {"type": "none", "o": "bind", "device": folder}}}})),
    );
    mutants.extend(relays(ground, subject));
    mutants
}

/// A process beside the service holds the socket and relays it to this service alone.
fn relays(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let relay = format!("{RELAY}-{}", subject.name);
    let bind = json!({"type": "bind", "source": ground.socket, "target": "/engine.sock"});
    let shared = format!("stackproof-shared-{}", subject.name);
    let volume = json!({"type": "volume", "source": shared, "target": "/shared", "volume": {}});
    let relaying = |place: &str, more: Value| {
        let mut service = json!({
            "image": ground.relay_image, "command": ["/probe", "relay", "/engine.sock", place],
            "user": "0:0", "restart": "no", "volumes": [bind],
        });
        json_patch::merge(&mut service, &more);
        json!({"services": {relay.as_str(): service}})
    };
    let network = format!("stackproof-beside-{}", subject.name);
    let mut relays = vec![
        mutant(
            subject,
            "relay-by-shared-volume",
            "a container beside it relays the engine's socket in a volume that both mount",
        )
        .patch_model(relaying(
            "/shared/plain.sock",
            json!({"network_mode": "none", "volumes": [bind, volume]}),
        ))
        .patch_model(json!({"volumes": {shared.as_str(): {}}}))
        .patch(&json!({"volumes": subject.appended("volumes", volume.clone())}))
        .sign(Sign::Kernel(Kernel::Mounted("/shared".to_owned())))
        .sign(Sign::Runs(relay.clone()))
        .breaks("no-docker-access", "/shared/plain.sock")
        .breaks("docker-access-via", "/shared/plain.sock")
        .also(&RELAYS)
        .also(&["no-raw-socket-mount"]),
    ];
    if subject.raw.get("networks").is_some_and(Value::is_object) {
        relays.push(
            mutant(
                subject,
                "relay-on-tcp",
                "a container beside it relays the engine's socket on a TCP port",
            )
            .patch_model(relaying(PORT, json!({"networks": {network.as_str(): {}}})))
            .patch_model(json!({"networks": {network.as_str(): {"internal": true}}}))
            .patch(&json!({"networks": {network.as_str(): {}}}))
            .sign(Sign::Runs(relay))
            .breaks("no-docker-access", PORT)
            .breaks("docker-access-via", PORT)
            .also(&RELAYS),
        );
    }
    relays
}

/// The mutants of the mediator, if a claim names one.
pub(super) fn of_stack(ground: &Ground) -> Vec<Mutant> {
    let mediators = ground.asked("docker-access-via").filter_map(|subject| {
        let spec = subject.spec(|spec| match spec {
            CheckSpec::DockerAccessVia(check) => Some(check),
            _ => None,
        })?;
        Some((subject, ground.subjects.get(&spec.via.value)?, spec.port))
    });
    let mut mutants = vec![];
    for (client, proxy, port) in mediators {
        for subject in ground.asked("no-docker-access") {
            let joined =
                |weakness: &str, text: &str, joining: &Subject, network: &str, alias: &str| {
                    let mut mutant = mutant(joining, weakness, text)
                        .patch(&json!({"networks": {network: {"aliases": [alias]}}}))
                        .sign(Sign::ConfiguredText(
                            "/NetworkSettings/Networks".to_owned(),
                            format!("_{network}\""),
                        ));
                    mutant.id = format!("{weakness}-{network}@{}", joining.name);
                    mutant
                };
            // The network on which the client meets the proxy.
            for network in shared(client, proxy) {
                if !networks(subject).contains(&network) {
                    mutants.push(
                        joined(
                            "joins-the-proxys-network",
                            "the service joins the network of the engine's proxy",
                            subject,
                            &network,
                            "harmless",
                        )
                        .breaks("no-docker-access", port.to_string()),
                    );
                }
            }
            for network in networks(subject) {
                if networks(proxy).contains(&network) {
                    continue;
                }
                let members = ground.asked("no-docker-access").filter(|member| {
                    networks(member).contains(&network) && member.name != proxy.name
                });
                // Whoever is on that network reaches it, and not only one service.
                let mut mutant = joined(
                    "proxy-joins-network",
                    "the engine's proxy joins a network of others, under another name",
                    proxy,
                    &network,
                    "cache",
                );
                mutant.breaks.extend(members.map(|member| Expected {
                    code: "no-docker-access".to_owned(),
                    service: member.name.clone(),
                    because: port.to_string(),
                    one_is_enough: false,
                }));
                mutants.push(mutant.alone());
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    mutants.retain(|mutant| seen.insert(mutant.id.clone()));
    mutants
}

fn networks(subject: &Subject) -> Vec<String> {
    let networks = subject.raw.get("networks").and_then(Value::as_object);
    networks.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

fn shared(one: &Subject, other: &Subject) -> Vec<String> {
    networks(one).into_iter().filter(|name| networks(other).contains(name)).collect()
}

fn parent(path: &str) -> String {
    std::path::Path::new(path)
        .parent()
        .map_or_else(|| "/run".to_owned(), |folder| folder.display().to_string())
}
