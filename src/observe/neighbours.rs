//! The neighbours of a service to which something is done: every other container is looked at
//! before and after, and those that the scenario names are asked all the while.
//!
//! They are asked from here, at the addresses of their containers: an answer then takes what the
//! neighbour takes, and no exec, which would itself wait for a busy engine. They are asked at
//! fixed times and the time counts from then, so that one that hangs is not asked less often for
//! it and its waiting is not left out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::act::{state, text};
use super::kit::{Kit, Lender};
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::event::Events;
use crate::probe::answer::Process;
use crate::scenario::check::Watch;
use crate::world::neighbours::{Answers, Latency, Lived, Neighbour, Neighbours, Samples, Standing};
use crate::world::{Blind, Sight};

/// A neighbour is asked once in so long: often enough to see a second in which it does not answer,
/// and seldom enough to be no load of its own.
const EVERY: Duration = Duration::from_millis(100);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How often a neighbour is asked before, and at least meanwhile: an act that is over sooner has
/// its effects still.
const LEAST: usize = 30;
/// How much of an answer is read.
const FIRST: usize = 512;

/// Does something and watches the neighbours meanwhile. Those that do not run are left out.
///
/// `act` is polled only after the neighbours were looked at and asked in peace.
pub async fn watching<T>(
    engine: &Engine,
    kit: &Kit,
    others: &[&Sight],
    watches: &[Watch],
    act: impl Future<Output = T>,
) -> (T, Neighbours) {
    let running = others.iter().filter(|sight| sight.container.is_running());
    let lookouts = join_all(running.map(|sight| Lookout::post(engine, kit, sight)));
    let mut askers = Vec::new();
    for watch in watches {
        let asked: Vec<&Sight> =
            others.iter().filter(|sight| sight.service == watch.service.value).copied().collect();
        if asked.is_empty() {
            askers.push(Asker::find(watch, None));
        }
        askers.extend(asked.into_iter().map(|sight| Asker::find(watch, Some(sight))));
    }
    let askers = join_all(askers);
    let (lookouts, askers) = join(lookouts, askers).await;
    let ((), before) = ask_while(&askers, std::future::ready(())).await;
    let first = join_all(lookouts.iter().map(|lookout| lookout.steady(engine, kit))).await;
    let (done, during) = ask_while(&askers, act).await;
    let last = join_all(lookouts.iter().map(|lookout| lookout.look(engine, kit))).await;
    let lenders: Vec<String> =
        lookouts.iter().filter_map(|l| l.lender.as_ref().ok().map(|l| l.id.clone())).collect();
    kit.remove(&lenders).await;
    let others = lookouts
        .into_iter()
        .zip(first.into_iter().zip(last))
        .map(|(lookout, (before, after))| lookout.report(before, after))
        .collect();
    let latency = askers
        .into_iter()
        .zip(before.into_iter().zip(during))
        .map(|(asker, (before, during))| asker.report(before, during))
        .collect();
    (done, Neighbours { others, latency })
}

/// One neighbour, and the means to look into it.
struct Lookout<'a> {
    sight: &'a Sight,
    lender: Result<Lender, Blind>,
    events: Events,
    first: Result<Standing, Blind>,
}

