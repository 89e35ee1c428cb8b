//! Observing: everything that the checks of a plan need to know, from every vantage. What cannot
//! be seen is put into the world with the reason, and the check that needs it is inconclusive.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{join, join_all, join3, maybe_done, try_join_all};
use tokio::sync::Semaphore;

pub mod account;
pub mod act;
pub mod controls;
pub mod kit;
pub mod lent;
mod look;
pub mod neighbours;
pub mod questions;

use crate::engine::container::{Container, HostProcess};
use crate::engine::object::NetworkInfo;
use crate::engine::{Endpoint, Engine, EngineError, Kind};
use crate::plan::Plan;
use crate::probe::Question;
use crate::probe::answer::Socket;
use crate::scenario::CheckSpec;
use crate::stack::Stack;
use crate::world::{Blind, Sight, World};
use account::{Identity, identity, named_identity, numeric_identity};
use controls::Controls;
use kit::Kit;
use lent::{Lent, Loans};
use look::{Look, Unlisted, too_long};
use questions::{Peer, Surroundings};

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

/// The networks that every engine has. In them nobody answers for the names of containers.
const UNNAMED: [&str; 3] = ["bridge", "host", "none"];

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

/// What a look at one container begins with.
struct Begin<'a> {
    canary: &'a str,
    tcp: Result<Question, Blind>,
    early: Option<(Identity, Lent)>,
    /// It goes as soon as the container's processes are listed.
    unlisted: Unlisted<'a>,
}

