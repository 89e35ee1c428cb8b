//! Ways to a container engine: what was tried from a container, and what each attempt came to.

use std::collections::BTreeMap;

use serde_json::json;

use crate::observation::{Observation, Vantage};
use crate::probe::Reply;
use crate::world::{Blind, Sight, World};

mod listener;

use listener::Place;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// An engine answered; how it named itself.
    Reached(String),
    /// There is no way here, and why: the class of the refusal.
    Refused(String),
    /// Whether there is a way cannot be told, and why.
    Unclear(String),
}

/// One attempt.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// What was tried.
    pub(super) what: String,
    /// The address, for TCP.
    pub(super) address: Option<String>,
    /// What it came to.
    pub(super) came: Came,
}

/// Every attempt from one container.
#[derive(Debug, Clone, Default)]
pub(super) struct Ways {
    pub(super) ways: Vec<Way>,
    pub(super) observations: Vec<Observation>,
}

/// Collects every attempt of the probe in one container, under every identity that it was asked
/// as.
pub(super) fn ways(sight: &Sight, world: &World) -> Result<Ways, Blind> {
    let mut all = Ways::default();
    // The service's own identity must have been seen; others only add to it.
    sight.own()?;
    for (index, seen) in sight.inside.iter().enumerate() {
        let reply = match &seen.reply {
            Ok(reply) => reply,
            Err(_) if index > 0 => continue,
            Err(why) => return Err(why.clone()),
        };
        let identity = seen.identity.to_string();
        let placed = format!("{}; asked as {identity}", seen.placement);
        all.observations.push(Observation::at(seen.when, Vantage::Inside, "the probe", placed));
        by_socket(reply, &identity, sight, world, &mut all)?;
        by_descriptor(reply, &mut all)?;
        if index == 0 {
            by_tcp(reply, world, &mut all)?;
            by_group(reply, world, &mut all)?;
        }
    }
    settle_refusals(&mut all);
    Ok(all)
}

fn by_socket(
    reply: &Reply,
    identity: &str,
    sight: &Sight,
    world: &World,
    all: &mut Ways,
) -> Result<(), Blind> {
    let answer = reply.sockets()?;
    let mounts = reply.mounts()?.mounts;
    let table: Vec<_> =
        answer.sockets.iter().map(|s| json!([s.path, s.class, s.http, s.tried])).collect();
    all.observations.push(Observation::now(
        Vantage::Inside,
        format!("Unix sockets, {} directory entries looked at", answer.entries),
        json!({"sockets": table, "unreadable": answer.unreadable}),
    ));
    if answer.truncated {
        all.unclear("Unix sockets", "the walk through the file systems was cut short");
    }
    for folder in &answer.unreadable {
        // In a folder of the image's own root, a socket would have to be made by another user
        // of the container; below a mount, it may be the host's.
        let prefix = format!("{}/", folder.path.trim_end_matches('/'));
        if mounts.iter().any(|mount| mount.point == folder.path || mount.point.starts_with(&prefix))
        {
            all.unclear(&folder.path, "a mount there cannot be looked into");
        }
    }
    for socket in &answer.sockets {
        let what = format!("socket {} as {identity}", socket.path);
        let place = listener::place_of_socket(&socket.path, &mounts, reply, sight, world);
        let came = listener::socket(socket, place);
        all.ways.push(Way { what, address: None, came });
    }
    Ok(())
}

fn by_tcp(reply: &Reply, world: &World, all: &mut Ways) -> Result<(), Blind> {
    let answer = reply.tcp()?;
    all.observations.push(Observation::now(Vantage::Inside, "TCP targets", json!(answer.targets)));
    if answer.truncated {
        all.unclear("TCP targets", "there were more than were tried");
    }
    let stack = listener::of_the_stack(world);
    for target in &answer.targets {
        let what = format!("tcp {}", target.target);
        let place = listener::place_of_target(target, reply, &stack, world);
        let came = listener::target(target, place);
        all.ways.push(Way { what, address: target.address.clone(), came });
    }
    Ok(())
}

fn by_descriptor(reply: &Reply, all: &mut Ways) -> Result<(), Blind> {
    let answer = reply.descriptors()?;
    all.observations.push(Observation::now(
        Vantage::Inside,
        "sockets from outside the network namespace",
        json!(answer),
    ));
    for foreign in &answer.foreign {
        all.ways.push(Way {
            what: format!("a socket that pid {} was given", foreign.pid),
            address: None,
            came: Came::Unclear("it leads outside, and where cannot be seen".to_owned()),
        });
    }
    Ok(())
}

