//! Who listens where a connection was accepted: an engine, something that is known to be none, or
//! something of which that cannot be said.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::Came;
use crate::probe::Reply;
use crate::probe::answer::{HttpAnswer, Mount, Socket, Target, Tried};
use crate::world::{Sight, World};

/// Whose the listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A process of the stack: the address is a container's own, or the socket is in a file
    /// system that only containers of the stack have. Every way from there to an engine is
    /// looked at for itself, so silence to every engine's protocol is a refusal.
    Stack,
    /// Anybody, such as the engine's host. Silence shows nothing.
    Anywhere,
}

/// What a connection to a Unix socket came to.
pub(super) fn socket(socket: &Socket, place: Place) -> Came {
    match socket.class.as_str() {
        "open" => accepted(&socket.http, &socket.tried, place, Transport::Unix),
        "permission" => Came::Refused("permission".to_owned()),
        "refused" => Came::Refused("refused".to_owned()),
        "no-such" => Came::Refused("no such socket".to_owned()),
        // Datagram and seqpacket sockets: engines listen on stream sockets.
        "EPROTOTYPE" => Came::Refused("not a stream socket".to_owned()),
        other => Came::Unclear(format!("connecting came to {other}")),
    }
}

/// What a connection to a TCP target came to.
pub(super) fn target(target: &Target, place: Place) -> Came {
    match target.class.as_str() {
        "open" => accepted(&target.http, &target.tried, place, Transport::Tcp),
        "refused" | "time-out" | "unreachable" | "permission" => {
            Came::Refused(target.class.clone())
        }
        other if other.starts_with("no-such-host") => Came::Refused("no such host".to_owned()),
        other => Came::Unclear(format!("connecting came to {other}")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Unix,
    Tcp,
}

fn accepted(http: &[HttpAnswer], tried: &[Tried], place: Place, transport: Transport) -> Came {
    if let Some(engine) = http.iter().find_map(engine_by_http) {
        return Came::Reached(engine);
    }
    // Only containerd, BuildKit and the kubelet's runtimes answer those calls over gRPC, and only
    // containerd and its shims speak ttrpc.
    let spoke = |protocol: &str| {
        tried.iter().find(|tried| tried.protocol == protocol && tried.outcome == "reply")
    };
    if let Some(call) = spoke("grpc") {
        return Came::Reached(format!("a container runtime answered over gRPC: {}", call.said));
    }
    if let Some(call) = spoke("ttrpc") {
        return Came::Reached(format!("a container runtime answered over ttrpc: {}", call.said));
    }
    if let Some(tls) = spoke("tls") {
        return Came::Unclear(format!("a TLS server, which may be an engine: {}", tls.said));
    }
    if http.iter().any(wants_tls) {
        return Came::Unclear("a TLS server, which may be an engine".to_owned());
    }
    let statuses: Vec<u16> = http.iter().filter_map(|answer| answer.status).collect();
    if !statuses.is_empty() {
        return Came::Refused(if statuses.iter().all(|status| *status == 403) {
            "denied by the proxy".to_owned()
        } else {
            format!("something answers that is no engine: {statuses:?}")
        });
    }
    // On the host a socket may be an engine's that is not known here. Over TCP engines speak HTTP
    // or gRPC, and whoever has another protocol is none.
    let unknown = place == Place::Anywhere && transport == Transport::Unix;
    let is = |outcome: &str| tried.iter().any(|tried| tried.outcome == outcome);
    let (text, unknown) = if tried.is_empty() {
        ("it accepts, and nothing was asked".to_owned(), true)
    } else if let Some(other) = tried.iter().find(|tried| tried.outcome == "another protocol") {
        (format!("it speaks another protocol: {:?}", other.said), unknown)
    } else if is("no such service") {
        ("a gRPC server without any service of an engine".to_owned(), unknown)
    } else if tried.iter().all(|tried| tried.outcome == "silent") {
        ("it is silent to HTTP, gRPC, ttrpc and TLS".to_owned(), place == Place::Anywhere)
    } else {
        ("it ends the connection whatever protocol is tried".to_owned(), unknown)
    };
    if unknown { Came::Unclear(text) } else { Came::Refused(text) }
}

/// How an engine named itself, if the answer is one's, with or without a proxy before it.
fn engine_by_http(answer: &HttpAnswer) -> Option<String> {
    let ok = answer.status.is_some_and(|status| (200..300).contains(&status));
    let is_ping = answer.path == "/_ping" && answer.body.trim() == "OK";
    let is_version = answer.body.contains("\"ApiVersion\"");
    let is_list = answer.path.starts_with("/containers") && answer.body.starts_with('[');
    let named = !answer.api_version.is_empty()
        || answer.server.starts_with("Docker/")
        || answer.server.starts_with("Libpod/");
    (named || (ok && (is_ping || is_version || is_list))).then(|| {
        let name = if answer.server.is_empty() { "an engine's API" } else { &answer.server };
        format!("{name} answered {} with {}", answer.path, answer.status.unwrap_or_default())
    })
}

/// Whether a server says that it was spoken to without TLS: Go's and nginx's words.
fn wants_tls(answer: &HttpAnswer) -> bool {
    answer.status == Some(400)
        && ["HTTP request to an HTTPS server", "sent to HTTPS port"]
            .iter()
            .any(|words| answer.body.contains(words))
}

/// Whose a Unix socket is, by the mount that it is in as the kernel and the engine tell it.
pub(super) fn place_of_socket(
    path: &str,
    mounts: &[Mount],
    reply: &Reply,
    sight: &Sight,
    world: &World,
) -> Place {
    if path.starts_with('@') {
        // Abstract names belong to the network namespace.
        return place_of_network(reply, world);
    }
    // The last of several mounts at one point is on top.
    let covers = |mount: &&Mount| is_below(path, &mount.point);
    let Some(mount) = mounts.iter().filter(covers).max_by_key(|mount| mount.point.len()) else {
        return Place::Anywhere;
    };
    let configured = sight.container.mounts.iter().filter_map(|mount| {
        let point = trimmed(mount.destination.as_deref()?);
        is_below(path, point).then_some((point, mount))
    });
    let nearest = configured.max_by_key(|(point, _)| point.len());
    match nearest {
        Some((point, configured)) => match configured.kind.as_deref() {
            Some("tmpfs") if point == mount.point => Place::Stack,
            // A volume whose options make it a bind has another root than its own folder.
            Some("volume")
                if point == mount.point
                    && mount.root.ends_with("/_data")
                    && configured.source.as_deref().is_some_and(|s| s.ends_with(&mount.root)) =>
            {
                Place::Stack
            }
            _ => Place::Anywhere,
        },
        None if mount.point == "/" => Place::Stack,
        None if mount.kind == "tmpfs" => {
            let ipc = sight.container.host_config.ipc_mode.as_deref().unwrap_or_default();
            let shared = ipc == "host" || ipc.starts_with("container:");
            if mount.point == "/dev/shm" && shared { Place::Anywhere } else { Place::Stack }
        }
        None => Place::Anywhere,
    }
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

fn is_below(path: &str, point: &str) -> bool {
    let point = trimmed(point);
    path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The addresses at which containers of the stack listen, as their own kernels say.
pub(super) fn of_the_stack(world: &World) -> BTreeSet<SocketAddr> {
    let mut found = BTreeSet::new();
    for sight in world.services.values().flatten() {
        let Ok(told) = sight.own().and_then(Reply::host) else { continue };
        let port = |listener: &String| listener.rsplit_once(':')?.1.parse::<u16>().ok();
        let ports: Vec<u16> = told.listening.iter().filter_map(port).collect();
        for address in sight.container.addresses() {
            found.extend(ports.iter().map(|port| SocketAddr::new(address, *port)));
        }
    }
    found
}

/// Whose a TCP listener is: the stack's where it is one of `stack`, or where it is the loopback
/// of a network namespace that is not the host's.
pub(super) fn place_of_target(
    target: &Target,
    reply: &Reply,
    stack: &BTreeSet<SocketAddr>,
    world: &World,
) -> Place {
    let address = target.address.as_deref().and_then(|at| at.parse::<SocketAddr>().ok());
    match address {
        Some(address) if address.ip().is_loopback() => place_of_network(reply, world),
        Some(address) if stack.contains(&address) => Place::Stack,
        _ => Place::Anywhere,
    }
}

/// Whose a container's network namespace is.
fn place_of_network(reply: &Reply, world: &World) -> Place {
    let inode = |reply: &Reply| reply.header.ns.get("net")?.as_str().map(str::to_owned);
    match (inode(reply), world.host.as_ref().ok().and_then(inode)) {
        (Some(own), Some(host)) if own != host => Place::Stack,
        _ => Place::Anywhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn tried(outcomes: &[(&str, &str)]) -> Vec<Tried> {
        let one = |(protocol, outcome): &(&str, &str)| Tried {
            protocol: (*protocol).to_owned(),
            outcome: (*outcome).to_owned(),
            said: String::new(),
        };
        outcomes.iter().map(one).collect()
    }

    const SILENT: &[(&str, &str)] = &[("http", "silent"), ("grpc", "silent"), ("tls", "silent")];
    const CLOSED: &[(&str, &str)] = &[("http", "closed"), ("grpc", "ECONNRESET")];
    const MIXED: &[(&str, &str)] = &[("http", "closed"), ("ttrpc", "silent")];
    const OTHER: &[(&str, &str)] = &[("http", "another protocol"), ("tls", "silent")];
    const STRANGE_GRPC: &[(&str, &str)] = &[("http", "silent"), ("grpc", "no such service")];

    #[rstest]
    #[case::silent(SILENT, [false, true, false, true])]
    #[case::closed(CLOSED, [false, false, false, true])]
    #[case::closed_or_silent(MIXED, [false, false, false, true])]
    #[case::another_protocol(OTHER, [false, false, false, true])]
    #[case::grpc_of_nobody_known(STRANGE_GRPC, [false, false, false, true])]
    #[case::nothing_asked(&[], [true; 4])]
    #[case::tls(&[("http", "closed"), ("tls", "reply")], [true; 4])]
    fn what_is_no_engine_is_unclear_only_where_it_may_be_one(
        #[case] outcomes: &[(&str, &str)],
        #[case] unclear: [bool; 4],
    ) {
        let places = [
            (Place::Stack, Transport::Tcp),
            (Place::Anywhere, Transport::Tcp),
            (Place::Stack, Transport::Unix),
            (Place::Anywhere, Transport::Unix),
        ];
        for ((place, transport), unclear) in places.into_iter().zip(unclear) {
            let came = accepted(&[], &tried(outcomes), place, transport);
            let is_unclear = matches!(came, Came::Unclear(_));
            assert_eq!(is_unclear, unclear, "{place:?} came to {came:?}");
            assert!(!matches!(came, Came::Reached(_)));
        }
    }

    #[rstest]
    #[case("grpc")]
    #[case("ttrpc")]
    fn a_runtime_that_replies_is_reached_wherever_it_is(#[case] protocol: &str) {
        let replied = tried(&[("http", "silent"), (protocol, "reply")]);
        for place in [Place::Stack, Place::Anywhere] {
            let came = accepted(&[], &replied, place, Transport::Unix);
            assert!(matches!(came, Came::Reached(_)), "{came:?}");
        }
    }
}
