//! One run of one scenario: up, control, observe, judge, down. Whatever happens, there is a
//! record, and what was made in the engine is removed.

use std::path::PathBuf;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{Either, join, ready, select};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::engine::{Endpoint, Engine};
use crate::event::{Event, Listener, Phase};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::observe::controls::{Controls, Needs};
use crate::observe::kit::Kit;
use crate::plan::{Selection, plan};
use crate::record::{ImageRecord, Record, SCHEMA, Summary, Timeline};
use crate::redact::{DiscreetListener, Redactor, redact_record};
use crate::run_id::{RunId, nonce};
use crate::scenario::load::Loaded;
use crate::scenario::validate::unknown_services;
use crate::stack::compose_tool::ComposeTool;
use crate::stack::reaper::Reaper;
use crate::stack::runs::{self, Alive};
use crate::stack::{Stack, leftover};
use crate::timeline::Recorder;

mod coming;
mod footprint;
mod intrude;
mod layers;
mod ledger;
mod prepare;
mod secrets;
mod sources;
mod verify;

use ledger::Ledger;

/// What is asked of a run.
#[derive(Debug)]
pub struct Request {
    /// The scenario.
    pub loaded: Loaded,
    /// Whose stack it is.
    pub mode: Mode,
    /// Whether the stack stays up.
    pub keep: bool,
    /// Which claims and services are asked.
    pub selection: Selection,
    /// The program that is started as the reaper.
    pub program: PathBuf,
}

/// Whose stack is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// One of our own: brought up for this run and taken down after it.
    Own,
    /// One of our own that another run has brought up and that outlives this one.
    Shared(RunId),
    /// Somebody else's project, in which nothing is changed.
    Attached(String),
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The record, complete even when the run was cut short.
    pub record: Record,
    /// Why it was cut short.
    pub failure: Option<Failure>,
}

impl Mode {
    /// The run to which the stack belongs.
    fn owner<'a>(&'a self, run: &'a RunId) -> &'a RunId {
        match self {
            Mode::Shared(owner) => owner,
            Mode::Own | Mode::Attached(_) => run,
        }
    }
}

/// Receives what happens.
pub type Emit<'a> = &'a dyn Listener;

/// What a run has found out so far.
#[derive(Debug, Default)]
struct Findings {
    ledger: Option<Ledger>,
    environment: Map<String, Value>,
    images: Vec<ImageRecord>,
    changes: Vec<String>,
    secrets: Vec<String>,
    recorder: Option<Recorder>,
    timeline: Option<Timeline>,
}

/// Runs a scenario.
///
/// # Errors
/// Only when not even a run's id can be made; everything else is in the outcome.
pub async fn run(
    request: &Request,
    endpoint: Endpoint,
    interrupt: &Interrupt,
    emit: Emit<'_>,
) -> Result<Outcome, Failure> {
    let started = Timestamp::now();
    let started_at = Instant::now();
    let run = RunId::fresh()?;
    let scenario = &request.loaded.scenario;
    emit.hear(Event::RunStarted { scenario: scenario.name.value.clone(), run_id: run.to_string() });
    let mut findings = Findings::default();
    let discreet = DiscreetListener::new(emit);
    let (failure, leftovers) =
        match guarded(request, endpoint, &run, interrupt, &discreet, &mut findings).await {
            Ok((failure, leftovers)) => (failure, leftovers),
            Err(failure) => (Some(failure), vec![]),
        };
    let why = failure.as_ref().map_or_else(|| "the run ended".to_owned(), ToString::to_string);
    let ledger = findings.ledger.unwrap_or_else(|| Ledger::without_plan(scenario));
    let claims = ledger.close(&why, ledger::today());
    findings.environment.insert("peak_memory_bytes".to_owned(), footprint::peak_memory());
    let record = Record {
        schema: SCHEMA.to_owned(),
        run_id: run.to_string(),
        scenario: scenario.name.value.clone(),
        started,
        finished: Timestamp::now(),
        environment: findings.environment,
        images: findings.images,
        changes: findings.changes,
        summary: Summary::of(&claims),
        claims,
        aborted: failure.as_ref().map(ToString::to_string),
        leftovers,
        timeline: findings.timeline,
    };
    let redactor = Redactor::new(findings.secrets);
    let took = started_at.elapsed();
    emit.hear(Event::RunFinished { scenario: record.scenario.clone(), took });
    Ok(Outcome { record: redact_record(record, &redactor), failure })
}