impl<'a> Lookout<'a> {
    async fn post(engine: &Engine, kit: &Kit, sight: &'a Sight) -> Lookout<'a> {
        let lender = match super::identity(sight) {
            Ok(identity) => kit.lend(&sight.container, identity).await,
            Err(why) => Err(why),
        };
        let events = engine.events(&sight.container.id);
        let mut lookout = Lookout { sight, lender, events, first: Err("not yet".to_owned()) };
        lookout.first = lookout.look(engine, kit).await;
        lookout
    }

    async fn look(&self, engine: &Engine, kit: &Kit) -> Result<Standing, Blind> {
        let lender = self.lender.as_ref().map_err(Clone::clone)?;
        // What can be seen inside of one that has ended is the word of its last moment.
        let inside = state(kit, lender).await;
        let container = engine.inspect(&self.sight.container.id).await.map_err(text)?;
        let health = container.state.health.as_ref().and_then(|health| health.status.clone());
        let (processes, oom_kills) = match inside {
            Ok((processes, cgroup)) => {
                let kills = cgroup.counters().map(|counters| counters.oom_kills);
                (own(&container, &processes), kills)
            }
            Err(why) => (Err(why.clone()), Err(why)),
        };
        Ok(Standing {
            running: container.is_running(),
            started_at: container.state.started_at,
            restarts: container.restart_count.unwrap_or(0),
            health,
            processes,
            oom_kills,
        })
    }

    /// A second look, with the processes that were there at the first too.
    async fn steady(&self, engine: &Engine, kit: &Kit) -> Result<Standing, Blind> {
        let mut second = self.look(engine, kit).await?;
        let first = self.first.as_ref().map_err(Clone::clone)?;
        if let (Ok(earlier), Ok(processes)) = (&first.processes, &mut second.processes) {
            processes.retain(|process| earlier.contains(process));
        }
        Ok(second)
    }

    fn report(
        mut self,
        before: Result<Standing, Blind>,
        after: Result<Standing, Blind>,
    ) -> Neighbour {
        let events = self.events.drain().into_iter().map(|event| event.action);
        Neighbour {
            service: self.sight.service.clone(),
            container: self.sight.container.short_name().to_owned(),
            before,
            after,
            events: events.filter(|action| !action.starts_with("exec_")).collect(),
        }
    }
}

/// The processes of the service itself: neither ours, nor those that the engine executes beside
/// it, such as a health check with its children, nor those that have ended and wait for their
/// parent.
fn own(container: &Container, processes: &[Process]) -> Result<Vec<Lived>, Blind> {
    let mode = container.host_config.pid_mode.as_deref().unwrap_or_default();
    if !mode.is_empty() {
        return Err(format!("its processes are not told from those of its pid namespace, {mode}"));
    }
    let parents: BTreeMap<u32, u32> =
        processes.iter().filter_map(|process| Some((process.pid, process.ppid?))).collect();
    let from_first = |pid: u32| {
        let mut seen = BTreeSet::new();
        let mut at = pid;
        while at != 1 && seen.insert(at) {
            at = parents.get(&at).copied().unwrap_or(0);
        }
        at == 1
    };
    let own = processes
        .iter()
        .filter(|process| !process.ours && process.state != "Z" && from_first(process.pid));
    let lived = |process: &Process| Lived {
        pid: process.pid,
        started: process.started,
        name: process.name.clone(),
    };
    Ok(own.map(lived).collect())
}

/// What asks one container.
struct Asker {
    service: String,
    asked: String,
    place: Result<Place, Blind>,
}

/// Where a container answers, and what it answered first.
#[derive(Debug, Clone)]
struct Place {
    address: String,
    request: Vec<u8>,
    http: bool,
    answer: String,
}

impl Asker {
    /// Finds out where a container answers; none where its service has no other container.
    async fn find(watch: &Watch, sight: Option<&Sight>) -> Asker {
        let service = watch.service.value.clone();
        let Some(sight) = sight else {
            let why = format!("{service} has no container beside the one that is stressed");
            return Asker { service, asked: watch.to_string(), place: Err(why) };
        };
        Asker {
            service,
            asked: format!("{watch} ({})", sight.container.short_name()),
            place: Place::find(watch, &sight.container).await,
        }
    }

    /// Asks at fixed times until it is over and was asked often enough.
    async fn ask(&self, over: watch::Receiver<bool>) -> Vec<Result<u64, Blind>> {
        let Ok(place) = &self.place else { return vec![] };
        let mut times = tokio::time::interval(EVERY);
        times.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut asked = JoinSet::new();
        while asked.len() < LEAST || !*over.borrow() {
            let intended = times.tick().await;
            let place = place.clone();
            asked.spawn(async move { place.timed(intended).await });
        }
        let mut outcomes = Vec::new();
        while let Some(outcome) = asked.join_next().await {
            outcomes.push(outcome.unwrap_or_else(|error| Err(error.to_string())));
        }
        outcomes
    }

