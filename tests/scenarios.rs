//! The scenarios as tests: one trial per claim, one shared stack per scenario and run.
//!
//! A claim of a hardened scenario must hold. A claim of a vulnerable twin must be broken for the
//! reason that the list beside the twin gives, and must not be broken if it is not in the list.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test may panic, and this target is one without the harness's attribute"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use stackproof::engine::Endpoint;
use stackproof::event::Nobody;
use stackproof::interrupt::Interrupt;
use stackproof::lease::{Lease, Manner, Runner};
use stackproof::plan::Selection;
use stackproof::record::{ClaimRecord, Record};
use stackproof::run::{Mode, Request, bring_up, run};
use stackproof::scenario::check::{HostCapacity, WhenSmall};
use stackproof::scenario::load::load;
use stackproof::scenario::{CheckSpec, Claim};
use stackproof::verdict::Verdict;

/// The most memory that a run may have in use, in bytes.
const MOST_MEMORY: u64 = 64 << 20;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = scenario("scenarios/otis.yaml", None);
    trials.extend(scenario(
        "scenarios/vulnerable/otis.yaml",
        Some("scenarios/vulnerable/otis.broken.yaml"),
    ));
    trials.extend(scenario("scenarios/e2i.yaml", None));
    trials.push(Trial::test("e2i::a-run-of-every-claim-is-small-and-sees-every-service", || {
        whole("scenarios/e2i.yaml", 10)
    }));
    trials.extend(scenario(
        "scenarios/vulnerable/e2i.yaml",
        Some("scenarios/vulnerable/e2i.broken.yaml"),
    ));
    libtest_mimic::run(&arguments, trials).exit();
}

/// The trials of a scenario. Nothing here talks to the engine: listing tests must be quick and
/// must work without one.
fn scenario(path: &str, broken: Option<&str>) -> Vec<Trial> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let loaded = load(&path).unwrap_or_else(|refused| {
        panic!("{} is not valid: {:?}", path.display(), refused.diagnostics)
    });
    let expected =
        broken.map(|list| expectations(Path::new(env!("CARGO_MANIFEST_DIR")).join(list)));
    if let Some(expected) = &expected {
        for id in expected.keys() {
            let known = loaded.scenario.claims.iter().any(|claim| claim.id.value == *id);
            assert!(known, "the list names {id}, which is no claim");
        }
    }
    let name = loaded.scenario.name.value.clone();
    loaded
        .scenario
        .claims
        .iter()
        .map(|claim| {
            let intrusive = claim.checks.iter().any(|check| check.is_intrusive());
            let group = if intrusive { "::intrusive" } else { "" };
            let id = claim.id.value.clone();
            let expectation = match &expected {
                None => Expectation::Held,
                Some(list) => match list.get(&id) {
                    Some(reason) => Expectation::Broken(reason.clone()),
                    None => Expectation::NotBroken,
                },
            };
            // What does not apply here must be known when tests are listed: a test that finds it
            // out while it runs can only pass or fail.
            let ignored = does_not_apply(claim) && !matches!(expectation, Expectation::Broken(_));
            let manner = if intrusive { Manner::Acting } else { Manner::Looking };
            let path = path.clone();
            Trial::test(format!("{name}{group}::{id}"), move || {
                verify(&path, &id, manner, &expectation)
            })
            .with_ignored_flag(ignored)
        })
        .collect()
}

#[derive(Clone)]
enum Expectation {
    Held,
    Broken(String),
    NotBroken,
}

fn expectations(path: PathBuf) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(&path).expect("the list can be read");
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (id, reason) = line.split_once(": ").expect("a line is an id and a reason");
            (id.to_owned(), reason.to_owned())
        })
        .collect()
}

fn does_not_apply(claim: &Claim) -> bool {
    let apparmor = Path::new("/sys/module/apparmor/parameters/enabled").exists();
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let swap = swaps.lines().count() > 1;
    claim.checks.iter().all(|check| match &check.value {
        CheckSpec::Apparmor(_) => !apparmor,
        CheckSpec::SwapLimit(_) => !swap,
        CheckSpec::HostCapacity(host) => host.when_small == WhenSmall::Skipped && is_small(host),
        _ => false,
    })
}

