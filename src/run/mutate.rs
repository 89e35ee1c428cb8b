//! `mutate`: the claims are verified on the unmutated stack, then with one weakness after another
//! put back, and must turn red for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::Timestamp;

use super::ledger::{Ledger, today};
use super::verify::Verification;
use super::{Emit, Findings, Mode, Request};
use crate::event::{Event, Listener};
use crate::failure::Failure;
use crate::mutation::Mutant;
use crate::mutation::catalogue::catalogue;
use crate::mutation::custom::custom;
use crate::mutation::outcome::scores;
use crate::mutation::record::{MutantRecord, MutationRecord, Outcome, SCHEMA, Score};
use crate::mutation::rounds::{cover, rounds, sample};
use crate::mutation::subject::Ground;
use crate::observe::controls::Controls;
use crate::observe::kit::Kit;
use crate::plan::{Plan, Selection, plan};
use crate::record::{ClaimRecord, Summary};
use crate::verdict::Verdict;
use futures_util::future::{BoxFuture, join_all};

mod round;
mod workshop;

use round::Round;
use workshop::Workshop;

/// Which mutants are tried, and how.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Only these: ids, or weaknesses.
    pub mutants: Vec<String>,
    /// Only those that a claim of these must catch.
    pub claims: Vec<String>,
    /// Only those of these services.
    pub services: Vec<String>,
    /// How many of those that fit.
    pub extent: Extent,
    /// Whether all claims are verified with every mutant, and not only those of its services.
    pub full: bool,
    /// How many mutants share a stack at most.
    pub at_once: usize,
}

/// How many mutants are tried, of those that fit and are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// As many as it takes to see every check code fail once.
    Sample,
    /// Every weakness at least once, and every check of every service broken at least once.
    #[default]
    Cover,
    /// Every weakness in every service that it fits.
    All,
}

/// What a mutation run has found out so far.
#[derive(Debug, Default)]
pub(super) struct Tried {
    possible: Vec<Mutant>,
    unmutated: Vec<ClaimRecord>,
    judged: Vec<MutantRecord>,
}

impl Tried {
    /// The record of it.
    pub(super) fn record(
        self,
        request: &Request,
        record: &crate::record::Record,
    ) -> MutationRecord {
        let reasons: BTreeMap<String, String> = request
            .loaded
            .scenario
            .claims
            .iter()
            .filter_map(|claim| Some((claim.id.value.clone(), claim.unproven.clone()?)))
            .collect();
        let claims = match self.unmutated.is_empty() {
            true => vec![],
            false => scores(&self.unmutated, &self.possible, &self.judged, &reasons),
        };
        MutationRecord {
            schema: SCHEMA.to_owned(),
            run_id: record.run_id.clone(),
            scenario: record.scenario.clone(),
            started: record.started,
            finished: Timestamp::now(),
            environment: record.environment.clone(),
            possible: self.possible.len(),
            unmutated: Summary::of(&self.unmutated),
            summary: Score::of(&self.judged, &claims),
            mutants: self.judged,
            claims,
            aborted: record.aborted.clone(),
            leftovers: record.leftovers.clone(),
        }
    }
}

/// Everything that a mutation run works with.
pub(super) struct Mutation<'a> {
    pub(super) verification: Verification<'a>,
    pub(super) choice: &'a Choice,
}

