//! The acts of a verification: what stresses or stops a service, one after another, and whether
//! the stack is afterwards as well as before.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all, ready};

use super::ledger::Place;
use super::verify::Verification;
use super::{Clock, Findings};
use crate::check;
use crate::event::{Event, Listener, Phase};
use crate::failure::Failure;
use crate::observe::act::{blast, cpu, late, load, oom, pids, stop};
use crate::observe::kit::Kit;
use crate::scenario::CheckSpec;
use crate::scenario::check::StartsInAnyOrder;
use crate::world::{Act, Blind, Sight, World};

/// How long the engine may take to say how all containers of the stack are.
const INSPECT: Duration = Duration::from_secs(30);
/// How long all that an act asks of the engine may take.
const ENGINE: Duration = Duration::from_secs(120);
/// The pause between two looks at the stack.
const LOOK: Duration = Duration::from_millis(200);

impl Verification<'_> {
    /// Acts on one service after another and judges each act.
    pub(super) async fn intrude(
        &self,
        kit: &Kit,
        world: &mut World,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let mut acts: Vec<(Place, &CheckSpec, String)> = self
            .plan
            .claims
            .iter()
            .enumerate()
            .flat_map(|(claim, planned)| {
                planned
                    .checks
                    .iter()
                    .enumerate()
                    .map(move |(index, check)| (Place { claim, check: index }, check))
            })
            .filter(|(_, check)| check.not_asked.is_none() && check.spec.is_intrusive())
            .map(|(place, check)| (place, check.spec, check.service.clone()))
            .collect();
        // It starts containers anew, so it comes after what rests on how they were found.
        acts.sort_by_key(|(_, spec, _)| matches!(spec, CheckSpec::StartsInAnyOrder(_)));
        let mut done: Option<&CheckSpec> = None;
        if acts.is_empty() {
            return Ok(());
        }
        let phase = Clock::start(Phase::Intrusive, self.emit);
        // What is unwell already is judged for itself and is no act's doing.
        let (before, mut disturbed) = match self.unwell().await? {
            Ok(unwell) => (unwell, None),
            Err(why) => (BTreeSet::new(), Some(why)),
        };
        if self.stops_at_once {
            let stops: Vec<_> = acts.extract_if(.., |(_, spec, _)| stops(spec)).collect();
            self.stop_all(kit, world, findings, &stops).await;
        }
        for (place, spec, service) in acts {
            let since = Instant::now();
            self.emit.hear(Event::CheckStarted {
                claim: self.plan.claims[place.claim].claim.id.value.clone(),
                code: spec.code().to_owned(),
                service: service.clone(),
            });
            match (spec, &disturbed) {
                // One act is for all services of the check, and it is over.
                (CheckSpec::StartsInAnyOrder(_), _)
                    if done.is_some_and(|done| std::ptr::eq(done, spec)) => {}
                (CheckSpec::StartsInAnyOrder(check), None) if !world.attached => {
                    done = Some(spec);
                    self.start_late(world, spec, check).await;
                    self.wait_until_as(&before, check.within.0).await?;
                }
                (_, None) => self.act(kit, world, spec, &service).await,
                (_, Some(why)) => refuse(world, spec, &service, why),
            }
            if self.interrupt.is_set() {
                return Err(Failure::Interrupted(crate::interrupt::Interrupted));
            }
            if let Some(ledger) = &mut findings.ledger {
                self.judge_one(world, ledger, place, since);
            }
            if disturbed.is_none() {
                let after = format!("after {} of {service} ", spec.code());
                disturbed = match self.unwell().await? {
                    Ok(now) if now.is_subset(&before) => None,
                    Ok(now) => {
                        let by_it: Vec<&str> =
                            now.difference(&before).map(String::as_str).collect();
                        let names = by_it.join(", ");
                        Some(format!("{after}the stack is not as before: {names} is not well"))
                    }
                    Err(why) => Some(format!("{after}{why}")),
                };
            }
        }
        phase.finish("");
        Ok(())
    }

    /// Stops several services at once and judges each.
    async fn stop_all(
        &self,
        kit: &Kit,
        world: &mut World,
        findings: &mut Findings,
        stops: &[(Place, &CheckSpec, String)],
    ) {
        let since = Instant::now();
        let seen: &World = world;
        let acts = stops.iter().flat_map(|(_, spec, service)| {
            seen.sights(service).iter().map(move |sight| async move {
                let act = self.act_in_time(kit, seen, spec, sight).await;
                act.map(|act| (spec.code(), sight.container.id.clone(), act))
            })
        });
        let acts = join_all(acts).await;
        for (code, container, act) in acts.into_iter().flatten() {
            world.note(code, &container, act);
        }
        if let Some(ledger) = &mut findings.ledger {
            for (place, ..) in stops {
                self.judge_one(world, ledger, *place, since);
            }
        }
    }

    /// Does the act of a check to each container of a service.
    async fn act(&self, kit: &Kit, world: &mut World, spec: &CheckSpec, service: &str) {
        let mut acts = Vec::new();
        for sight in world.sights(service) {
            let act = self.act_in_time(kit, world, spec, sight).await;
            acts.extend(act.map(|act| (sight.container.id.clone(), act)));
        }
        for (container, act) in acts {
            world.note(spec.code(), &container, act);
        }
    }

    /// The act of a check on one container, within a deadline of its own.
    async fn act_in_time(
        &self,
        kit: &Kit,
        world: &World,
        spec: &CheckSpec,
        sight: &Sight,
    ) -> Option<Result<Act, Blind>> {
        let act = self.one_act(kit, world, spec, sight);
        let at_most = at_most(spec);
        tokio::time::timeout(at_most, act).await.unwrap_or_else(|_| {
            let seconds = at_most.as_secs();
            Some(Err(format!("the act was not over after {seconds} s, and was given up")))
        })
    }

    /// The act of a check on one container; none where there is nothing to do. Each waits for so
    /// much that it would be too large for a thread's stack together with the others.
    fn one_act<'a>(
        &'a self,
        kit: &'a Kit,
        world: &'a World,
        spec: &'a CheckSpec,
        sight: &'a Sight,
    ) -> BoxFuture<'a, Option<Result<Act, Blind>>> {
        let (engine, interrupt) = (self.engine, self.interrupt);
        match spec {
            CheckSpec::OomContained(check) => {
                let (within, stress) = (check.healthy_within.0, check.stress);
                oom::run_out_of_memory(engine, kit, sight, within, stress, interrupt)
                    .map(|seen| Some(seen.map(|oom| Act::Oom(Box::new(oom)))))
                    .boxed()
            }
            CheckSpec::OomBlastRadius(check) => async move {
                let others = others(world, sight);
                let act = blast::watch_neighbours(engine, kit, sight, &others, check, interrupt);
                Some(act.await.map(|blast| Act::Blast(Box::new(blast))))
            }
            .boxed(),
            CheckSpec::CpuLimitEnforced(check) => {
                let (processors, time) = (world.about.cpus, check.duration.0);
                cpu::saturate(kit, sight, processors, time, interrupt)
                    .map(|seen| Some(seen.map(|cpu| Act::Cpu(Box::new(cpu)))))
                    .boxed()
            }
            CheckSpec::PidsLimitEnforced(_) => async move {
                let others = others(world, sight);
                let act = pids::exhaust(kit, sight, &others, interrupt);
                Some(act.await.map(|pids| Act::Pids(Box::new(pids))))
            }
            .boxed(),
            CheckSpec::Load(check) => async move {
                let others = others(world, sight);
                let stand = load::Stand { engine, kit, sight, others };
                let act = stand.bear(check, interrupt);
                Some(act.await.map(|load| Act::Load(Box::new(load))))
            }
            .boxed(),
            CheckSpec::Healthy(check) if check::worth_stopping(sight) => {
                stop::stop(engine, kit, sight, check.within.0, interrupt)
                    .map(|seen| Some(seen.map(Act::Stop)))
                    .boxed()
            }
            _ => ready(None).boxed(),
        }
    }

    /// Starts every service that a check is asked of before those that it says come late.
    async fn start_late(&self, world: &mut World, spec: &CheckSpec, check: &StartsInAnyOrder) {
        let asked = self.plan.asked().filter(|planned| std::ptr::eq(planned.spec, spec));
        let ids = |service: &str| {
            world.sights(service).iter().map(|sight| sight.container.id.clone()).collect::<Vec<_>>()
        };
        let first: Vec<String> = asked.flat_map(|planned| ids(&planned.service)).collect();
        let missing = check.delayed.iter().find(|service| ids(service).is_empty());
        let delayed: Vec<String> = check.delayed.iter().flat_map(|service| ids(service)).collect();
        let (delay, within) = (check.delay.0, check.within.0);
        let order = late::Order { first: &first, delayed: &delayed, delay, within };
        let act = late::start_before(self.engine, &order, self.interrupt);
        let at_most = delay + 2 * within + ENGINE;
        let seen = match missing {
            Some(service) => Err(format!("service {} has no container", service.value)),
            None => tokio::time::timeout(at_most, act).await.unwrap_or_else(|_| {
                let seconds = at_most.as_secs();
                Err(format!("the act was not over after {seconds} s, and was given up"))
            }),
        };
        for id in &first {
            let one = match &seen {
                Ok(seen) => seen.get(id).cloned().ok_or_else(|| "it was not watched".to_owned()),
                Err(why) => Err(why.clone()),
            };
            world.note(spec.code(), id, one.map(Act::Late));
        }
    }

    /// Waits until no other services are unwell than before, for those that were not stopped
    /// themselves but miss what was.
    async fn wait_until_as(
        &self,
        before: &BTreeSet<String>,
        within: Duration,
    ) -> Result<(), Failure> {
        let since = Instant::now();
        while since.elapsed() < within && !self.interrupt.is_set() {
            if self.unwell().await?.is_ok_and(|now| now.is_subset(before)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The services that are not well: what follows would be seen through that.
    async fn unwell(&self) -> Result<Result<BTreeSet<String>, Blind>, Failure> {
        let asked = tokio::time::timeout(INSPECT, self.stack.containers(self.engine)).await;
        let Ok(services) = asked else {
            let seconds = INSPECT.as_secs();
            return Ok(Err(format!(
                "the engine did not say within {seconds} s how the containers are"
            )));
        };
        let services = services?;
        let unwell = services
            .iter()
            .flat_map(|(name, containers)| containers.iter().map(move |c| (name, c)))
            .filter(|(_, container)| {
                let health = container.state.health.as_ref();
                let status = health.and_then(|health| health.status.as_deref());
                !container.is_running() || status.is_some_and(|status| status == "unhealthy")
            })
            .map(|(name, _)| name.clone())
            .collect();
        Ok(Ok(unwell))
    }
}

/// How long the act of a check may take on one container. Each wait of an act ends by itself
/// before that; this is for an engine that does not answer.
fn at_most(spec: &CheckSpec) -> Duration {
    let waits = match spec {
        CheckSpec::OomContained(check) => oom::HOG + check.healthy_within.0,
        CheckSpec::OomBlastRadius(check) => oom::HOG + check.healthy_within.0,
        CheckSpec::CpuLimitEnforced(check) => check.duration.0,
        CheckSpec::PidsLimitEnforced(_) => pids::HOLD,
        CheckSpec::Load(check) => check.duration() + load::ON_TOP,
        // The processes are stopped for at most three times that, and continue by themselves.
        CheckSpec::Healthy(check) => 4 * check.within.0,
        _ => Duration::ZERO,
    };
    waits + ENGINE
}

/// Whether the act of a check stops a service and lets it continue.
fn stops(spec: &CheckSpec) -> bool {
    matches!(spec, CheckSpec::Healthy(_))
}

/// Every other container of the stack.
fn others<'a>(world: &'a World, sight: &Sight) -> Vec<&'a Sight> {
    let all = world.services.values().flatten();
    all.filter(|other| other.container.id != sight.container.id).collect()
}

/// Notes that an act was not done.
fn refuse(world: &mut World, spec: &CheckSpec, service: &str, why: &str) {
    let ids: Vec<String> =
        world.sights(service).iter().map(|sight| sight.container.id.clone()).collect();
    for id in ids {
        world.note(spec.code(), &id, Err(why.to_owned()));
    }
}
