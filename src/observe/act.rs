//! Acts that stress or stop a service, and what is seen meanwhile. After each, the service is
//! left as it was found, or the world says that it is not.

use std::time::Duration;

use super::kit::{Kit, Lender};
use crate::probe::Question;
use crate::probe::answer::{Cgroup, Process, Processes};
use crate::world::Blind;

pub mod load;
pub mod oom;
pub mod stop;

/// How long the probe may take to answer.
const WITHIN: Duration = Duration::from_secs(20);
/// The pause between two looks at a container's state.
const LOOK: Duration = Duration::from_millis(100);

/// The processes and the cgroup of a container, seen through a lender.
pub(super) async fn state(kit: &Kit, lender: &Lender) -> Result<(Vec<Process>, Cgroup), Blind> {
    let user = lender.identity.to_string();
    let reply =
        kit.ask(lender, Some(&user), &[Question::Processes, Question::Cgroup], WITHIN).await?;
    let Processes { processes, .. } = reply.processes()?;
    Ok((processes, reply.cgroup()?))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn text(error: impl std::fmt::Display) -> Blind {
    error.to_string()
}
