//! Processes are forked inside a service until the kernel refuses, and its neighbours are asked
//! to fork meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;

use super::{WITHIN, said, state, text};
use crate::interrupt::Interrupt;
use crate::observe::identity;
use crate::observe::kit::{Kit, Lender};
use crate::probe::Question;
use crate::probe::answer::Cgroup;
use crate::run_id::nonce;
use crate::world::{Blind, Forked, Pids, Sight};

/// How many processes are forked beyond the limit at most.
const BEYOND: u64 = 8;
/// The largest limit that is tried: more processes would burden the host.
const MOST: u64 = 2048;
/// What a child that only sleeps costs in kernel memory at most, in bytes, which counts against
/// the memory limit: stack, page tables and descriptors.
const CHILD: u64 = 128 << 10;
/// How long the limit may stay exhausted while the neighbours fork.
pub const HOLD: Duration = Duration::from_secs(10);

/// Forks inside a container until the kernel refuses, and executes the probe in every neighbour
/// while it does.
///
/// # Errors
/// Why nothing could be seen, or why it was not tried.
pub async fn exhaust(
    kit: &Kit,
    sight: &Sight,
    others: &[&Sight],
    interrupt: &Interrupt,
) -> Result<Pids, Blind> {
    let lender = kit.lend(&sight.container, identity(sight)?).await?;
    let (_, before) = state(kit, &lender).await?;
    // The engine's word is what is tried: the kernel may have been told another since.
    let configured = sight.container.host_config.pids_limit.and_then(|n| u64::try_from(n).ok());
    let limit = configured.filter(|limit| *limit > 0).or(before.pids()?);
    let limit = limit.ok_or("the service has no limit on processes to reach")?;
    if limit > MOST {
        return Err(format!("{limit} processes would burden the host: {MOST} are tried at most"));
    }
    if let (Some(memory), used) = (before.memory()?, before.memory_used()?)
        && memory.saturating_sub(used) < (limit + BEYOND) * CHILD
    {
        return Err(format!("{limit} processes might need more memory than the service has left"));
    }
    let running = others.iter().filter(|other| other.container.is_running());
    let neighbours = join_all(running.map(|other| Neighbour::prepare(kit, other))).await;
    let secret = nonce().map_err(text)?;
    let arguments = [
        "breed".to_owned(),
        secret.clone(),
        (limit + BEYOND).to_string(),
        HOLD.as_millis().to_string(),
    ];
    let asking = join_all(neighbours.iter().map(|neighbour| neighbour.fork(kit)));
    let act = kit.act_meanwhile(&lender, &arguments, HOLD, asking);
    let acted = interrupt.or(act).await.map_err(text)?;
    let fresh_exec = state(kit, &lender).await.map(|_| ());
    let lent = neighbours.iter().filter_map(|neighbour| neighbour.lender.as_ref().ok());
    let lenders: Vec<String> = lent.chain([&lender]).map(|lender| lender.id.clone()).collect();
    kit.remove(&lenders).await;
    let (output, asked) = acted?;
    let bred: Bred = said(&output, &secret, "how many it forked")?;
    let ended: Ended = said(&output, &secret, "that it ended what it forked")?;
    let unasked = || Err("it was not asked in time".to_owned());
    let during = asked.unwrap_or_else(|| neighbours.iter().map(|_| unasked()).collect());
    let neighbours = neighbours
        .into_iter()
        .zip(during)
        .map(|(neighbour, during)| Forked {
            container: neighbour.name,
            before: neighbour.before,
            during,
        })
        .collect();
    Ok(Pids {
        limit,
        forked: bred.forked,
        errno: bred.errno,
        reaped: ended.reaped,
        before: bred.before,
        exhausted: bred.exhausted,
        after: ended.after,
        held: ended.asked,
        neighbours,
        fresh_exec,
    })
}

/// A neighbour, and whether the probe can be executed in it in peace.
struct Neighbour {
    name: String,
    lender: Result<Lender, Blind>,
    before: Result<(), Blind>,
}

impl Neighbour {
    async fn prepare(kit: &Kit, sight: &Sight) -> Neighbour {
        let name = sight.container.short_name().to_owned();
        let lender = match identity(sight) {
            Ok(identity) => kit.lend(&sight.container, identity).await,
            Err(why) => Err(why),
        };
        let mut neighbour = Neighbour { name, lender, before: Ok(()) };
        neighbour.before = neighbour.fork(kit).await;
        neighbour
    }

    /// Executes the probe, which the engine has to fork for.
    async fn fork(&self, kit: &Kit) -> Result<(), Blind> {
        let lender = self.lender.as_ref().map_err(Clone::clone)?;
        let user = lender.identity.to_string();
        kit.ask(lender, Some(&user), &[Question::Cgroup], WITHIN).await.map(|_| ())
    }
}

#[derive(Deserialize)]
struct Bred {
    forked: u64,
    errno: Option<String>,
    before: Cgroup,
    exhausted: Cgroup,
}

#[derive(Deserialize)]
struct Ended {
    reaped: u64,
    asked: bool,
    after: Cgroup,
}