impl Mutation<'_> {
    /// Runs it. What was judged is in the findings even when this ends early.
    pub(super) async fn run(
        &self,
        findings: &mut Findings,
        controls: BoxFuture<'_, Controls>,
    ) -> Result<(), Failure> {
        let Verification { emit, run, .. } = &self.verification;
        self.verification.run(findings, controls).await?;
        self.held(findings)?;
        let world = findings.world.take().ok_or_else(no_world)?;
        let before: BTreeMap<String, String> = world
            .services
            .iter()
            .filter_map(|(name, sights)| {
                Some((name.clone(), sights.first()?.container.image.clone()))
            })
            .collect();
        put_away(self.verification.kit, findings).await;
        let workshop = Workshop::open(&self.verification)?;
        let whole = plan(self.scenario(), &self.verification.stack.model, &Selection::default());
        let relay = format!("stackproof-probe:{run}");
        let shells = self.shells(&world).await;
        let ground = Ground::of(&world, &whole, &shells, workshop.folder(), relay);
        workshop.furnish(&ground)?;
        drop(world);
        let mut possible = catalogue(&ground);
        possible.extend(custom(&self.scenario().mutants, &ground));
        let chosen = self.chosen(&possible, &whole)?;
        findings.tried.possible = possible;
        self.verify_acts(findings, &chosen).await?;
        let rounds = rounds(&chosen, self.choice.at_once);
        emit.hear(Event::Note(format!("{} mutants in {} rounds", chosen.len(), rounds.len())));
        let mut weak = BTreeSet::new();
        for (index, mutants) in rounds.iter().enumerate() {
            if self.verification.interrupt.is_set() {
                return Err(Failure::Interrupted(crate::interrupt::Interrupted));
            }
            let since = Instant::now();
            let number = index + 1;
            let round = Round { mutation: self, workshop: &workshop, mutants, before: &before };
            let mut judged = round.run(number, &mut weak, &mut findings.secrets).await?;
            self.settle_alone(&round, number, &mut weak, &mut judged, findings).await?;
            emit.learn(findings.secrets.clone());
            tell(*emit, number, rounds.len(), &judged, since);
            findings.tried.judged.extend(judged);
        }
        Ok(())
    }

    /// A mutant whose container does not start may keep others of its round from being judged. What
    /// was not killed beside such a one is tried again by itself; whatever comes of that counts.
    async fn settle_alone(
        &self,
        round: &Round<'_>,
        number: usize,
        weak: &mut BTreeSet<String>,
        judged: &mut [MutantRecord],
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let invalid = judged.iter().any(|record| record.outcome == Outcome::Invalid);
        if round.mutants.len() < 2 || !invalid {
            return Ok(());
        }
        for record in judged.iter_mut().filter(|record| record.outcome != Outcome::Killed) {
            let only = round.mutants.iter().copied().filter(|mutant| mutant.id == record.id);
            let only: Vec<&Mutant> = only.collect();
            let alone = Round { mutants: &only, ..*round };
            if let Some(again) = alone.run(number, weak, &mut findings.secrets).await?.pop() {
                *record = again;
            }
        }
        Ok(())
    }

    /// The services whose images have a shell.
    async fn shells(&self, world: &crate::world::World) -> BTreeSet<String> {
        let engine = self.verification.engine;
        let looks = world.services.iter().filter_map(|(name, sights)| {
            let container = &sights.first()?.container;
            Some(async move {
                let read = engine.read_file(&container.id, "/bin/sh").await;
                // What is there and is no small regular file is there all the same.
                let missing = read.is_err_and(|error| error.kind == crate::engine::Kind::NotFound);
                (!missing).then(|| name.clone())
            })
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    fn scenario(&self) -> &crate::scenario::Scenario {
        &self.verification.request.loaded.scenario
    }

    /// Whether every claim holds without a mutant: else a red claim would prove nothing.
    fn held(&self, findings: &mut Findings) -> Result<(), Failure> {
        let Some(ledger) = &findings.ledger else { return Err(no_world()) };
        let claims = ledger.clone().close("the run ended", today());
        let not_held: Vec<String> = claims
            .iter()
            .filter(|claim| matches!(claim.verdict, Verdict::Broken | Verdict::Inconclusive))
            .map(|claim| format!("{} is {}", claim.id, claim.verdict.word()))
            .collect();
        findings.tried.unmutated = claims;
        if not_held.is_empty() { Ok(()) } else { Err(Failure::NotHeld(not_held.join(", "))) }
    }

    /// The mutants that are asked for.
    fn chosen(&self, possible: &[Mutant], whole: &Plan<'_>) -> Result<Vec<Mutant>, Failure> {
        let Choice { mutants, claims, services, .. } = self.choice;
        let named = |mutant: &Mutant| {
            mutants.is_empty()
                || mutants.iter().any(|name| *name == mutant.id || *name == mutant.weakness)
        };
        let unknown = mutants
            .iter()
            .filter(|name| !possible.iter().any(|m| m.id == **name || m.weakness == **name))
            .map(|name| format!("--mutant {name}: no such mutant fits the stack"));
        let unknown_services = services
            .iter()
            .filter(|name| !self.verification.stack.model.services.contains_key(*name))
            .map(|name| format!("--service {name}: the stack has no such service"));
        let unknown_claims = claims
            .iter()
            .filter(|id| !self.scenario().claims.iter().any(|claim| claim.id.value == **id))
            .map(|id| format!("--claim {id}: the scenario has no such claim"));
        let problems: Vec<String> = unknown.chain(unknown_services).chain(unknown_claims).collect();
        if !problems.is_empty() {
            return Err(Failure::Selection(problems.join("; ")));
        }
        let chosen = possible.iter().filter(|mutant| {
            named(mutant)
                && (services.is_empty() || services.contains(&mutant.service))
                && (claims.is_empty() || claims.iter().any(|id| catches(whole, id, mutant)))
        });
        let chosen: Vec<Mutant> = chosen.cloned().collect();
        // Who names mutants means them all.
        Ok(match self.choice.extent {
            Extent::Sample => sample(&chosen),
            Extent::Cover if mutants.is_empty() => cover(&chosen),
            Extent::Cover | Extent::All => chosen,
        })
    }

    /// What stresses or stops a service is done to the unmutated stack, too, where a mutant is to be
    /// caught by it.
    async fn verify_acts(&self, findings: &mut Findings, chosen: &[Mutant]) -> Result<(), Failure> {
        let mut acts = plan(self.scenario(), &self.verification.stack.model, &Selection::default());
        let full = self.choice.full;
        restrict(&mut acts, |code, service, intrusive| {
            let expects =
                |one: &crate::mutation::Expected| one.code == code && one.service == service;
            intrusive && (full || chosen.iter().any(|mutant| mutant.breaks.iter().any(expects)))
        });
        if acts.asked().next().is_none() {
            return Ok(());
        }
        let mut own = Findings { ledger: Some(Ledger::of(&acts)), ..Findings::default() };
        let request = shared(self.verification.request, self.verification.run);
        let verification = Verification { plan: &acts, request: &request, ..self.verification };
        let controls =
            Controls::establish(verification.kit, round::needs(&request), verification.canary);
        let done = verification.run(&mut own, Box::pin(controls)).await;
        put_away(self.verification.kit, &mut own).await;
        done?;
        let looked = std::mem::take(&mut findings.tried.unmutated);
        let held = self.held(&mut own);
        findings.tried.unmutated = joined(looked, own.tried.unmutated);
        held
    }
}

/// The claims of two runs over the same stack, of which each left out what the other asked.
fn joined(looked: Vec<ClaimRecord>, acted: Vec<ClaimRecord>) -> Vec<ClaimRecord> {
    looked
        .into_iter()
        .zip(acted)
        .map(|(mut claim, other)| {
            for (check, act) in claim.checks.iter_mut().zip(other.checks) {
                if !check.was_asked() {
                    *check = act;
                }
            }
            claim.verdict = Verdict::worst(claim.checks.iter().map(|check| check.verdict));
            claim
        })
        .collect()
}

fn catches(whole: &Plan<'_>, claim: &str, mutant: &Mutant) -> bool {
    let planned = whole.claims.iter().filter(|planned| planned.claim.id.value == claim);
    planned.flat_map(|planned| &planned.checks).any(|check| {
        mutant
            .breaks
            .iter()
            .any(|one| one.code == check.spec.code() && one.service == check.service)
    })
}

/// Leaves out of a plan what is not `wanted`: by code, service and whether it is intrusive.
pub(super) fn restrict(plan: &mut Plan<'_>, wanted: impl Fn(&str, &str, bool) -> bool) {
    for check in plan.claims.iter_mut().flat_map(|claim| &mut claim.checks) {
        let code = check.spec.code();
        if check.not_asked.is_none() && !wanted(code, &check.service, check.spec.is_intrusive()) {
            check.not_asked = Some("not asked: the mutant does not touch it".to_owned());
        }
    }
}

/// A request about a stack that is up already.
pub(super) fn shared(request: &Request, run: &crate::run_id::RunId) -> Request {
    Request {
        loaded: request.loaded.clone(),
        mode: Mode::Shared(run.clone()),
        keep: false,
        selection: Selection::default(),
        program: request.program.clone(),
        mutants: None,
    }
}

/// Ends what a verification leaves running for the end of its run: our own containers, and the
/// timeline, which no report of a mutant has.
pub(super) async fn put_away(kit: &Kit, findings: &mut Findings) {
    kit.remove(&std::mem::take(&mut findings.sidecars)).await;
    if let Some(recorder) = findings.recorder.take() {
        recorder.finish().await;
    }
}

fn no_world() -> Failure {
    Failure::System {
        doing: "read what was seen of the unmutated stack".to_owned(),
        cause: "it was not looked at".to_owned(),
    }
}

fn tell(emit: Emit<'_>, number: usize, of: usize, judged: &[MutantRecord], since: Instant) {
    let took = since.elapsed().as_secs_f64();
    let killed = judged.iter().filter(|mutant| mutant.outcome == Outcome::Killed).count();
    emit.hear(Event::Note(format!(
        "round {number} of {of}: {killed} of {} killed in {took:.1} s",
        judged.len()
    )));
    for mutant in judged {
        if mutant.outcome != Outcome::Killed {
            let text = format!("{} {}: {}", mutant.id, mutant.outcome.word(), mutant.reason);
            emit.hear(match mutant.outcome {
                Outcome::Skipped => Event::Note(text),
                _ => Event::Problem(text),
            });
        }
        for other in &mutant.collateral {
            emit.hear(Event::Problem(format!(
                "{}: {} of {} broke too: {}",
                mutant.id, other.code, other.service, other.message
            )));
        }
    }
}
