//! `sweep`: remove what runs that are no longer alive have left behind.

use std::collections::BTreeMap;
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
    /// What could not be removed.
    pub left: Vec<String>,
}

/// How long a reaper may take with what it has to do.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until no run with objects in the engine is alive on this machine, but not for ever.
///
/// # Errors
/// When the engine does not answer.
pub async fn wait(engine: &Engine) -> Result<(), EngineError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let owners = engine.labelled(LABEL, None).await?;
        let alive = owners.iter().filter_map(|(_, owner)| RunId::parse(owner));
        if !alive.into_iter().any(|run| runs::is_alive(&run).unwrap_or(true)) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Sweeps one run, or every run that is neither alive on this machine nor was told to stay up.
///
/// # Errors
/// When the engine does not answer.
pub async fn sweep(engine: &Engine, only: Option<&RunId>) -> Result<Swept, EngineError> {
    let mut objects: BTreeMap<String, usize> = BTreeMap::new();
    let value = only.map(RunId::as_str);
    for (_, owner) in engine.labelled(LABEL, value).await? {
        *objects.entry(owner).or_default() += 1;
    }
    let mut swept = Swept::default();
    for (owner, count) in objects {
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
        let left = leftover::remove_all(engine, &run, true).await?;
        runs::forget(&run);
        swept
            .lines
            .push(format!("run {run}: {} objects removed", count.saturating_sub(left.len())));
        swept.left.extend(left);
    }
    Ok(swept)
}
