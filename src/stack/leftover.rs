//! Removing everything that a run made, found by its label.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::engine::object::Object;
use crate::engine::{Engine, EngineError};
use crate::run_id::{LABEL, PAUSER, RunId};

/// How long removing may take in all.
const WITHIN: Duration = Duration::from_secs(60);
/// How long the engine may take to remove one object. It may wait for ever for a container that
/// keeps the runtime from starting something in it.
const ONE: Duration = Duration::from_secs(20);
/// The pause between two looks. A creation that was under way when its client was killed lands
/// in the engine within milliseconds.
const PAUSE: Duration = Duration::from_millis(100);

/// Removes every object of `run` and returns those that could not be removed, with the reason.
///
/// With `settle`, one empty look is not believed: a client of the run may just have been killed,
/// and what it had asked for may still appear.
///
/// # Errors
/// When the engine does not answer.
pub async fn remove_all(
    engine: &Engine,
    run: &RunId,
    settle: bool,
) -> Result<Vec<String>, EngineError> {
    let deadline = Instant::now() + WITHIN;
    engine.nothing_is_made(ONE).await;
    let mut empty_looks = 0;
    loop {
        let objects: Vec<Object> = engine
            .labelled(LABEL, Some(run.as_str()))
            .await?
            .into_iter()
            .map(|(object, _)| object)
            .collect();
        if objects.is_empty() {
            empty_looks += 1;
            if empty_looks > 2 * usize::from(settle) {
                return Ok(vec![]);
            }
        } else {
            empty_looks = 0;
        }
        let_continue(engine, run).await?;
        let problems = remove_in_order(engine, objects).await;
        if Instant::now() >= deadline {
            return Ok(problems);
        }
        if settle || !problems.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Asks every container of the run that holds processes stopped to let them continue.
async fn let_continue(engine: &Engine, run: &RunId) -> Result<(), EngineError> {
    let labels = [format!("{LABEL}={run}"), PAUSER.to_owned()];
    let pausers = engine.containers(&labels).await?;
    // One that has ended already has let them continue.
    join_all(pausers.iter().map(|pauser| engine.stop_own(&pauser.id))).await;
    Ok(())
}

/// Containers first: networks, volumes and images cannot go while a container uses them.
async fn remove_in_order(engine: &Engine, objects: Vec<Object>) -> Vec<String> {
    let (containers, rest): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| matches!(object, Object::Container(..)));
    let mut problems = Vec::new();
    for group in [containers, rest] {
        let removals = group.iter().map(|object| async move {
            match tokio::time::timeout(ONE, engine.remove(object)).await {
                Ok(removed) => removed.err().map(|error| format!("{object}: {error}")),
                Err(_) => {
                    let waited = ONE.as_secs();
                    Some(format!("{object}: the engine did not remove it within {waited} s"))
                }
            }
        });
        problems.extend(join_all(removals).await.into_iter().flatten());
    }
    problems
}
