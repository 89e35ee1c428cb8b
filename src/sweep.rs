//! `sweep`: remove what runs that are no longer alive have left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{Engine, EngineError};
use crate::run_id::{LABEL, RunId};
use crate::stack::{leftover, runs};

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// A line for each run that was looked at.
    pub lines: Vec<String>,
    /// What dead runs had left behind, removed or not: a line for each run.
    pub found: Vec<String>,
    /// What could not be removed.
    pub left: Vec<String>,
}

/// How long a reaper may take with what it has to do.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until no run with objects in the engine is alive on this machine, but not for ever: those
/// that still are when patience ends are given back, a sentence each.
///
/// # Errors
/// When the engine does not answer.
pub async fn wait(engine: &Engine) -> Result<Vec<String>, EngineError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let owners = engine.labelled(LABEL, None).await?;
        let runs: BTreeSet<&str> = owners.iter().map(|(_, owner)| owner.as_str()).collect();
        let alive: Vec<RunId> = runs
            .into_iter()
            .filter_map(RunId::parse)
            .filter(|run| runs::is_alive(run).unwrap_or(true))
            .collect();
        if alive.is_empty() || Instant::now() >= deadline {
            let seconds = PATIENCE.as_secs();
            let told = |run| format!("run {run} is still alive after {seconds} s");
            return Ok(alive.iter().map(told).collect());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sweeps one run, or every run that is neither alive on this machine nor was told to stay up.
///
/// # Errors
/// When the engine does not answer.
pub async fn sweep(engine: &Engine, only: Option<&RunId>) -> Result<Swept, EngineError> {
    let mut objects: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let value = only.map(RunId::as_str);
    for (object, owner) in engine.labelled(LABEL, value).await? {
        objects.entry(owner).or_default().push(object.to_string());
    }
    let mut swept = Swept::default();
    for (owner, found) in objects {
        let count = found.len();
        // Objects that carry our label with a value we never give belong to somebody else.
        let Some(run) = RunId::parse(&owner) else { continue };
        if only.is_none() {
            if runs::is_alive(&run).unwrap_or(true) {
                swept.lines.push(format!("run {run}: alive, {count} objects left alone"));
                continue;
            }
            if runs::is_kept(&run) {
                swept.lines.push(format!(
                    "run {run}: kept, {count} objects left alone; `stackproof sweep --run {run}` \
                     removes them"
                ));
                continue;
            }
        }
        swept.found.push(format!("run {run} had left behind: {}", found.join(", ")));
        let left = leftover::remove_all(engine, &run, true).await?;
        runs::forget(&run);
        swept
            .lines
            .push(format!("run {run}: {} objects removed", count.saturating_sub(left.len())));
        swept.left.extend(left);
    }
    Ok(swept)
}