/// Connects, starts the reaper, and sees to it that whatever the run does, it is cleaned up
/// after.
async fn guarded(
    request: &Request,
    endpoint: Endpoint,
    run: &RunId,
    interrupt: &Interrupt,
    emit: &DiscreetListener<'_>,
    findings: &mut Findings,
) -> Result<(Option<Failure>, Vec<String>), Failure> {
    let engine = interrupt.or(Engine::connect(endpoint.clone())).await??;
    findings.environment = environment(&engine);
    let system = |doing: &str, cause: std::io::Error| Failure::System {
        doing: doing.to_owned(),
        cause: cause.to_string(),
    };
    let _alive = Alive::declare(run).map_err(|error| system("lock the run", error))?;
    let reaper = Reaper::start(&request.program, run, &endpoint)
        .map_err(|error| system("start the reaper", error))?;
    let mut stack = None;
    let failure = whole(request, &engine, run, interrupt, emit, findings, &mut stack).await.err();
    if let Some(recorder) = findings.recorder.take() {
        findings.timeline = Some(recorder.finish().await);
    }
    if failure.as_ref().is_some_and(|failure| failure.exit_code() == ExitCode::Interrupted) {
        emit.hear(Event::Interrupted);
    }
    let keep = request.keep && failure.is_none() && request.mode == Mode::Own;
    let leftovers = if keep {
        kept(stack.as_ref(), run, emit);
        runs::keep(run).map_err(|error| system("note that the stack stays up", error))?;
        vec![]
    } else {
        let own = stack.as_ref().filter(|_| request.mode == Mode::Own);
        down(own, &engine, run, emit).await
    };
    reaper.done();
    if !keep {
        runs::forget(run);
    }
    Ok((failure, leftovers))
}

/// Brings a stack up for others to share: what the first holder of a lease does. It is taken
/// down by whoever cleans up after `run`.
///
/// # Errors
/// Why it did not come up.
pub async fn bring_up(
    loaded: &Loaded,
    endpoint: Endpoint,
    run: &RunId,
    interrupt: &Interrupt,
    emit: Emit<'_>,
) -> Result<(), Failure> {
    let engine = Engine::connect(endpoint).await?;
    let env = prepare::environment(&loaded.scenario, &engine, run)?;
    let tool = tool(loaded, &engine, &env, run);
    let stack = Stack::prepare(tool.clone(), &loaded.scenario.name, run, interrupt).await?;
    let coming =
        coming::Coming { loaded, engine: &engine, run, interrupt, emit, stack: &stack, env: &env };
    coming.prepare().await?;
    coming.build().await?;
    coming.build_baselines(&tool).await?;
    coming.up().await
}

fn tool(loaded: &Loaded, engine: &Engine, env: &[(String, String)], run: &RunId) -> ComposeTool {
    let Loaded { scenario, folder, overlays, .. } = loaded;
    let files = scenario.compose.iter().map(|file| folder.join(&file.value));
    ComposeTool {
        endpoint: engine.endpoint().clone(),
        files: files.chain(overlays.iter().cloned()).collect(),
        profiles: scenario.profiles.clone(),
        env: env.to_vec(),
        folder: folder.clone(),
        run: Some(run.clone()),
    }
}

/// Everything between the connection and the cleaning up.
async fn whole(
    request: &Request,
    engine: &Engine,
    run: &RunId,
    interrupt: &Interrupt,
    emit: &DiscreetListener<'_>,
    findings: &mut Findings,
    slot: &mut Option<Stack>,
) -> Result<(), Failure> {
    let Loaded { scenario, .. } = &request.loaded;
    let env = prepare::environment(scenario, engine, request.mode.owner(run))?;
    let tool = tool(&request.loaded, engine, &env, run);
    let phase = Clock::start(Phase::Resolve, emit);
    let owner = request.mode.owner(run);
    let resolved = async {
        match &request.mode {
            Mode::Attached(project) => {
                Stack::attach(tool.clone(), engine, project, interrupt).await
            }
            Mode::Own | Mode::Shared(_) => {
                Stack::prepare(tool.clone(), &scenario.name, owner, interrupt).await
            }
        }
    };
    // Neither the probe nor the controls need the model, so they are made while the tool resolves
    // it. A tool that is missing or too old fails at resolving, too, but its version says why.
    let resolved = join(tool.version(), resolved).boxed();
    let (kit, resolved) =
        match interrupt.or(select(Kit::import(engine, run).boxed(), resolved)).await? {
            Either::Left((kit, resolved)) => (kit?, resolved),
            Either::Right((resolved, kit)) => (kit.await?, ready(resolved).boxed()),
        };
    let canary = nonce()?;
    let needs = Needs::of(scenario, &request.selection);
    let controls = controls(&kit, needs, &canary, emit).boxed();
    // A stack of our own is prepared and built first, and that may take minutes in which nobody
    // would go on with what was begun here, until its deadline is over.
    let ((version, resolved), controls) = if request.mode == Mode::Own {
        (resolved.await, controls)
    } else {
        match interrupt.or(select(resolved, controls)).await? {
            Either::Left(both) => both,
            Either::Right((controls, resolved)) => (resolved.await, ready(controls).boxed()),
        }
    };
    let resolved = version.map_err(Failure::from).and_then(|version| {
        findings.environment.insert("compose".to_owned(), json!(version));
        Ok(resolved?)
    });
    let stack = slot.insert(phase.end(resolved)?);
    let services = stack.model.service_names();
    let problems = unknown_services(scenario, &services);
    if !problems.is_empty() {
        return Err(Failure::Invalid(problems));
    }
    let unmatched = request.selection.unmatched(scenario, &services);
    if !unmatched.is_empty() {
        return Err(Failure::Selection(unmatched.join("; ")));
    }
    findings.secrets = secrets::of_model(&stack.model);
    emit.learn(findings.secrets.clone());
    if let Some(isolated) = &stack.isolated {
        findings.changes.clone_from(&isolated.changes);
    }
    let plan = plan(scenario, &stack.model, &request.selection);
    emit.hear(Event::ChecksPlanned { count: plan.asked().count() });
    findings.ledger = Some(Ledger::of(&plan));
    let verification = verify::Verification {
        request,
        engine,
        run,
        interrupt,
        emit,
        stack,
        kit: &kit,
        canary: &canary,
        tool: &tool,
        plan: &plan,
        env: &env,
    };
    verification.run(findings, controls).await
}

