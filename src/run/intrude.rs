//! The acts of a verification: what stresses or stops a service, one after another, and whether
//! the stack is afterwards as well as before.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::ledger::Place;
use super::verify::Verification;
use super::{Clock, Findings};
use crate::check;
use crate::event::{Event, Listener, Phase};
use crate::failure::Failure;
use crate::observe::act::{blast, cpu, load, oom, pids, stop};
use crate::observe::kit::Kit;
use crate::scenario::CheckSpec;
use crate::world::{Act, Blind, Sight, World};

/// How long the engine may take to say how all containers of the stack are.
const INSPECT: Duration = Duration::from_secs(30);
/// How long all that an act asks of the engine may take.
const ENGINE: Duration = Duration::from_secs(120);

impl Verification<'_> {
    /// Acts on one service after another and judges each act.
    pub(super) async fn intrude(
        &self,
        kit: &Kit,
        world: &mut World,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let acts: Vec<(Place, CheckSpec, String)> = self
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
            .map(|(place, check)| (place, check.spec.clone(), check.service.clone()))
            .collect();
        if acts.is_empty() {
            return Ok(());
        }
        let phase = Clock::start(Phase::Intrusive, self.emit);
        // What is unwell already is judged for itself and is no act's doing.
        let (before, mut disturbed) = match self.unwell().await? {
            Ok(unwell) => (unwell, None),
            Err(why) => (BTreeSet::new(), Some(why)),
        };
        for (place, spec, service) in acts {
            let since = Instant::now();
            self.emit.hear(Event::CheckStarted {
                claim: self.plan.claims[place.claim].claim.id.value.clone(),
                code: spec.code().to_owned(),
                service: service.clone(),
            });
            match &disturbed {
                None => self.act(kit, world, &spec, &service).await,
                Some(why) => refuse(world, &spec, &service, why),
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

    /// Does the act of a check to each container of a service.
    async fn act(&self, kit: &Kit, world: &mut World, spec: &CheckSpec, service: &str) {
        let mut acts = Vec::new();
        for sight in world.sights(service) {
            let act = async {
                match spec {
                    CheckSpec::OomContained(check) => {
                        let within = check.healthy_within.0;
                        let act = oom::run_out_of_memory(
                            self.engine,
                            kit,
                            sight,
                            within,
                            check.stress,
                            self.interrupt,
                        );
                        Some(act.await.map(|oom| Act::Oom(Box::new(oom))))
                    }
                    CheckSpec::OomBlastRadius(check) => {
                        let others = others(world, sight);
                        let (engine, interrupt) = (self.engine, self.interrupt);
                        let act =
                            blast::watch_neighbours(engine, kit, sight, &others, check, interrupt);
                        Some(act.await.map(|blast| Act::Blast(Box::new(blast))))
                    }
                    CheckSpec::CpuLimitEnforced(check) => {
                        let (processors, time) = (world.about.cpus, check.duration.0);
                        let act = cpu::saturate(kit, sight, processors, time, self.interrupt);
                        Some(act.await.map(|cpu| Act::Cpu(Box::new(cpu))))
                    }
                    CheckSpec::PidsLimitEnforced(_) => {
                        let others = others(world, sight);
                        let act = pids::exhaust(kit, sight, &others, self.interrupt);
                        Some(act.await.map(|pids| Act::Pids(Box::new(pids))))
                    }
                    CheckSpec::Load(check) => {
                        let others = others(world, sight);
                        let stand = load::Stand { engine: self.engine, kit, sight, others };
                        let act = stand.bear(check, self.interrupt);
                        Some(act.await.map(|load| Act::Load(Box::new(load))))
                    }
                    CheckSpec::Healthy(check) if check::worth_stopping(sight) => {
                        let within = check.within.0;
                        let act = stop::stop(self.engine, kit, sight, within, self.interrupt);
                        Some(act.await.map(Act::Stop))
                    }
                    _ => None,
                }
            };
            let at_most = at_most(spec);
            let act = tokio::time::timeout(at_most, act).await.unwrap_or_else(|_| {
                let seconds = at_most.as_secs();
                Some(Err(format!("the act was not over after {seconds} s, and was given up")))
            });
            acts.extend(act.map(|act| (sight.container.id.clone(), act)));
        }
        for (container, act) in acts {
            world.note(spec.code(), &container, act);
        }
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
