//! What a service depends on comes late.
//!
//! Compose waits for `depends_on` before it starts a service, and by that hides what a service
//! does that is there first, as after a power failure, when the engine starts everything at once.
//! So the containers are stopped and started through the engine, which knows of no dependencies.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::Instant;

use super::{LOOK, millis, text};
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::event::Events;
use crate::interrupt::Interrupt;
use crate::world::{Blind, Late};

/// How long the engine may take to report the end of a container that it has stopped.
const EVENT: Duration = Duration::from_secs(10);

/// The containers of an act, by their ids.
#[derive(Debug)]
pub struct Order<'a> {
    /// Those that are started first.
    pub first: &'a [String],
    /// Those that come late.
    pub delayed: &'a [String],
    /// How much later.
    pub delay: Duration,
    /// How soon everything must be healthy once the late ones have been started, and once more
    /// for the others after that.
    pub within: Duration,
}

/// Stops all containers, starts those that come first, and the late ones after the delay. What
/// was seen is told by the id of each container that was started first.
///
/// # Errors
/// Why nothing could be seen. Everything that was stopped has been asked to start again, unless
/// the user interrupted it.
pub async fn start_before(
    engine: &Engine,
    order: &Order<'_>,
    interrupt: &Interrupt,
) -> Result<BTreeMap<String, Late>, Blind> {
    for id in order.first.iter().chain(order.delayed) {
        let container = engine.inspect(id).await.map_err(text)?;
        let name = container.short_name();
        if !container.is_running() || container.state.paused == Some(true) {
            return Err(format!("{name} is not running, so nothing was stopped"));
        }
        if health(&container).is_some_and(|status| status != "healthy") {
            return Err(format!("{name} is not healthy to begin with, so nothing was stopped"));
        }
    }
    // Whatever is seen from here on, everything is started again. Where the user ends it all, the
    // stack goes down.
    let seen = interrupt.or(watch(engine, order, interrupt)).await.map_err(text)?;
    if seen.is_err() {
        for group in [order.delayed, order.first] {
            // What does not start is found when the stack is looked at after the act.
            join_all(group.iter().map(|id| engine.start_container(id))).await;
        }
    }
    seen
}

async fn watch(
    engine: &Engine,
    order: &Order<'_>,
    interrupt: &Interrupt,
) -> Result<BTreeMap<String, Late>, Blind> {
    let mut events: Vec<Events> = order.first.iter().map(|id| engine.events(id)).collect();
    for group in [order.first, order.delayed] {
        let stopped = group.iter().map(|id| engine.stop_container(id));
        try_join_all(stopped).await.map_err(text)?;
    }
    // The end that we brought about shows that the engine's events are heard.
    for events in &mut events {
        let heard = async {
            while let Some(event) = events.next().await {
                if event.action == "die" {
                    return true;
                }
            }
            false
        };
        if !tokio::time::timeout(EVENT, heard).await.unwrap_or(false) {
            return Err("the engine did not tell that a container ended".to_owned());
        }
    }
    all_stopped(engine, order.delayed).await?;
    try_join_all(order.first.iter().map(|id| engine.start_container(id))).await.map_err(text)?;
    let began = Instant::now();
    tokio::time::sleep(order.delay).await;
    // If somebody else has started what was to be missing, nothing was seen.
    all_stopped(engine, order.delayed).await?;
    let without = inspect_all(engine, order.first).await?;
    let delay_ms = millis(began.elapsed());
    try_join_all(order.delayed.iter().map(|id| engine.start_container(id))).await.map_err(text)?;
    let waited = wait_until_well(engine, order.delayed, order.within, interrupt).await?;
    if waited.values().any(Option::is_none) {
        let seconds = order.within.as_secs();
        return Err(format!("what came late was not healthy itself within {seconds} s"));
    }
    let waited = wait_until_well(engine, order.first, order.within, interrupt).await?;
    let after = inspect_all(engine, order.first).await?;
    let seen = without.iter().zip(&after).zip(&mut events).map(|((without, after), events)| {
        let ends: Vec<Option<i64>> = events
            .drain()
            .iter()
            .filter(|event| event.action == "die")
            .map(|event| event.attributes.get("exitCode")?.parse().ok())
            .collect();
        let counted = u64::try_from(ends.len()).unwrap_or(u64::MAX);
        let restarts = u64::try_from(after.restart_count.unwrap_or_default()).unwrap_or_default();
        let late = Late {
            delay_ms,
            without: said(without),
            // An event can be lost, and the engine does not count an end after which it gave up.
            ends: counted.max(restarts),
            exit_code: ends.last().copied().flatten(),
            healthy_after_ms: waited.get(&after.id).copied().flatten(),
            has_health_check: after.state.health.is_some(),
        };
        (after.id.clone(), late)
    });
    Ok(seen.collect())
}

async fn inspect_all(engine: &Engine, ids: &[String]) -> Result<Vec<Container>, Blind> {
    try_join_all(ids.iter().map(|id| engine.inspect(id))).await.map_err(text)
}

async fn all_stopped(engine: &Engine, ids: &[String]) -> Result<(), Blind> {
    let containers = inspect_all(engine, ids).await?;
    match containers.iter().find(|container| container.is_running()) {
        Some(container) => Err(format!("{} runs although it was stopped", container.short_name())),
        None => Ok(()),
    }
}

/// Waits until every container is healthy, or runs where it has no health check, and says of each
/// after how many milliseconds; none of one that was not in time.
async fn wait_until_well(
    engine: &Engine,
    ids: &[String],
    within: Duration,
    interrupt: &Interrupt,
) -> Result<BTreeMap<String, Option<u64>>, Blind> {
    let began = Instant::now();
    let mut well: BTreeMap<String, Option<u64>> = ids.iter().map(|id| (id.clone(), None)).collect();
    loop {
        for container in inspect_all(engine, ids).await? {
            let status = health(&container).unwrap_or("healthy");
            let slot = well.entry(container.id.clone()).or_default();
            if !container.is_running() || status != "healthy" {
                // One that was well and is no longer has to come back in time.
                *slot = None;
            } else if slot.is_none() {
                *slot = Some(millis(began.elapsed()));
            }
        }
        if well.values().all(Option::is_some) || began.elapsed() >= within {
            return Ok(well);
        }
        interrupt.or(tokio::time::sleep(LOOK)).await.map_err(text)?;
    }
}

fn health(container: &Container) -> Option<&str> {
    container.state.health.as_ref()?.status.as_deref()
}

fn said(container: &Container) -> String {
    let status = container.state.status.as_deref().unwrap_or("in an unknown state");
    match health(container) {
        Some(health) if container.is_running() => health.to_owned(),
        _ => status.to_owned(),
    }
}
