//! Memory runs out inside a service while its neighbours are watched.

use super::{oom, text};
use crate::engine::Engine;
use crate::interrupt::Interrupt;
use crate::observe::kit::Kit;
use crate::observe::neighbours::watching;
use crate::scenario::check::{OomBlastRadius, Watch};
use crate::world::{Blast, Blind, Sight};

/// Lets memory run out inside a container and watches every other.
///
/// # Errors
/// Why memory did not run out, or why nothing could be seen.
pub async fn watch_neighbours(
    engine: &Engine,
    kit: &Kit,
    sight: &Sight,
    others: &[&Sight],
    check: &OomBlastRadius,
    interrupt: &Interrupt,
) -> Result<Blast, Blind> {
    if sight.own()?.cgroup()?.memory()?.is_none() {
        return Err("the service has no memory limit to run out of".to_owned());
    }
    let others_only = |watch: &&Watch| watch.service.value != sight.service;
    let watches: Vec<Watch> = check.watch.iter().filter(others_only).cloned().collect();
    let within = check.healthy_within.0;
    let act = oom::run_out_of_memory(engine, kit, sight, within, check.stress, interrupt);
    let watched = watching(engine, kit, others, &watches, act);
    let (oom, neighbours) = interrupt.or(Box::pin(watched)).await.map_err(text)?;
    Ok(Blast { oom: oom?, neighbours })
}
