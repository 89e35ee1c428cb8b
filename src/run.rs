//! One run of one scenario: up, control, observe, judge, down. Whatever happens, there is a
//! record, and what was made in the engine is removed.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::engine::{Endpoint, Engine};
use crate::event::{Event, Phase};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::plan::{Selection, plan};
use crate::record::{ImageRecord, Record, SCHEMA, Summary};
use crate::redact::Redactor;
use crate::run_id::RunId;
use crate::scenario::load::Loaded;
use crate::scenario::validate::unknown_services;
use crate::stack::compose_tool::ComposeTool;
use crate::stack::reaper::Reaper;
use crate::stack::runs::{self, Alive};
use crate::stack::{Stack, leftover};

mod ledger;
mod prepare;
mod verify;

use ledger::Ledger;

/// What is asked of a run.
#[derive(Debug)]
pub struct Request {
    /// The scenario.
    pub loaded: Loaded,
    /// The project to look at, where the stack is somebody else's.
    pub attach: Option<String>,
    /// Compose files merged last.
    pub overlays: Vec<PathBuf>,
    /// Whether the stack stays up.
    pub keep: bool,
    /// Which claims and services are asked.
    pub selection: Selection,
    /// The program that is started as the reaper.
    pub program: PathBuf,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The record, complete even when the run was cut short.
    pub record: Record,
    /// Why it was cut short.
    pub failure: Option<Failure>,
}

/// Receives what happens.
pub type Emit<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// What a run has found out so far.
#[derive(Debug, Default)]
struct Findings {
    ledger: Option<Ledger>,
    environment: Map<String, Value>,
    images: Vec<ImageRecord>,
    changes: Vec<String>,
    secrets: Vec<String>,
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
    let run = RunId::fresh()?;
    let scenario = &request.loaded.scenario;
    emit(Event::RunStarted { scenario: scenario.name.value.clone(), run_id: run.to_string() });
    let mut findings = Findings::default();
    let (failure, leftovers) =
        match guarded(request, endpoint, &run, interrupt, emit, &mut findings).await {
            Ok((failure, leftovers)) => (failure, leftovers),
            Err(failure) => (Some(failure), vec![]),
        };
    let why = failure.as_ref().map_or_else(|| "the run ended".to_owned(), ToString::to_string);
    let ledger = findings.ledger.unwrap_or_else(|| Ledger::without_plan(scenario));
    let claims = ledger.close(&why, ledger::today());
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
    };
    let redactor = Redactor::new(findings.secrets);
    Ok(Outcome { record: redactor.record(record), failure })
}

/// Connects, starts the reaper, and sees to it that whatever the run does, it is cleaned up
/// after.
async fn guarded(
    request: &Request,
    endpoint: Endpoint,
    run: &RunId,
    interrupt: &Interrupt,
    emit: Emit<'_>,
    findings: &mut Findings,
) -> Result<(Option<Failure>, Vec<String>), Failure> {
    let engine = interrupt.or(Engine::connect(endpoint.clone())).await??;
    findings.environment = environment(&engine);
    let system = |doing: &str, cause: std::io::Error| Failure::System {
        doing: doing.to_owned(),
        cause: cause.to_string(),
    };
    let alive = Alive::declare(run).map_err(|error| system("lock the run", error))?;
    let reaper = Reaper::start(&request.program, run, &endpoint)
        .map_err(|error| system("start the reaper", error))?;
    let mut stack = None;
    let failure =
        whole(request, &engine, run, interrupt, emit, findings, &mut stack).await.err();
    let keep = request.keep && failure.is_none();
    let leftovers = if keep {
        kept(stack.as_ref(), run, emit);
        runs::keep(run).map_err(|error| system("note that the stack stays up", error))?;
        vec![]
    } else {
        down(stack.as_ref(), &engine, run, emit).await
    };
    reaper.done();
    if !keep {
        runs::forget(run);
        alive.end();
    }
    Ok((failure, leftovers))
}

/// Everything between the connection and the cleaning up.
async fn whole(
    request: &Request,
    engine: &Engine,
    run: &RunId,
    interrupt: &Interrupt,
    emit: Emit<'_>,
    findings: &mut Findings,
    slot: &mut Option<Stack>,
) -> Result<(), Failure> {
    let Loaded { scenario, folder, .. } = &request.loaded;
    let env = prepare::environment(scenario, engine, run)?;
    let mut files: Vec<PathBuf> =
        scenario.compose.iter().map(|file| folder.join(&file.value)).collect();
    files.extend(request.overlays.iter().cloned());
    let tool = ComposeTool {
        endpoint: engine.endpoint().clone(),
        files,
        profiles: scenario.profiles.clone(),
        env: env.clone(),
        folder: folder.clone(),
        run: Some(run.clone()),
    };
    let phase = Clock::start(Phase::Resolve, emit);
    let version = tool.version().await?;
    findings.environment.insert("compose".to_owned(), json!(version));
    let stack = match &request.attach {
        Some(project) => Stack::attach(tool.clone(), engine, project, interrupt).await?,
        None => Stack::prepare(tool.clone(), &scenario.name, run, interrupt).await?,
    };
    let stack = slot.insert(stack);
    let services = stack.model.service_names();
    let problems = unknown_services(scenario, &services);
    if !problems.is_empty() {
        return Err(Failure::Invalid(problems));
    }
    let unmatched = request.selection.unmatched(scenario, &services);
    if !unmatched.is_empty() {
        return Err(Failure::Selection(unmatched.join("; ")));
    }
    findings.secrets = verify::secrets(&stack.model);
    if let Some(isolated) = &stack.isolated {
        findings.changes.clone_from(&isolated.changes);
    }
    let plan = plan(scenario, &stack.model, &request.selection);
    findings.ledger = Some(Ledger::of(&plan));
    phase.finish();
    let verification = verify::Verification {
        request,
        engine,
        run,
        interrupt,
        emit,
        stack,
        tool: &tool,
        plan: &plan,
        env: &env,
    };
    verification.run(findings).await
}

/// Takes everything of the run down and says what is left.
async fn down(
    stack: Option<&Stack>,
    engine: &Engine,
    run: &RunId,
    emit: Emit<'_>,
) -> Vec<String> {
    let phase = Clock::start(Phase::Down, emit);
    if let Some(stack) = stack.filter(|stack| stack.isolated.is_some()) {
        // Sidecars live in the namespaces of the stack's containers and would be killed with
        // them; whatever the tool cannot take down is removed by label below.
        if let Err(error) = stack.down(|line| phase.progress(line)).await {
            emit(Event::Note(error.to_string()));
        }
    }
    let left = leftover::remove_all(engine, run, false)
        .await
        .unwrap_or_else(|error| vec![format!("what is left is unknown: {error}")]);
    phase.finish();
    left
}

fn kept(stack: Option<&Stack>, run: &RunId, emit: Emit<'_>) {
    if let Some(stack) = stack {
        emit(Event::Note(format!(
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
        emit(Event::PhaseStarted { phase });
        Clock { phase, since: Instant::now(), emit }
    }

    fn progress(&self, line: &str) {
        (self.emit)(Event::PhaseProgress { phase: self.phase, line: line.to_owned() });
    }

    fn finish(self) {
        (self.emit)(Event::PhaseFinished { phase: self.phase, took: self.since.elapsed() });
    }
}
