//! One run of one scenario: up, control, observe, judge, down. Whatever happens, there is a
//! record, and what was made in the engine is removed.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{MaybeDone, join, maybe_done};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::compose::Model;
use crate::compose::isolate::project_name;
use crate::engine::{Endpoint, Engine};
use crate::event::{Event, Listener, Phase};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::interrupt::{Interrupt, Interrupted};
use crate::mutation::record::MutationRecord;
use crate::observe::controls::{Controls, Needs};
use crate::observe::kit::Kit;
use crate::plan::{Selection, plan};
use crate::record::{ImageRecord, Record, SCHEMA, Summary, Timeline};
use crate::redact::{DiscreetListener, Redactor, redact_mutation, redact_record};
use crate::run_id::{RunId, nonce};
use crate::scenario::load::Loaded;
use crate::scenario::validate::unknown_services;
use crate::stack::compose_tool::{ComposeError, ComposeTool};
use crate::stack::reaper::Reaper;
use crate::stack::runs::{self, Alive};
use crate::stack::{Stack, leftover};
use crate::timeline::Recorder;
use crate::world::World;

mod coming;
mod footprint;
mod intrude;
mod layers;
mod ledger;
mod mutate;
mod prepare;
mod resolve;
mod secrets;
mod sources;
mod verify;

use ledger::Ledger;
pub use mutate::{Choice, Extent};
use mutate::{Mutation, Tried};
use resolve::{beside, resolve, stack_of};

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
    /// Which mutants are tried once the claims hold; none where the claims are all that is asked.
    pub mutants: Option<Choice>,
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
    /// What the mutants came to, where they were asked for.
    pub mutation: Option<MutationRecord>,
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
    /// What was seen, and our own containers that saw it, once a verification is over.
    world: Option<World>,
    sidecars: Vec<String>,
    tried: Tried,
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
    let record = redact_record(record, &redactor);
    let tried = findings.tried;
    let mutation = request
        .mutants
        .as_ref()
        .map(|_| redact_mutation(tried.record(request, &record), &redactor));
    Ok(Outcome { record, mutation, failure })
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
    let system = |doing: &str, cause: std::io::Error| Failure::System {
        doing: doing.to_owned(),
        cause: cause.to_string(),
    };
    let _alive = Alive::declare(run).map_err(|error| system("lock the run", error))?;
    let env =
        match prepare::environment(&request.loaded.scenario, &endpoint, request.mode.owner(run)) {
            Ok(env) => env,
            Err(failure) => {
                // Where there is no engine, that is what has to be said.
                Engine::connect(endpoint).await?;
                return Err(failure);
            }
        };
    let tool = tool(&request.loaded, &endpoint, &env, Some(run));
    let mut resolving = pin!(maybe_done(resolve(request, &tool, run, interrupt)));
    let reaper = tokio::task::spawn_blocking({
        let (program, run, endpoint) = (request.program.clone(), run.clone(), endpoint.clone());
        move || Reaper::start(&program, &run, &endpoint)
    });
    // Nothing is made in the engine before the reaper is there.
    let connecting = join(interrupt.or(Engine::connect(endpoint)), reaper);
    let (engine, reaper) = beside(connecting, resolving.as_mut()).await;
    let reaper = reaper
        .map_err(std::io::Error::other)
        .and_then(|started| started)
        .map_err(|error| system("start the reaper", error))?;
    let engine = match engine.map_err(Failure::from).and_then(|engine| Ok(engine?)) {
        Ok(engine) => engine,
        Err(failure) => {
            reaper.done();
            return Err(failure);
        }
    };
    findings.environment = environment(&engine);
    let mut stack = None;
    let start = Start { engine: &engine, run, tool: &tool, env: &env };
    let failure = Box::pin(whole(request, start, resolving, interrupt, emit, findings, &mut stack))
        .await
        .err();
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
        down(&engine, run, emit).await
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
    let env = prepare::environment(&loaded.scenario, &endpoint, run)?;
    let tool = tool(loaded, &endpoint, &env, Some(run));
    let engine = Engine::connect(endpoint).await?;
    let project = project_name(&loaded.scenario.name, run);
    let model = tool.resolve(&project, interrupt).await?;
    let stack = Stack::prepare(tool.clone(), model, project, run)?;
    let coming =
        coming::Coming { loaded, engine: &engine, run, interrupt, emit, stack: &stack, env: &env };
    coming.prepare().await?;
    coming.build().await?;
    coming.build_baselines(&tool).await?;
    coming.up().await
}