/// Whoever is in the group of the engine's socket has a way as soon as it sees the socket.
fn by_group(reply: &Reply, world: &World, all: &mut Ways) -> Result<(), Blind> {
    let Some(gid) = world.engine_socket_gid.filter(|gid| *gid != 0) else { return Ok(()) };
    for process in reply.processes()?.of_service()? {
        if process.status.groups.contains(&gid) || process.status.gid.contains(&gid) {
            all.ways.push(Way {
                what: format!("{} (pid {})", process.name, process.pid),
                address: None,
                came: Came::Reached(format!(
                    "it is in group {gid}, which owns the engine's socket"
                )),
            });
        }
    }
    Ok(())
}

/// A socket that refused one identity for its permissions is what another identity found it to
/// be. Where an engine answered that one, the refusal stands beside it: only permissions are in
/// between, and they can be changed on the host. Where nobody got through, who listens is unknown.
fn settle_refusals(all: &mut Ways) {
    let permission = Came::Refused("permission".to_owned());
    let path = |what: &str| what.split(" as ").next().unwrap_or(what).to_owned();
    let (refused, found): (Vec<usize>, Vec<usize>) = (0..all.ways.len())
        .filter(|index| all.ways[*index].what.starts_with("socket "))
        .partition(|index| all.ways[*index].came == permission);
    let found: BTreeMap<String, Came> = found
        .into_iter()
        .map(|index| (path(&all.ways[index].what), all.ways[index].came.clone()))
        .collect();
    for index in refused {
        let way = &mut all.ways[index];
        way.came = match found.get(&path(&way.what)) {
            Some(Came::Reached(_)) => continue,
            Some(Came::Refused(class)) => Came::Refused(format!("permission, and then {class}")),
            Some(Came::Unclear(why)) => Came::Unclear(format!("permission, and then {why}")),
            None => Came::Unclear("permission was refused, so who listens is unknown".to_owned()),
        };
    }
}

impl Ways {
    fn unclear(&mut self, what: &str, why: &str) {
        self.ways.push(Way {
            what: what.to_owned(),
            address: None,
            came: Came::Unclear(why.to_owned()),
        });
    }

    pub(super) fn reached(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(|way| matches!(way.came, Came::Reached(_)))
    }

    pub(super) fn unclear_ones(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(|way| matches!(way.came, Came::Unclear(_)))
    }

    /// How many attempts came to each class of refusal.
    pub(super) fn refusals(&self) -> String {
        let mut classes = std::collections::BTreeMap::<&str, usize>::new();
        for way in &self.ways {
            if let Came::Refused(class) = &way.came {
                *classes.entry(class).or_default() += 1;
            }
        }
        let counted: Vec<_> =
            classes.iter().map(|(class, count)| format!("{count} {class}")).collect();
        if counted.is_empty() { "nothing was found to try".to_owned() } else { counted.join(", ") }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Came::Reached(how) | Came::Refused(how) | Came::Unclear(how)) = &self.came;
        match &self.address {
            Some(address) => write!(f, "{} ({address}): {how}", self.what),
            None => write!(f, "{}: {how}", self.what),
        }
    }
}

/// That the same probe reaches the engine where there is a way, by socket and by TCP. Without
/// it no refusal means anything.
pub(super) fn control(world: &World) -> Result<Observation, Blind> {
    let control = world.control.as_ref().map_err(Clone::clone)?;
    let reply = control.root.as_ref().map_err(Clone::clone)?;
    let socket = reply
        .sockets()?
        .sockets
        .iter()
        .find_map(|socket| match listener::socket(socket, Place::Anywhere) {
            Came::Reached(how) => Some(format!("{}: {how}", socket.path)),
            Came::Refused(_) | Came::Unclear(_) => None,
        })
        .ok_or("the control did not reach the engine by its socket")?;
    let tcp = reply
        .tcp()?
        .targets
        .iter()
        .find_map(|target| match listener::target(target, Place::Anywhere) {
            Came::Reached(how) => Some(format!("{}: {how}", target.target)),
            Came::Refused(_) | Came::Unclear(_) => None,
        })
        .ok_or("the control did not reach the engine by TCP")?;
    Ok(Observation::now(
        Vantage::Control,
        "the same probe where there is a way",
        json!([socket, tcp]),
    ))
}
