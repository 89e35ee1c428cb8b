//! Every processor that a service may use, and one more, is asked for inside it.

use std::time::Duration;

use serde::Deserialize;

use super::{said, text};
use crate::interrupt::Interrupt;
use crate::observe::identity;
use crate::observe::kit::Kit;
use crate::run_id::nonce;
use crate::world::{Blind, Cpu, CpuCount, Sight};

/// Lets more threads compute inside a container than its CPU limit has room for.
///
/// `processors` are those of the engine's host: a limit that they cannot exceed is not tried.
///
/// # Errors
/// Why nothing could be seen, or why it was not tried.
pub async fn saturate(
    kit: &Kit,
    sight: &Sight,
    processors: Option<u64>,
    duration: Duration,
    interrupt: &Interrupt,
) -> Result<Cpu, Blind> {
    let limit =
        sight.container.host_config.cores().ok_or("the service has no CPU limit to reach")?;
    // More than there are would only stand in each other's way.
    let most = processors.ok_or("the engine does not say how many processors its host has")?;
    let threads =
        (1..=most).find(|count| f64::from(u32::try_from(*count).unwrap_or(u32::MAX)) > limit);
    let threads = threads.ok_or("the host has no more processors than the limit")?;
    let lender = kit.lend(&sight.container, identity(sight)?).await?;
    let secret = nonce().map_err(text)?;
    let arguments = [
        "spin".to_owned(),
        secret.clone(),
        (threads + 1).to_string(),
        duration.as_millis().to_string(),
    ];
    let output = interrupt.or(kit.act(&lender, &arguments, duration)).await.map_err(text)?;
    kit.remove(std::slice::from_ref(&lender.id)).await;
    let spun: Spun = said(&output?, &secret, "how much it computed")?;
    let mut counts = spun.counts;
    for count in &mut counts {
        // The rest is no evidence of this, and there are many of them.
        count.cgroup.files.retain(|name, _| name.starts_with("cpu"));
    }
    Ok(Cpu { threads: spun.threads, refused: spun.refused, counts })
}

#[derive(Deserialize)]
struct Spun {
    threads: u64,
    refused: Option<String>,
    counts: Vec<CpuCount>,
}
