//! Observing: everything that the checks of a plan need to know, from every vantage. What cannot
//! be seen is put into the world with the reason, and the check that needs it is inconclusive.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use futures_util::future::{join, join_all, try_join_all};
use jiff::Timestamp;

pub mod account;
pub mod act;
pub mod controls;
pub mod kit;
pub mod neighbours;
pub mod questions;

use crate::engine::container::Container;
use crate::engine::{Endpoint, Engine, EngineError, Kind};
use crate::plan::Plan;
use crate::probe::answer::Socket;
use crate::probe::{Question, Reply};
use crate::scenario::CheckSpec;
use crate::stack::Stack;
use crate::world::{Blind, Seen, Sight, World};
use account::Identity;
use controls::Controls;
use kit::{Kit, Lender};
use questions::Surroundings;

/// How long the probe may take to answer everything.
const WITHIN: Duration = Duration::from_secs(30);

/// How long all that is asked of one container at a time may take: a lender that starts late and
/// a probe that answers late. A container that keeps the engine from answering, which a hostile
/// one can, must not keep the others from being looked at.
const LOOK: Duration = Duration::from_secs(75);
/// How long the engine may take to say whether a container still runs.
const INSPECT: Duration = Duration::from_secs(10);

/// The checks that look for ways to an engine.
const NEED_WAYS: [&str; 2] = ["no-docker-access", "docker-access-via"];

/// Looks at a stack.
#[derive(Debug)]
pub struct Observer<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The probe.
    pub kit: &'a Kit,
    /// The stack.
    pub stack: &'a Stack,
    /// What is asked.
    pub plan: &'a Plan<'a>,
}

