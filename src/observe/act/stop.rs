//! A service is stopped and continues.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{LOOK, millis, text};
use crate::engine::Engine;
use crate::engine::container::{Container, HostProcess};
use crate::interrupt::Interrupt;
use crate::observe::account::Identity;
use crate::observe::kit::Kit;
use crate::world::{Blind, Sight, Stop};

/// Stops every process of a container, waits for its health check to fail, lets it continue and
/// waits for the check to pass.
///
/// # Errors
/// Why it could not be stopped or watched.
pub async fn stop(
    engine: &Engine,
    kit: &Kit,
    sight: &Sight,
    within: Duration,
    interrupt: &Interrupt,
) -> Result<Stop, Blind> {
    let id = sight.container.id.as_str();
    let pid = sight.container.state.pid.filter(|pid| *pid > 0).ok_or("it does not run")?;
    if sight.container.state.paused == Some(true) {
        return Err("the container is paused".to_owned());
    }
    let processes = services_own(engine.top(id).await.map_err(text)?, pid);
    let mut by_identity: BTreeMap<Identity, Vec<i64>> = BTreeMap::new();
    for process in &processes {
        let identity = Identity { uid: process.uid[1], gid: process.gid[1] };
        by_identity.entry(identity).or_default().push(process.pid);
    }
    let began = Instant::now();
    let mut pausers = Vec::new();
    // Whatever happens from here on, the pausers are ended, and that lets everything continue.
    let stopped = async {
        for (identity, pids) in &by_identity {
            let (pauser, outcome) = kit.pause(*identity, pids, 3 * within).await?;
            pausers.push(pauser);
            outcome?;
        }
        Ok::<_, Blind>(())
    }
    .await;
    let unhealthy = match stopped {
        Ok(()) => becomes(engine, id, "unhealthy", within, interrupt).await,
        Err(why) => Err(why),
    };
    // All are asked before any failure counts: what one of them holds must continue too.
    let asked = join_all(pausers.iter().map(|pauser| engine.stop_own(pauser))).await;
    kit.remove(&pausers).await;
    asked.into_iter().collect::<Result<(), _>>().map_err(text)?;
    let unhealthy_after_ms = unhealthy?.then(|| millis(began.elapsed()));
    let said = last_output(&engine.inspect(id).await.map_err(text)?);
    let continued = Instant::now();
    let healthy = becomes(engine, id, "healthy", within, interrupt).await?;
    Ok(Stop {
        stopped: processes.iter().map(|process| process.comm.clone()).collect(),
        unhealthy_after_ms,
        healthy_after_ms: healthy.then(|| millis(continued.elapsed())),
        said,
    })
}

/// The processes of the service itself: not those that the engine executes beside it, such as
/// the health check. Those have the same parent as the first process.
fn services_own(processes: Vec<HostProcess>, first: i64) -> Vec<HostProcess> {
    let shim = processes.iter().find(|process| process.pid == first).map(|process| process.ppid);
    processes
        .into_iter()
        .filter(|process| process.pid == first || Some(process.ppid) != shim)
        .collect()
}

/// Whether the health status becomes `wanted` in time.
async fn becomes(
    engine: &Engine,
    id: &str,
    wanted: &str,
    within: Duration,
    interrupt: &Interrupt,
) -> Result<bool, Blind> {
    let began = Instant::now();
    while began.elapsed() < within {
        let container = engine.inspect(id).await.map_err(text)?;
        if !container.is_running() {
            return Err("the container ended meanwhile".to_owned());
        }
        let health = container.state.health.and_then(|health| health.status);
        if health.as_deref() == Some(wanted) {
            return Ok(true);
        }
        interrupt.or(tokio::time::sleep(LOOK)).await.map_err(text)?;
    }
    Ok(false)
}

fn last_output(container: &Container) -> String {
    let log = container.state.health.as_ref().and_then(|health| health.log.as_ref());
    let output = log.and_then(|log| log.last()).and_then(|run| run.output.clone());
    output.unwrap_or_default().chars().take(300).collect()
}