    fn report(self, before: Vec<Result<u64, Blind>>, during: Vec<Result<u64, Blind>>) -> Latency {
        let answers = self
            .place
            .map(|_| Answers { before: Samples::of(before), during: Samples::of(during) });
        Latency { service: self.service, asked: self.asked, answers }
    }
}

impl Place {
    /// The first address of a container at which it gives the answer that it should.
    async fn find(watch: &Watch, container: &Container) -> Result<Place, Blind> {
        let name = container.short_name();
        let mut refused = Vec::new();
        for address in container.addresses() {
            let mut place = Place {
                address: SocketAddr::new(address, watch.port).to_string(),
                request: request(watch),
                http: watch.path.is_some(),
                answer: String::new(),
            };
            match place.first_line().await {
                Ok(answer) if place.http && !is_success(&answer) => {
                    refused.push(format!("{} answers {answer}", place.address));
                }
                Ok(answer) => {
                    place.answer = answer;
                    return Ok(place);
                }
                Err(why) => refused.push(format!("{}: {why}", place.address)),
            }
        }
        if refused.is_empty() {
            return Err(format!("container {name} has no address at which it could be asked"));
        }
        Err(format!("{watch} has no answer before anything is done: {}", refused.join("; ")))
    }

    /// How many microseconds after `intended` the same answer came as at first.
    async fn timed(&self, intended: Instant) -> Result<u64, Blind> {
        let answer = self.first_line().await?;
        if answer != self.answer {
            return Err(format!("{answer:?} instead of {:?}", self.answer));
        }
        Ok(u64::try_from(intended.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The first line of what is answered on a connection of its own; of HTTP, the status.
    async fn first_line(&self) -> Result<String, Blind> {
        let asked = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(&self.request).await?;
            let mut answer = Vec::new();
            let mut some = [0; FIRST];
            while !answer.contains(&b'\n') && answer.len() < FIRST {
                let count = stream.read(&mut some).await?;
                if count == 0 {
                    break;
                }
                answer.extend_from_slice(&some[..count]);
            }
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(ANSWER, asked)
            .await
            .map_err(|_| format!("no answer within {} s", ANSWER.as_secs()))?
            .map_err(text)?;
        let answer = String::from_utf8_lossy(&answer);
        let line = answer.lines().next().unwrap_or_default().trim();
        if line.is_empty() {
            return Err("the connection was closed without an answer".to_owned());
        }
        if !self.http {
            return Ok(line.to_owned());
        }
        match line.split_once(' ') {
            Some((version, status)) if version.starts_with("HTTP/") => Ok(status.to_owned()),
            _ => Err(format!("{line:?} is no answer in HTTP")),
        }
    }
}

/// A status below 400.
fn is_success(status: &str) -> bool {
    let code = status.split(' ').next().unwrap_or_default();
    code.parse::<u16>().is_ok_and(|code| (200..400).contains(&code))
}

/// What is sent.
fn request(watch: &Watch) -> Vec<u8> {
    match (&watch.path, &watch.send) {
        (Some(path), _) => {
            let host = format!("{}:{}", watch.service.value, watch.port);
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
        }
        (None, send) => send.clone().unwrap_or_default().into_bytes(),
    }
}

/// Asks all while something is done, and at least so often as it takes to see the effects.
async fn ask_while<T>(
    askers: &[Asker],
    work: impl Future<Output = T>,
) -> (T, Vec<Vec<Result<u64, Blind>>>) {
    let (over, _) = watch::channel(false);
    let asking = join_all(askers.iter().map(|asker| asker.ask(over.subscribe())));
    let working = async {
        let done = work.await;
        over.send_replace(true);
        done
    };
    join(working, asking).await
}
