//! One round: a stack with mutants in it, verified and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::{join, join_all};

use super::workshop::{Made, Workshop};
use super::{Mutation, put_away, restrict, shared};
use crate::compose::Model;
use crate::compose::isolate::{isolate, stack_tag};
use crate::engine::container::Container;
use crate::engine::object::Object;
use crate::event::Nobody;
use crate::failure::Failure;
use crate::mutation::outcome::{Stand, judge};
use crate::mutation::record::MutantRecord;
use crate::mutation::{Mutant, landing, twin};
use crate::observe::controls::{Controls, Needs};
use crate::plan::{Selection, plan};
use crate::redact::DiscreetListener;
use crate::run::ledger::{Ledger, today};
use crate::run::verify::Verification;
use crate::run::{Findings, Request};
use crate::run_id::nonce;
use crate::stack::{Stack, StackError};

/// How long the engine may take to remove the containers of a round.
const REMOVE: Duration = Duration::from_secs(60);

/// One round.
pub(super) struct Round<'a> {
    pub(super) mutation: &'a Mutation<'a>,
    pub(super) workshop: &'a Workshop<'a>,
    pub(super) mutants: &'a [&'a Mutant],
    /// The ids of the unmutated images, by service.
    pub(super) before: &'a BTreeMap<String, String>,
}

/// Our own containers that the checks of a scenario need.
pub(super) fn needs(request: &Request) -> Needs {
    Needs::of(&request.loaded.scenario, &request.selection)
}

impl Round<'_> {
    /// Runs it. `weak` are the services that had a mutant in the round before, and then those of
    /// this one.
    pub(super) async fn run(
        &self,
        number: usize,
        weak: &mut BTreeSet<String>,
        secrets: &mut Vec<String>,
    ) -> Result<Vec<MutantRecord>, Failure> {
        for mutant in self.mutants {
            self.workshop.empty_mark(&mutant.service)?;
        }
        let Made { images, contexts, failed } = self.workshop.make(self.mutants).await?;
        let fit: Vec<&Mutant> =
            self.mutants.iter().copied().filter(|m| !failed.contains_key(&m.id)).collect();
        let mut records: Vec<MutantRecord> = self
            .mutants
            .iter()
            .filter_map(|mutant| {
                let why = failed.get(&mutant.id)?;
                Some(judge(mutant, &[], &Stand::Missing(why.clone()), &[], number))
            })
            .collect();
        if fit.is_empty() {
            return Ok(records);
        }
        let stack = self.stack(&fit, &images, &contexts)?;
        let now: BTreeSet<String> = fit
            .iter()
            .flat_map(|mutant| mutant.services().into_iter().map(str::to_owned))
            .collect();
        self.clear(&stack.model, weak, &now).await?;
        weak.clone_from(&now);
        records.extend(self.verify(&stack, &fit, &now, number, secrets).await?);
        Ok(records)
    }

    /// The stack with the mutants in it.
    fn stack(
        &self,
        mutants: &[&Mutant],
        images: &BTreeMap<String, String>,
        contexts: &BTreeMap<String, String>,
    ) -> Result<Stack, Failure> {
        let Verification { stack, run, tool, .. } = &self.mutation.verification;
        let model = twin::declared(&stack.model.raw, mutants, contexts).map_err(|error| {
            Failure::from(crate::stack::compose_tool::ComposeError::from(error))
        })?;
        let mut isolated = isolate(&model.raw, &stack.project, run, &stack_tag(run));
        twin::mark(&mut isolated, mutants, images);
        Ok(Stack::of((*tool).clone(), model, stack.project.clone(), run, isolated)?)
    }

    /// Removes the containers that have to be made anew, and the volumes that go with them.
    async fn clear(
        &self,
        model: &Model,
        weak: &BTreeSet<String>,
        now: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let Verification { stack, engine, .. } = &self.mutation.verification;
        let (stale, soiled) = twin::stale(&model.raw, weak, now);
        let services = stack.containers(engine).await?;
        let removed = services.iter().flat_map(|(name, containers)| {
            let gone = stale.contains(name) || !model.services.contains_key(name);
            containers.iter().filter(move |container| gone || !is_well(container))
        });
        let removals = join_all(removed.map(|container| engine.remove_container(&container.id)));
        let in_time = tokio::time::timeout(REMOVE, removals).await;
        let done = in_time.map_err(|_| Failure::System {
            doing: "remove the containers of the mutants before".to_owned(),
            cause: format!("the engine took more than {} s", REMOVE.as_secs()),
        })?;
        done.into_iter().collect::<Result<Vec<_>, _>>()?;
        for volume in soiled {
            // One that is not there is removed.
            let name = format!("{}_{volume}", stack.project);
            engine.remove(&Object::Volume(name)).await?;
        }
        Ok(())
    }

    async fn verify(
        &self,
        stack: &Stack,
        mutants: &[&Mutant],
        now: &BTreeSet<String>,
        number: usize,
        secrets: &mut Vec<String>,
    ) -> Result<Vec<MutantRecord>, Failure> {
        let own = &self.mutation.verification;
        let scenario = &own.request.loaded.scenario;
        let canary = nonce()?;
        let request = shared(own.request, own.run);
        let mut plan = plan(scenario, &own.stack.model, &Selection::default());
        let full = self.mutation.choice.full;
        restrict(&mut plan, |code, service, intrusive| {
            let wanted = mutants.iter().any(|mutant| {
                mutant.breaks.iter().any(|one| one.code == code && one.service == service)
            });
            let touched = service.is_empty() || now.contains(service);
            wanted || full || touched && !intrusive
        });
        plan.changed = mutants.iter().map(|mutant| mutant.service.clone()).collect();
        let within = scenario.healthy_within.0;
        let up = stack.up(own.engine, within, own.interrupt, |_| {});
        let (up, controls) = join(up, Controls::establish(own.kit, needs(&request), &canary)).await;
        let refused = match up {
            Ok(()) => None,
            Err(error) if interrupted(&error) => return Err(error.into()),
            Err(error) => Some(error.to_string()),
        };
        let containers = stack.containers(own.engine).await?;
        let mut stands: BTreeMap<&str, Stand> = BTreeMap::new();
        for mutant in mutants {
            let container = containers.get(&mutant.service).and_then(|list| list.first());
            if let Some(stand) = unstarted(mutant, container, refused.as_deref()) {
                stands.insert(&mutant.id, stand);
                continue;
            }
            if let (Some(update), Some(container)) = (mutant.change.update, container) {
                let updated = own
                    .engine
                    .update_limits(&container.id, update.memory, update.cpus, update.pids)
                    .await;
                if let Err(error) = updated {
                    stands.insert(&mutant.id, Stand::Missing(error.to_string()));
                }
            }
        }
        let emit = DiscreetListener::new(&Nobody);
        let mut findings = Findings { ledger: Some(Ledger::of(&plan)), ..Findings::default() };
        let verification = Verification {
            request: &request,
            stack,
            plan: &plan,
            canary: &canary,
            emit: &emit,
            stops_at_once: true,
            ..*own
        };
        let done = verification.run(&mut findings, Box::pin(std::future::ready(controls))).await;
        put_away(own.kit, &mut findings).await;
        secrets.append(&mut findings.secrets);
        done?;
        let world = findings.world.take();
        let claims = match findings.ledger.take() {
            Some(ledger) => ledger.close("the round ended", today()),
            None => vec![],
        };
        let judged = mutants.iter().map(|mutant| {
            let stand = stands.remove(mutant.id.as_str()).unwrap_or_else(|| {
                let before = self.before.get(&mutant.service).map_or("", String::as_str);
                match &world {
                    Some(world) => landed(mutant, world, before),
                    None => Stand::Missing("the stack was not looked at".to_owned()),
                }
            });
            judge(mutant, mutants, &stand, &claims, number)
        });
        Ok(judged.collect())
    }
}

