//! Acts that stress or stop a service, and what is seen meanwhile. After each, the service is
//! left as it was found, or the world says that it is not.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::kit::{Kit, Lender};
use crate::engine::exec::ExecOutput;
use crate::probe::Question;
use crate::probe::answer::{Cgroup, Process, Processes};
use crate::world::Blind;

pub mod blast;
pub mod cpu;
pub mod load;
pub mod oom;
pub mod pids;
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

/// The line of an act that says what is wanted, with the nonce that it was given.
fn said<T: DeserializeOwned>(output: &ExecOutput, nonce: &str, what: &str) -> Result<T, Blind> {
    let text = String::from_utf8_lossy(&output.stdout);
    let ours = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["nonce"] == nonce);
    ours.filter_map(|line| T::deserialize(line).ok()).next().ok_or_else(|| {
        let code = output.exit_code.map_or_else(
            || "it did not end in time".to_owned(),
            |code| format!("it exited with {code}"),
        );
        let complaint: String = output.stderr_text().chars().take(300).collect();
        format!("the probe did not say {what}: {code} {complaint}").trim_end().to_owned()
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn text(error: impl std::fmt::Display) -> Blind {
    error.to_string()
}