impl Observer<'_> {
    /// Looks at everything that the plan asks about, the containers at once. The lenders that
    /// were made are returned too, to be removed. `meanwhile` is done once every container's
    /// processes are listed, while the probe waits for connections that nobody answers. `loans` is
    /// what was lent already.
    ///
    /// # Errors
    /// When the engine does not answer at all.
    pub async fn look<T>(
        &self,
        containers: BTreeMap<String, Vec<Container>>,
        mut loans: Loans,
        controls: impl Future<Output = Controls>,
        canary: &str,
        meanwhile: impl Future<Output = T>,
    ) -> Result<(World, Vec<String>, T), EngineError> {
        let all: Vec<(String, Container)> = containers
            .into_iter()
            .flat_map(|(service, list)| list.into_iter().map(move |c| (service.clone(), c)))
            .collect();
        let mut controls = pin!(maybe_done(controls));
        let networks = self.engine.networks(None);
        let networks = if self.plan.asks(&NEED_WAYS) {
            // Where the host and the stack listen is where a way may be, and whoever lists
            // containers must find the canary.
            join(networks, controls.as_mut()).await.0?
        } else {
            networks.await?
        };
        let surroundings = match controls.as_mut().output_mut() {
            Some(controls) => self.surroundings(&all, &networks, controls).await,
            None => Err("no check needs it".to_owned()),
        };
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let listed = Semaphore::new(0);
        let looks = all.into_iter().map(|(service, container)| {
            let tcp = surroundings.as_ref().map_err(Clone::clone);
            let begin = Begin {
                canary,
                tcp: tcp.map(|surroundings| surroundings.question(&container.id)),
                early: loans.take(&container),
                unlisted: Unlisted(&listed),
            };
            async {
                let mut look = self.first_look_in_time(service, container, begin).await;
                self.second_look_in_time(&mut look).await;
                look
            }
        });
        let meanwhile = async {
            // It is never closed.
            let _all = listed.acquire_many(count).await;
            meanwhile.await
        };
        let (mut looked, done, ()) = join3(join_all(looks), meanwhile, controls.as_mut()).await;
        let controls = controls.take_output().unwrap_or_else(Controls::none);
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
        begin: Begin<'_>,
    ) -> Look {
        let look = self.first_look(service.clone(), container.clone(), begin);
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

    async fn second_look_in_time(&self, look: &mut Look) {
        if tokio::time::timeout(LOOK, self.second_look(look)).await.is_err() {
            look.blind(&too_long(&look.sight.container));
        }
    }

    /// What is asked of a container as its own user.
    async fn first_look(&self, service: String, container: Container, begin: Begin<'_>) -> Look {
        let declared = self.stack.model.services.get(&service).cloned().unwrap_or_default();
        let mut questions = questions::for_service(self.plan, &service, begin.canary);
        if self.plan.asks(&NEED_WAYS) {
            // Who listens where tells whose a connection is.
            questions.push(Question::Host);
        }
        let mut unasked = None;
        if self.plan.asks_of(&service, &NEED_WAYS) {
            match begin.tcp {
                Ok(question) => questions.push(question),
                Err(why) => unasked = Some(why),
            }
        }
        let wanted = self.looks_into(&service);
        let mut look = Look {
            sight: Sight {
                service,
                declared,
                container,
                top: Err("it was not asked".to_owned()),
                accounts: Err("they were not read".to_owned()),
                inside: vec![],
                escalation: None,
            },
            lenders: vec![],
        };
        if wanted {
            self.ask_as_itself(&mut look, questions, begin.early, begin.unlisted).await;
            if let (Some(why), Some(seen)) = (unasked, look.sight.inside.first_mut())
                && let Ok(reply) = &seen.reply
            {
                seen.reply = Ok(reply.clone().unasked(questions::no_targets(), why));
            }
        } else {
            // An act may ask it all the same.
            look.sight.accounts = self.accounts(&look.sight.container).await;
        }
        look
    }

    async fn ask_as_itself(
        &self,
        look: &mut Look,
        questions: Vec<Question>,
        early: Option<(Identity, Lent)>,
        unlisted: Unlisted<'_>,
    ) {
        let Sight { service, container, .. } = &look.sight;
        let gaining = self.plan.asks_of(service, &["no-new-privileges"]);
        let lend = |identity| self.lend(service, container, identity, early);
        let top = self.top(container);
        let (top, accounts, identity, lent) = match numeric_identity(container) {
            // No name has to be looked up first, and none at all unless a check is about one: to
            // read a file of a container costs the engine as much as an exec.
            Some(identity) => {
                let accounts = async {
                    if self.asks_for_a_name(service) {
                        return self.accounts(container).await;
                    }
                    Err("no check needs them".to_owned())
                };
                let (top, accounts, lent) = join3(top, accounts, lend(identity)).await;
                (top, accounts, Ok(identity), lent)
            }
            None => {
                let (top, accounts) = join(top, self.accounts(container)).await;
                let identity = named_identity(container, &accounts);
                let lent = match &identity {
                    Ok(identity) => lend(*identity).await,
                    Err(why) => Err(why.clone()),
                };
                (top, accounts, identity, lent)
            }
        };
        look.sight.top = top;
        look.sight.accounts = accounts;
        let identity = identity.unwrap_or(Identity { uid: 0, gid: 0 });
        let (lender, tried) = match lent {
            Ok(lent) => lent,
            Err(why) => {
                look.see(identity, Err(why));
                return;
            }
        };
        look.sight.escalation = gaining.then_some(tried);
        let (questions, short) = questions::in_order(questions);
        let listed = (short, || drop(unlisted));
        let reply = self.kit.ask_heard(&lender, None, &questions, WITHIN, listed).await;
        look.lenders.push(lender);
        look.see(identity, reply);
    }

    /// What other identities in the container can reach.
    async fn second_look(&self, look: &mut Look) {
        if !self.plan.asks_of(&look.sight.service, &NEED_WAYS) {
            return;
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

    async fn top(&self, container: &Container) -> Result<Vec<HostProcess>, Blind> {
        self.engine.top(&container.id).await.map_err(|error| error.to_string())
    }

    /// Whether a check is about the name of the user of a service.
    fn asks_for_a_name(&self, service: &str) -> bool {
        self.plan.asked().any(|planned| {
            let named = matches!(planned.spec, CheckSpec::RunsAs(check) if check.user.is_some());
            named && planned.service == service
        })
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
        let user = container.config.user.as_deref().unwrap_or_default();
        // Only a group that is given by its name has to be looked up.
        if user.split_once(':').is_none_or(|(_, group)| group.parse::<u32>().is_ok()) {
            return Ok((read("/etc/passwd").await?, String::new()));
        }
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

    /// Where a way over TCP may be.
    ///
    /// # Errors
    /// When it is unknown where somebody listens: what was not tried is no refusal.
    async fn surroundings(
        &self,
        all: &[(String, Container)],
        networks: &[NetworkInfo],
        controls: &Controls,
    ) -> Result<Surroundings, Blind> {
        let mut surroundings = Surroundings::default();
        let gateways = networks.iter().flat_map(|network| network.gateways.iter().cloned());
        surroundings.host_addresses.extend(gateways.map(|gateway| without_prefix(&gateway)));
        let reply = controls.host.as_ref().map_err(Clone::clone)?;
        surroundings.no_host_name = questions::has_no_host_name(reply);
        let host = reply.host()?;
        let own = host.addresses.into_iter().filter(|address| !address.starts_with("127."));
        surroundings.host_addresses.extend(own);
        surroundings.host_listening.extend(host.listening);
        let running = all.iter().filter_map(|(_, container)| {
            container.is_running().then(|| container.state.pid.filter(|pid| *pid > 0))?
        });
        let mut listeners = controls.listeners(self.kit, running.collect()).await?;
        for (service, container) in all {
            let pid = container.state.pid.unwrap_or_default();
            let listening = listeners.remove(&pid).unwrap_or_default();
            let (names, networks) = (names(service, container), named_networks(container));
            surroundings.peers.insert(container.id.clone(), Peer { names, listening, networks });
        }
        for planned in self.plan.asked() {
            if let CheckSpec::NoDockerAccess(check) = planned.spec {
                surroundings.ports.extend(&check.ports);
            }
        }
        Ok(surroundings)
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
fn names(service: &str, container: &Container) -> BTreeSet<String> {
    let addresses = container.addresses().into_iter().map(|address| address.to_string());
    addresses.chain([service.to_owned()]).collect()
}

/// The networks in which the engine answers a container's questions for names; none where it does
/// not, because the container has a name server of its own or a network without names.
fn named_networks(container: &Container) -> BTreeSet<String> {
    let own_server = container.raw.pointer("/HostConfig/Dns");
    if own_server.and_then(|servers| servers.as_array()).is_some_and(|servers| !servers.is_empty())
    {
        return BTreeSet::new();
    }
    let networks = container.network_settings.as_ref().and_then(|it| it.networks.as_ref());
    let networks: Vec<_> = networks.into_iter().flatten().collect();
    if networks.iter().any(|(name, _)| UNNAMED.contains(&name.as_str())) {
        return BTreeSet::new();
    }
    let ids = networks.into_iter().filter_map(|(_, it)| it.network_id.clone());
    ids.filter(|id| !id.is_empty()).collect()
}

/// A gateway may be given with the length of its network's prefix.
fn without_prefix(address: &str) -> String {
    address.split('/').next().unwrap_or(address).to_owned()
}