async fn controls(kit: &Kit, needs: Needs, canary: &str, emit: Emit<'_>) -> Controls {
    let phase = Clock::start(Phase::Control, emit);
    let controls = Controls::establish(kit, needs, canary).await;
    phase.finish("");
    controls
}

/// Takes everything of the run down and says what is left.
async fn down(stack: Option<&Stack>, engine: &Engine, run: &RunId, emit: Emit<'_>) -> Vec<String> {
    let phase = Clock::start(Phase::Down, emit);
    if let Some(stack) = stack {
        // Whatever the tool cannot take down is removed by label below.
        let sidecars = leftover::remove_sidecars(engine, run);
        let (taken_down, ()) = join(stack.down(|line| phase.progress(line)), sidecars).await;
        if let Err(error) = taken_down {
            emit.hear(Event::Problem(error.to_string()));
        }
    }
    let left = leftover::remove_all(engine, run, false)
        .await
        .unwrap_or_else(|error| vec![format!("what is left is unknown: {error}")]);
    phase.finish("");
    left
}

fn kept(stack: Option<&Stack>, run: &RunId, emit: Emit<'_>) {
    if let Some(stack) = stack {
        emit.hear(Event::Note(format!(
            "the stack stays up as project {}; `stackproof sweep --run {run}` removes it",
            stack.project
        )));
    }
}

fn environment(engine: &Engine) -> Map<String, Value> {
    let about = engine.about();
    let mut environment = Map::new();
    environment.insert("stackproof".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    environment.insert("probe_sha256".to_owned(), json!(crate::probe::digest()));
    environment.insert("endpoint".to_owned(), json!(engine.endpoint().to_string()));
    if let Ok(Value::Object(facts)) = serde_json::to_value(about) {
        environment.extend(facts);
    }
    environment.entry("compose".to_owned()).or_insert(Value::Null);
    environment
}

/// One phase, timed.
struct Clock<'a> {
    phase: Phase,
    since: Instant,
    emit: Emit<'a>,
}

impl<'a> Clock<'a> {
    fn start(phase: Phase, emit: Emit<'a>) -> Clock<'a> {
        emit.hear(Event::PhaseStarted { phase });
        Clock { phase, since: Instant::now(), emit }
    }

    fn progress(&self, line: &str) {
        self.emit.hear(Event::PhaseProgress { phase: self.phase, line: line.to_owned() });
    }

    /// Tells how the phase ended, and passes its result on. That the user ended it is told by
    /// whoever cleans up.
    fn end<T>(self, result: Result<T, Failure>) -> Result<T, Failure> {
        match &result {
            Ok(_) => self.finish(""),
            Err(failure) if failure.exit_code() == ExitCode::Interrupted => {}
            Err(failure) => self.emit.hear(Event::PhaseFailed {
                phase: self.phase,
                took: self.since.elapsed(),
                problem: failure.to_string(),
            }),
        }
        result
    }

    fn finish(self, result: impl Into<String>) {
        self.emit.hear(Event::PhaseFinished {
            phase: self.phase,
            took: self.since.elapsed(),
            result: result.into(),
        });
    }
}