impl Observer<'_> {
    /// Looks at everything that the plan asks about, the containers at once. The lenders that
    /// were made are returned too, to be removed. `meanwhile` is done while the probe waits for
    /// connections that nobody answers, after it has listed the processes.
    ///
    /// # Errors
    /// When the engine does not answer at all.
    pub async fn look<T>(
        &self,
        containers: BTreeMap<String, Vec<Container>>,
        controls: impl Future<Output = Controls>,
        canary: &str,
        meanwhile: impl Future<Output = T>,
    ) -> Result<(World, Vec<String>, T), EngineError> {
        let all: Vec<(String, Container)> = containers
            .into_iter()
            .flat_map(|(service, list)| list.into_iter().map(move |c| (service.clone(), c)))
            .collect();
        let looks = all
            .into_iter()
            .map(|(service, container)| self.first_look_in_time(service, container, canary));
        let looks = join(join_all(looks), self.engine.networks(None));
        let ((mut looked, networks), controls) = if self.plan.asks(&["docker-access-via"]) {
            // Whoever lists containers must find the canary.
            let controls = controls.await;
            (looks.await, controls)
        } else {
            join(looks, controls).await
        };
        let networks = networks?;
        let surroundings = self.surroundings(&looked, &networks, &controls);
        let second = looked.iter_mut().map(|look| {
            let question = surroundings.question(&own_listening(&look.sight));
            async move { self.second_look_in_time(look, &question).await }
        });
        let second = join_all(second);
        let (_, done) = join(second, meanwhile).await;
        let again = looked.iter_mut().map(|look| self.last_look(look));
        try_join_all(again).await?;
        let mut lenders: Vec<String> = controls.made;
        let mut services: BTreeMap<String, Vec<Sight>> = BTreeMap::new();
        for look in looked {
            lenders.extend(look.lenders.into_iter().map(|lender| lender.id));
            services.entry(look.sight.service.clone()).or_default().push(look.sight);
        }
        let images = self.images(&services).await;
        let world = World {
            model: self.stack.model.clone(),
            attached: self.stack.isolated.is_none(),
            about: self.engine.about().clone(),
            engine_socket: self.engine.socket_on_host(),
            engine_socket_gid: self.engine_socket_gid(),
            canonical: self.canonical(&services),
            networks,
            services,
            control: controls.control,
            host: controls.host,
            images,
            layers: BTreeMap::new(),
            baselines: BTreeMap::new(),
            sources: BTreeMap::new(),
            acts: BTreeMap::new(),
        };
        Ok((world, lenders, done))
    }

    async fn first_look_in_time(
        &self,
        service: String,
        container: Container,
        canary: &str,
    ) -> Look {
        let look = self.first_look(service.clone(), container.clone(), canary);
        match tokio::time::timeout(LOOK, look).await {
            Ok(look) => look,
            Err(_) => {
                let declared = self.stack.model.services.get(&service).cloned().unwrap_or_default();
                let why = too_long(&container);
                let (top, accounts) = (Err(why.clone()), Err(why.clone()));
                let inside = vec![];
                let sight =
                    Sight { service, declared, container, top, accounts, inside, escalation: None };
                let mut look = Look { sight, lenders: vec![] };
                look.see(Identity { uid: 0, gid: 0 }, Err(why));
                look
            }
        }
    }

    async fn second_look_in_time(&self, look: &mut Look, tcp: &Question) {
        if tokio::time::timeout(LOOK, self.second_look(look, tcp)).await.is_err() {
            look.blind(&too_long(&look.sight.container));
        }
    }

    /// What can be asked of a container without knowing the others.
    async fn first_look(&self, service: String, container: Container, canary: &str) -> Look {
        let declared = self.stack.model.services.get(&service).cloned().unwrap_or_default();
        let mut questions = questions::for_service(self.plan, &service, canary);
        if self.plan.asks(&NEED_WAYS) {
            // The ports on which one container listens are targets for the others.
            questions.push(Question::Host);
        }
        let namespaces = self.plan.asks(&["namespaces"]);
        let wanted = namespaces || !questions.is_empty();
        let (top, accounts) = join(self.top(&container, wanted), self.accounts(&container)).await;
        let mut look = Look {
            sight: Sight {
                service,
                declared,
                container,
                top,
                accounts,
                inside: vec![],
                escalation: None,
            },
            lenders: vec![],
        };
        if wanted {
            self.ask_as_itself(&mut look, &questions).await;
        }
        look
    }

    async fn ask_as_itself(&self, look: &mut Look, questions: &[Question]) {
        let identity = match identity(&look.sight) {
            Ok(identity) => identity,
            Err(why) => {
                look.see(Identity { uid: 0, gid: 0 }, Err(why));
                return;
            }
        };
        let lender = match self.kit.lend(&look.sight.container, identity).await {
            Ok(lender) => lender,
            Err(why) => {
                look.see(identity, Err(why));
                return;
            }
        };
        let user = identity.to_string();
        let reply = self.kit.ask(&lender, None, questions, WITHIN).await;
        if self.plan.asks_of(&look.sight.service, &["no-new-privileges"]) {
            // Not at the same time: the lender is in the service's pid namespace, and what is
            // executed in it would be taken for a process of the service.
            let tried = self.kit.ask_own(&lender.id, &user, &[Question::Privileges], WITHIN).await;
            look.sight.escalation = Some(tried);
        }
        look.lenders.push(lender);
        look.see(identity, reply);
    }

    /// What is asked once every container is known: what can be reached over TCP, and what other
    /// identities in the container can reach.
    async fn second_look(&self, look: &mut Look, tcp: &Question) {
        if !self.plan.asks_of(&look.sight.service, &NEED_WAYS) {
            return;
        }
        let Some(Ok(_)) = look.sight.inside.first().map(|seen| &seen.reply) else { return };
        if let Some(lender) = look.lenders.first().cloned() {
            let reply = self.kit.ask(&lender, None, std::slice::from_ref(tcp), WITHIN).await;
            if let Some(seen) = look.sight.inside.first_mut() {
                seen.reply = match (std::mem::replace(&mut seen.reply, Err(String::new())), reply) {
                    (Ok(first), Ok(second)) => Ok(first.joined(second)),
                    (Err(why), _) | (_, Err(why)) => Err(why),
                };
            }
        }
        for identity in other_identities(&look.sight) {
            let asked = match self.kit.lend(&look.sight.container, identity).await {
                Ok(lender) => {
                    let questions = questions::for_identity();
                    let user = identity.to_string();
                    let reply = self.kit.ask(&lender, Some(&user), &questions, WITHIN).await;
                    look.lenders.push(lender);
                    reply
                }
                Err(why) => Err(why),
            };
            look.see(identity, asked);
        }
    }

    /// Whether the container is still the one that was looked at. What was seen in one that has
    /// ended meanwhile says nothing of the service, and the same in one that was started again.
    async fn last_look(&self, look: &mut Look) -> Result<(), EngineError> {
        let before = &look.sight.container;
        if !before.is_running() {
            return Ok(());
        }
        let asked = tokio::time::timeout(INSPECT, self.engine.inspect(&before.id)).await;
        let Ok(asked) = asked else {
            look.blind(&too_long(&look.sight.container));
            return Ok(());
        };
        let why = match asked {
            Ok(now) if now.is_running() && now.state.started_at == before.state.started_at => {
                return Ok(());
            }
            Ok(now) if now.is_running() => "was started again while it was looked at".to_owned(),
            Ok(now) => {
                let code = now.state.exit_code.unwrap_or_default();
                format!("ended while it was looked at, with exit code {code}")
            }
            Err(error) if error.kind == Kind::NotFound => {
                "was removed while it was looked at".to_owned()
            }
            Err(error) => return Err(error),
        };
        look.blind(&format!("container {} {why}", before.short_name()));
        Ok(())
    }

    async fn top(
        &self,
        container: &Container,
        wanted: bool,
    ) -> Result<Vec<crate::engine::container::HostProcess>, Blind> {
        if !wanted {
            return Err("no check needs it".to_owned());
        }
        self.engine.top(&container.id).await.map_err(|error| error.to_string())
    }

    async fn accounts(&self, container: &Container) -> Result<(String, String), Blind> {
        let read = |path: &'static str| async move {
            match self.engine.read_file(&container.id, path).await {
                Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
                // An image without the file, such as one FROM scratch, has no accounts.
                Err(error) if error.kind == Kind::NotFound => Ok(String::new()),
                Err(error) => Err(error.to_string()),
            }
        };
        let (passwd, group) = join(read("/etc/passwd"), read("/etc/group")).await;
        Ok((passwd?, group?))
    }

    async fn images(
        &self,
        services: &BTreeMap<String, Vec<Sight>>,
    ) -> BTreeMap<String, Result<crate::engine::image::ImageInfo, Blind>> {
        let asked = services.iter().filter_map(|(service, sights)| {
            let image = sights.first()?.container.image.clone();
            Some(async move {
                let info = self.engine.image(&image).await.map_err(|error| error.to_string());
                (service.clone(), info)
            })
        });
        join_all(asked).await.into_iter().collect()
    }

    fn surroundings(
        &self,
        looked: &[Look],
        networks: &[crate::engine::object::NetworkInfo],
        controls: &Controls,
    ) -> Surroundings {
        let mut surroundings = Surroundings::default();
        let gateways = networks.iter().flat_map(|network| network.gateways.iter().cloned());
        surroundings.host_addresses.extend(gateways.map(|gateway| without_prefix(&gateway)));
        if let Ok(host) = controls.host.as_ref().map_err(Clone::clone).and_then(Reply::host) {
            let own = host.addresses.into_iter().filter(|address| !address.starts_with("127."));
            surroundings.host_addresses.extend(own);
            surroundings.host_listening.extend(host.listening);
        }
        for look in looked {
            surroundings.peers.push((names(&look.sight), listening(&look.sight)));
        }
        for planned in self.plan.asked() {
            if let CheckSpec::NoDockerAccess(check) = planned.spec {
                surroundings.ports.extend(&check.ports);
            }
        }
        surroundings
    }

    /// The group of the engine's socket, where the socket is on this machine.
    fn engine_socket_gid(&self) -> Option<u32> {
        match self.engine.endpoint() {
            Endpoint::Unix(path) => std::fs::metadata(path).ok().map(|meta| meta.gid()),
            Endpoint::Tcp(_) => None,
        }
    }

    /// Every mount's source with its symbolic links resolved, where the host is this machine.
    fn canonical(&self, services: &BTreeMap<String, Vec<Sight>>) -> BTreeMap<String, String> {
        if matches!(self.engine.endpoint(), Endpoint::Tcp(_)) {
            return BTreeMap::new();
        }
        let declared = self.stack.model.services.values().flat_map(|service| &service.mounts);
        let configured = services.values().flatten().flat_map(|sight| &sight.container.mounts);
        declared
            .filter_map(|mount| mount.source.clone())
            .chain(configured.filter_map(|mount| mount.source.clone()))
            .chain([self.engine.socket_on_host().to_string_lossy().into_owned()])
            .filter_map(|path| {
                let resolved = std::fs::canonicalize(&path).ok()?;
                Some((path, resolved.to_string_lossy().into_owned()))
            })
            .collect()
    }
}

