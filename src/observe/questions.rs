//! Which questions the checks of a service raise. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::kit::WRITABLE_FOLDER;
use crate::check;
use crate::plan::Plan;
use crate::probe::{Question, Reply};
use crate::scenario::CheckSpec;

/// How long a TCP connection may take. The kernel sends the first packet again after one second,
/// so a refusal by silence was tried twice; on one host an open way answers within a millisecond.
const TCP_WAIT: Duration = Duration::from_millis(1200);
/// What the probe says of a name that a name server denies: RFC 1035, response code 3.
const NO_SUCH_NAME: &str = "no-such-host: rcode 3";
/// The name by which some engines give containers a way to their host.
const HOST_NAME: &str = "host.docker.internal";
/// Where engines and their proxies listen: plain, TLS, swarm, and an old default.
const ENGINE_PORTS: [u16; 4] = [2375, 2376, 2377, 4243];

/// The questions for the containers of a service, without those about TCP.
#[must_use]
pub fn for_service(plan: &Plan, service: &str, canary: &str) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    let mut add = |question: Question| {
        if !questions.contains(&question) {
            questions.push(question);
        }
    };
    if plan.changed.contains(service) {
        add(Question::Processes);
        add(Question::Mounts);
        add(Question::Cgroup);
    }
    for planned in plan.asked().filter(|planned| planned.service == service) {
        match planned.spec {
            CheckSpec::RunsAs(_) | CheckSpec::Capabilities(_) | CheckSpec::Apparmor(_) => {
                add(Question::Processes);
            }
            CheckSpec::NoNewPrivileges(_) => {
                add(Question::Processes);
                add(Question::Privileges);
            }
            CheckSpec::Seccomp(_) => {
                add(Question::Processes);
                add(Question::Syscalls);
            }
            CheckSpec::ReadOnlyRoot(_) => {
                add(Question::Mounts);
                add(Question::Write(check::WRITE_TRIED.map(str::to_owned).to_vec()));
            }
            CheckSpec::Namespaces(_) => add(Question::Processes),
            CheckSpec::MemoryLimit(_)
            | CheckSpec::CpuLimit(_)
            | CheckSpec::PidsLimit(_)
            | CheckSpec::SwapLimit(_)
            | CheckSpec::Reservation(_)
            | CheckSpec::OomContained(_)
            | CheckSpec::OomBlastRadius(_)
            | CheckSpec::CpuLimitEnforced(_)
            | CheckSpec::PidsLimitEnforced(_)
            | CheckSpec::Load(_) => add(Question::Cgroup),
            CheckSpec::NoEnv(_) => add(Question::Environ),
            CheckSpec::TmpfsBounded(_) => {
                add(Question::Processes);
                add(Question::Mounts);
            }
            CheckSpec::NoDockerAccess(_) => ways(&mut add),
            CheckSpec::DockerAccessVia(spec) => {
                ways(&mut add);
                add(Question::Get(check::canary_list(spec, canary)));
                for path in &spec.forbidden {
                    add(Question::Get(check::forbidden(spec, path)));
                }
            }
            CheckSpec::ImageSize(_)
            | CheckSpec::NoBuildTools(_)
            | CheckSpec::NoSecretsInImage(_)
            | CheckSpec::SingleDependencySource(_)
            | CheckSpec::Healthy(_)
            | CheckSpec::NoRawSocketMount(_)
            | CheckSpec::NoPublishedOnAllInterfaces(_)
            | CheckSpec::RestartPolicy(_)
            | CheckSpec::LogRotation(_)
            | CheckSpec::CapacityTotals(_)
            | CheckSpec::HostCapacity(_)
            | CheckSpec::StartsInAnyOrder(_) => {}
        }
    }
    questions
}

/// The questions in the order in which the probe is to answer them, and how many of them come
/// before those that take long: the walk for sockets, and the connections that nobody answers. The
/// probe answers the last two at once.
#[must_use]
pub fn in_order(mut questions: Vec<Question>) -> (Vec<Question>, usize) {
    questions.sort_by_key(|question| match question {
        Question::Sockets => 1,
        Question::Tcp { .. } => 2,
        _ => 0,
    });
    let long = |question: &&Question| matches!(question, Question::Sockets | Question::Tcp { .. });
    let short = questions.len() - questions.iter().filter(long).count();
    (questions, short)
}

fn ways(add: &mut impl FnMut(Question)) {
    add(Question::Processes);
    add(Question::Environ);
    add(Question::Mounts);
    add(Question::Sockets);
    add(Question::Descriptors);
}

/// The questions that depend on who asks: those for another identity of the same container.
#[must_use]
pub fn for_identity() -> Vec<Question> {
    vec![Question::Mounts, Question::Sockets, Question::Descriptors]
}