/// The Compose tool with the files of a scenario, on behalf of a run where anything is made.
pub(crate) fn tool(
    loaded: &Loaded,
    endpoint: &Endpoint,
    env: &[(String, String)],
    run: Option<&RunId>,
) -> ComposeTool {
    let Loaded { scenario, folder, overlays, .. } = loaded;
    let files = scenario.compose.iter().map(|file| folder.join(&file.value));
    ComposeTool {
        endpoint: endpoint.clone(),
        files: files.chain(overlays.iter().cloned()).collect(),
        profiles: scenario.profiles.clone(),
        env: env.to_vec(),
        folder: folder.clone(),
        run: run.cloned(),
    }
}

/// What is there as soon as the engine has answered.
struct Start<'a> {
    engine: &'a Engine,
    run: &'a RunId,
    tool: &'a ComposeTool,
    env: &'a [(String, String)],
}

/// Everything between the connection and the cleaning up.
async fn whole<R>(
    request: &Request,
    start: Start<'_>,
    mut resolving: Pin<&mut MaybeDone<R>>,
    interrupt: &Interrupt,
    emit: &DiscreetListener<'_>,
    findings: &mut Findings,
    slot: &mut Option<Stack>,
) -> Result<(), Failure>
where
    R: Future<Output = Result<(String, String, Model), ComposeError>>,
{
    let Loaded { scenario, .. } = &request.loaded;
    let Start { engine, run, tool, env } = start;
    let phase = Clock::start(Phase::Resolve, emit);
    // Neither the probe nor the controls need the model, so they are made while the tool resolves
    // it.
    let kit = interrupt.or(beside(Kit::import(engine, run), resolving.as_mut())).await??;
    let canary = nonce()?;
    let needs = Needs::of(scenario, &request.selection);
    let mut controls = pin!(maybe_done(controls(&kit, needs, &canary, emit)));
    // A stack of our own is prepared and built first, and that may take minutes in which nobody
    // would go on with what was begun here, until its deadline is over.
    if request.mode == Mode::Own {
        interrupt.or(resolving.as_mut()).await?;
    } else {
        interrupt.or(beside(resolving.as_mut(), controls.as_mut())).await?;
    }
    let resolved = match resolving.take_output() {
        Some(Ok((version, project, model))) => {
            findings.environment.insert("compose".to_owned(), json!(version));
            stack_of(request, engine, tool, project, model, run).await.map_err(Failure::from)
        }
        Some(Err(error)) => Err(error.into()),
        None => Err(Failure::Interrupted(Interrupted)),
    };
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
        tool,
        plan: &plan,
        env,
        stops_at_once: false,
    };
    let controls = async {
        controls.as_mut().await;
        controls.take_output().unwrap_or_else(Controls::none)
    };
    match &request.mutants {
        None => verification.run(findings, controls.boxed()).await,
        Some(choice) => {
            let mutation = Mutation { verification, choice };
            Box::pin(mutation.run(findings, controls.boxed())).await
        }
    }
}

async fn controls(kit: &Kit, needs: Needs, canary: &str, emit: Emit<'_>) -> Controls {
    let phase = Clock::start(Phase::Control, emit);
    let controls = Controls::establish(kit, needs, canary).await;
    phase.finish("");
    controls
}

/// Takes everything of the run down and says what is left.
///
/// A stack of our own is taken down as that of a killed run is: by label, without the Compose
/// tool. The tool stops services one after another and waits for each, to no end: what they hold
/// is thrown away with them.
async fn down(engine: &Engine, run: &RunId, emit: Emit<'_>) -> Vec<String> {
    let phase = Clock::start(Phase::Down, emit);
    let left = leftover::remove_all(engine, run, false)
        .await
        .unwrap_or_else(|error| vec![format!("what is left is unknown: {error}")]);
    for object in &left {
        emit.hear(Event::Problem(object.clone()));
    }
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