/// A container while it is looked at.
struct Look {
    sight: Sight,
    lenders: Vec<Lender>,
}

impl Look {
    fn see(&mut self, identity: Identity, reply: Result<Reply, Blind>) {
        let placement = self.lenders.last().map_or_else(
            || "not placed".to_owned(),
            |lender| format!("exec of /proc/{}/exe, lent by container {}", lender.pid, lender.id),
        );
        let seen = Seen { identity, when: Timestamp::now(), placement, reply };
        self.sight.inside.push(seen);
    }

    /// Takes back whatever was seen.
    fn blind(&mut self, why: &str) {
        for seen in &mut self.sight.inside {
            seen.reply = Err(why.to_owned());
        }
    }
}

fn too_long(container: &Container) -> Blind {
    let name = container.short_name();
    format!(
        "looking into container {name} took more than {} s: it keeps the engine or the probe from \
         answering",
        LOOK.as_secs()
    )
}

/// The identity that an exec in the container has.
fn identity(sight: &Sight) -> Result<Identity, Blind> {
    let user = sight.container.config.user.as_deref().unwrap_or_default();
    let (passwd, group) = sight.accounts.as_ref().map_err(Clone::clone)?;
    account::resolve(user, passwd, group)
        .ok_or_else(|| format!("the container's user {user:?} is in no passwd file"))
}