/// Whether this machine, on which the engine runs, has less than a claim is about.
fn is_small(host: &HostCapacity) -> bool {
    let cpus = std::thread::available_parallelism().map_or(0, |count| count.get() as u64);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    let disk = rustix::fs::statvfs("/").map_or(0, |fs| fs.f_blocks * fs.f_frsize);
    host.cpus.is_some_and(|wanted| cpus < wanted)
        || host.memory.is_some_and(|wanted| total.unwrap_or(0) * 1024 < wanted.0)
        || host.disk.is_some_and(|wanted| disk < wanted.0)
}

/// One run, as the shared stack's, of the claims of a selection.
fn share(path: &Path, manner: Manner, selection: Selection) -> Result<Record, Failed> {
    let runtime = tokio::runtime::Runtime::new()?;
    let endpoint = Endpoint::from_environment()?;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_stackproof"));
    let loaded = load(path).map_err(|_| "the scenario is not valid")?;
    let name = loaded.scenario.name.value.clone();
    let runner = Runner::find()?;
    let lease = Lease::take(&name, &runner, &program, &endpoint, |run| {
        let never = Interrupt::never();
        let up = bring_up(&loaded, endpoint.clone(), run, &never, &Nobody);
        runtime.block_on(up).map_err(|failure| failure.to_string())
    })?;
    let entered = lease.enter(manner)?;
    let mode = Mode::Shared(lease.run.clone());
    let request = Request { loaded, mode, keep: false, selection, program, mutants: None };
    let outcome =
        runtime.block_on(async { run(&request, endpoint, &Interrupt::never(), &Nobody).await })?;
    drop(entered);
    if let Some(failure) = outcome.failure {
        return Err(failure.into());
    }
    if !outcome.record.leftovers.is_empty() {
        return Err(format!("left behind: {:?}", outcome.record.leftovers).into());
    }
    Ok(outcome.record)
}

/// Every claim in one run, without the acts: what such a run needs, and that its timeline has all
/// services.
fn whole(path: &str, services: usize) -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let selection = Selection { no_intrusive: true, ..Selection::default() };
    let record = share(&path, Manner::Looking, selection)?;
    let peak = record.environment.get("peak_memory_bytes").and_then(serde_json::Value::as_u64);
    if peak.is_none_or(|peak| peak >= MOST_MEMORY) {
        return Err(format!("the run had {peak:?} bytes in use").into());
    }
    let timeline = record.timeline.ok_or("there is no timeline")?;
    let seen = timeline.courses.iter().filter(|course| {
        let columns = [&course.cpu_ns, &course.memory_bytes, &course.pids];
        columns.iter().all(|column| column.len() == timeline.at_ms.len())
            && !course.health.took_ms.is_empty()
    });
    if seen.count() == services { Ok(()) } else { Err(format!("{timeline:#?}").into()) }
}

fn verify(path: &Path, id: &str, manner: Manner, expectation: &Expectation) -> Result<(), Failed> {
    let selection = Selection { claims: vec![id.to_owned()], ..Selection::default() };
    let record = share(path, manner, selection)?;
    let claim = record.claims.into_iter().find(|claim| claim.id == id);
    let claim = claim.ok_or("the record lacks the claim")?;
    let text = format!("{}\n{:#?}", claim.verdict, findings(&claim));
    match expectation {
        Expectation::Held if claim.verdict == Verdict::Held => Ok(()),
        Expectation::NotBroken if matches!(claim.verdict, Verdict::Held | Verdict::Skipped) => {
            Ok(())
        }
        Expectation::Broken(reason) => {
            let mut broken = claim.checks.iter().filter(|check| check.verdict == Verdict::Broken);
            if broken.any(|check| check.message.contains(reason)) {
                Ok(())
            } else {
                Err(format!("it is not broken because of {reason:?}: {text}").into())
            }
        }
        Expectation::Held | Expectation::NotBroken => Err(text.into()),
    }
}

fn findings(claim: &ClaimRecord) -> Vec<(&str, &str, Verdict, &str)> {
    claim
        .checks
        .iter()
        .map(|check| (&*check.code, &*check.service, check.verdict, &*check.message))
        .collect()
}