/// The questions for the control, as root: the ways to the engine.
#[must_use]
pub fn for_control_root() -> Vec<Question> {
    let targets = vec!["127.0.0.1:2375".to_owned()];
    vec![Question::Sockets, Question::Tcp { wait: TCP_WAIT, targets }]
}

/// The questions for the control, as an ordinary user.
#[must_use]
pub fn for_control_user() -> Vec<Question> {
    vec![
        Question::Syscalls,
        Question::Privileges,
        Question::Write(vec![WRITABLE_FOLDER.to_owned()]),
    ]
}

/// The question for the host's container: whether the engine's name server knows the host's name.
/// What comes of the connection itself is of no interest.
#[must_use]
pub fn for_host_name() -> Question {
    let wait = Duration::from_millis(1);
    Question::Tcp { wait, targets: vec![format!("{HOST_NAME}:2375")] }
}

/// Whether that name server has said that there is no such name. One that says nothing may say
/// more to a container.
#[must_use]
pub fn has_no_host_name(reply: &Reply) -> bool {
    reply.tcp().is_ok_and(|answer| {
        let denied = |class: &str| class == NO_SUCH_NAME;
        !answer.targets.is_empty() && answer.targets.iter().all(|target| denied(&target.class))
    })
}

/// What is known of the network before a container is asked what it can reach.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The addresses at which the engine's host can be reached: every bridge's gateway, and its
    /// own addresses.
    pub host_addresses: BTreeSet<String>,
    /// What listens on the host, `address:port`; `*` is every address.
    pub host_listening: BTreeSet<String>,
    /// The stack's containers, by id.
    pub peers: BTreeMap<String, Peer>,
    /// Further ports that the scenario names.
    pub ports: BTreeSet<u16>,
    /// Whether the engine's name server says that there is no `host.docker.internal`.
    pub no_host_name: bool,
}

/// A container of the stack, as others may reach it.
#[derive(Debug, Default)]
pub struct Peer {
    /// Its names and addresses.
    pub names: BTreeSet<String>,
    /// What listens in its network namespace, in the form of `host_listening`: with a shared one,
    /// that is its neighbours' too.
    pub listening: BTreeSet<String>,
    /// The networks in which the engine answers for names; none where it is unknown who does.
    pub networks: BTreeSet<String>,
}

impl Peer {
    /// Whether the engine tells this container the other's name: it does so within a network. What
    /// it does not know it asks of its own name server, which knows no name of this stack.
    fn is_told_of(&self, other: &Peer) -> bool {
        let known = !self.networks.is_empty() && !other.networks.is_empty();
        !known || !self.networks.is_disjoint(&other.networks)
    }

    /// The ports on which it may be reached by others.
    fn ports(&self) -> BTreeSet<u16> {
        let reachable = self.listening.iter().filter(|listener| !listener.starts_with("127."));
        reachable.filter_map(|listener| listener.rsplit_once(':')?.1.parse().ok()).collect()
    }
}

/// The question about TCP for one of whom nothing is asked.
#[must_use]
pub fn no_targets() -> Question {
    Question::Tcp { wait: TCP_WAIT, targets: vec![] }
}

impl Surroundings {
    /// The question about TCP for one container of the stack.
    ///
    /// A name that nobody can know is looked for in the container's hosts file and not asked of
    /// its name server: the engine waits four seconds for an answer that does not come, and
    /// removes no container before that.
    #[must_use]
    pub fn question(&self, container: &str) -> Question {
        let mut targets: BTreeSet<String> = BTreeSet::new();
        let own = self.peers.get(container);
        for listener in own.iter().flat_map(|own| &own.listening) {
            match listener.strip_prefix("*:") {
                Some(port) => targets.insert(format!("127.0.0.1:{port}")),
                None => targets.insert(listener.clone()),
            };
        }
        let ports: BTreeSet<u16> = ENGINE_PORTS.into_iter().chain(self.ports.clone()).collect();
        let mut listening_everywhere = BTreeSet::new();
        for listener in &self.host_listening {
            let Some((address, port)) = listener.rsplit_once(':') else { continue };
            let Ok(number) = port.parse::<u16>() else { continue };
            if address == "*" {
                listening_everywhere.insert(number);
            } else if !address.starts_with("127.") {
                targets.insert(listener.clone());
            }
        }
        for address in &self.host_addresses {
            for port in ports.union(&listening_everywhere) {
                targets.insert(at(address, *port));
            }
        }
        for peer in self.peers.values() {
            let listening = peer.ports();
            let told = own.is_none_or(|own| own.is_told_of(peer));
            for name in &peer.names {
                for port in ports.union(&listening) {
                    let target = at(name, *port);
                    let asked = told || name.parse::<IpAddr>().is_ok();
                    targets.insert(if asked { target } else { by_hosts(&target) });
                }
            }
        }
        // One that asks a name server of its own is in no network in which the engine answers.
        let known_to_none = self.no_host_name && own.is_some_and(|own| !own.networks.is_empty());
        for port in ports.union(&listening_everywhere) {
            targets.insert(format!("gateway:{port}"));
            targets.insert(format!("127.0.0.1:{port}"));
            let host = at(HOST_NAME, *port);
            targets.insert(if known_to_none { by_hosts(&host) } else { host });
        }
        targets.insert("env".to_owned());
        Question::Tcp { wait: TCP_WAIT, targets: targets.into_iter().collect() }
    }
}