fn landed(mutant: &Mutant, world: &crate::world::World, before: &str) -> Stand {
    match landing::landed(mutant, world, before) {
        Ok(()) => Stand::Landed,
        Err(why) => Stand::Missing(format!("it did not land: {why}")),
    }
}

/// How a mutant stands whose container does not run as it should; none where it does.
fn unstarted(
    mutant: &Mutant,
    container: Option<&Container>,
    refused: Option<&str>,
) -> Option<Stand> {
    // What Compose did before it was refused is of no use to anybody.
    let why = refused.unwrap_or_default();
    let why = why.rsplit("Error response from daemon: ").next().unwrap_or(why);
    let Some(container) = container else {
        let why = format!("its container was not made: {why}");
        return Some(if mutant.may_be_refused { Stand::Refused(why) } else { Stand::Missing(why) });
    };
    if is_well(container) {
        return None;
    }
    let error = container.state.error.as_deref().filter(|error| !error.is_empty());
    match error {
        Some(error) if mutant.may_be_refused => Some(Stand::Created(error.to_owned())),
        // Another one of the round was refused first.
        None if mutant.may_be_refused && container.state.status.as_deref() == Some("created") => {
            Some(Stand::Created(why.to_owned()))
        }
        _ => Some(Stand::Missing(format!("its container did not start: {why}"))),
    }
}

/// Whether a container runs and no health check says otherwise.
fn is_well(container: &Container) -> bool {
    let health = container.state.health.as_ref().and_then(|health| health.status.as_deref());
    container.is_running() && health != Some("unhealthy") && health != Some("starting")
}

fn interrupted(error: &StackError) -> bool {
    matches!(error, StackError::Compose(crate::stack::compose_tool::ComposeError::Interrupted))
}