/// Further identities to ask as: those of other processes, and root where a socket refused the
/// service for its permissions and it must be known who listens.
fn other_identities(sight: &Sight) -> BTreeSet<Identity> {
    let Some(seen) = sight.inside.first() else { return BTreeSet::new() };
    let Ok(reply) = &seen.reply else { return BTreeSet::new() };
    let mut identities: BTreeSet<Identity> = reply
        .processes()
        .map(|answer| answer.processes)
        .unwrap_or_default()
        .iter()
        .filter(|process| process.is_services_own())
        .map(|process| Identity { uid: process.status.uid[1], gid: process.status.gid[1] })
        .collect();
    // Who listens is unknown where the service was refused, and also where its connection came to
    // nothing that is said in HTTP: containerd's sockets close those of other users.
    let unknown = |socket: &Socket| {
        let answered = socket.http.iter().any(|answer| answer.status.is_some());
        socket.class == "permission" || (socket.class == "open" && !answered)
    };
    let refused = reply.sockets().is_ok_and(|answer| answer.sockets.iter().any(unknown));
    if refused {
        identities.insert(Identity { uid: 0, gid: 0 });
    }
    identities.remove(&seen.identity);
    identities
}

/// The names and addresses by which others of the stack may reach a container.
fn names(sight: &Sight) -> BTreeSet<String> {
    let networks =
        sight.container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let addresses = networks
        .into_iter()
        .flat_map(BTreeMap::values)
        .flat_map(|endpoint| [endpoint.ip_address.clone(), endpoint.global_ipv6_address.clone()]);
    addresses
        .flatten()
        .filter(|address| !address.is_empty())
        .chain([sight.service.clone()])
        .collect()
}

/// The ports on which a container listens, as the kernel says.
fn listening(sight: &Sight) -> BTreeSet<u16> {
    let Ok(host) = sight.own().and_then(Reply::host) else { return BTreeSet::new() };
    host.listening
        .iter()
        .filter(|listener| !listener.starts_with("127."))
        .filter_map(|listener| listener.rsplit_once(':')?.1.parse().ok())
        .collect()
}

/// What listens in a container's own network namespace.
fn own_listening(sight: &Sight) -> BTreeSet<String> {
    sight
        .own()
        .and_then(Reply::host)
        .map(|host| host.listening)
        .unwrap_or_default()
        .into_iter()
        .collect()
}

/// A gateway may be given with the length of its network's prefix.
fn without_prefix(address: &str) -> String {
    address.split('/').next().unwrap_or(address).to_owned()
}