/// A target whose name is asked of no name server.
fn by_hosts(target: &str) -> String {
    format!("hosts/{target}")
}

/// An IPv6 address needs brackets before a port.
fn at(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(names: &[&str], listening: &[&str]) -> Peer {
        let set = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Peer { names: set(names), listening: set(listening), networks: BTreeSet::new() }
    }

    #[test]
    fn every_listener_that_could_be_an_engine_is_a_target() {
        let surroundings = Surroundings {
            host_addresses: BTreeSet::from(["172.17.0.1".to_owned()]),
            host_listening: ["*:9999", "172.18.0.1:12375", "127.0.0.1:631"]
                .map(str::to_owned)
                .into(),
            peers: [
                ("relay".to_owned(), peer(&["relay", "fd00::2"], &["*:12376", "127.0.0.1:77"])),
                ("own".to_owned(), peer(&[], &["*:5555", "127.0.0.11:40000", "[::1]:6666"])),
            ]
            .into(),
            ports: [7777].into(),
            no_host_name: true,
        };
        let Question::Tcp { targets, .. } = surroundings.question("own") else { panic!() };
        for wanted in [
            "172.17.0.1:2375",
            "172.17.0.1:9999",
            "172.17.0.1:7777",
            "172.18.0.1:12375",
            "relay:12376",
            "[fd00::2]:2375",
            "gateway:2376",
            "127.0.0.1:4243",
            "127.0.0.1:5555",
            "127.0.0.11:40000",
            "[::1]:6666",
            "env",
        ] {
            assert!(targets.contains(&wanted.to_owned()), "{wanted} is missing");
        }
        for port in [":631", ":77"] {
            assert!(!targets.iter().any(|target| target.ends_with(port)), "{port} is tried");
        }
    }

    #[test]
    fn what_takes_long_is_asked_last() {
        let asked = [no_targets(), Question::Sockets, Question::Environ, Question::Mounts];
        let (questions, short) = in_order(asked.to_vec());
        let last = [Question::Environ, Question::Mounts, Question::Sockets, no_targets()];
        assert_eq!(questions, last);
        assert_eq!(short, 2);
    }

    fn targets(surroundings: &Surroundings, container: &str) -> Vec<String> {
        let Question::Tcp { targets, .. } = surroundings.question(container) else { panic!() };
        targets
    }

    fn within(name: &str, networks: &[&str]) -> (String, Peer) {
        let networks = networks.iter().map(ToString::to_string).collect();
        (name.to_owned(), Peer { networks, ..peer(&[name, "10.0.0.9"], &[]) })
    }

    #[test]
    fn a_name_is_asked_of_the_name_server_where_the_engine_may_know_it() {
        let surroundings = Surroundings {
            peers: [
                within("web", &["front", "back"]),
                within("store", &["back"]),
                within("far", &["other"]),
                within("hosted", &[]),
            ]
            .into(),
            ..Surroundings::default()
        };
        let web = targets(&surroundings, "web");
        for wanted in ["web:2375", "store:2375", "hosts/far:2375", "10.0.0.9:2375", "hosted:2375"] {
            assert!(web.contains(&wanted.to_owned()), "{wanted} is missing");
        }
        assert!(!web.contains(&"far:2375".to_owned()));
        let hosted = targets(&surroundings, "hosted");
        assert!(hosted.contains(&"far:2375".to_owned()), "who answers it is unknown");
    }

    #[test]
    fn the_name_of_the_host_is_asked_unless_the_engines_name_server_has_denied_it() {
        let peers = || [within("web", &["front"]), within("hosted", &[])].into();
        let open = Surroundings { peers: peers(), ..Surroundings::default() };
        let denied = Surroundings { peers: peers(), no_host_name: true, ..Surroundings::default() };
        let asked = "host.docker.internal:2375".to_owned();
        assert!(targets(&open, "web").contains(&asked));
        assert!(targets(&denied, "hosted").contains(&asked));
        assert!(!targets(&denied, "web").contains(&asked));
        assert!(targets(&denied, "web").contains(&format!("hosts/{asked}")));
    }
}
