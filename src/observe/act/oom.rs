//! Memory runs out inside a service.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use super::{LOOK, millis, state, text};
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::exec::ExecOutput;
use crate::interrupt::Interrupt;
use crate::observe::kit::{Kit, Lender};
use crate::probe::answer::{Cgroup, Process};
use crate::run_id::nonce;
use crate::scenario::check::Stress;
use crate::world::{Blind, Oom, Sight};

/// How long memory may take to run out.
pub const HOG: Duration = Duration::from_secs(60);
/// How much more than the limit is tried to be touched, in bytes.
const BEYOND: u64 = 64 << 20;

/// Lets memory run out inside a container and watches.
///
/// # Errors
/// Why nothing could be seen, or why it was not tried.
pub async fn run_out_of_memory(
    engine: &Engine,
    kit: &Kit,
    sight: &Sight,
    healthy_within: Duration,
    stress: Stress,
    interrupt: &Interrupt,
) -> Result<Oom, Blind> {
    let id = sight.container.id.as_str();
    let identity =
        sight.inside.first().map(|seen| seen.identity).ok_or("it was never looked at")?;
    let lender = kit.lend(&sight.container, identity).await?;
    let (processes, before) = state(kit, &lender).await?;
    let limit = before.memory()?.ok_or("the service has no memory limit to run out of")?;
    let swap = if before.host_has_swap() { before.swap()?.unwrap_or(0) } else { 0 };
    let room = before.host_memory().unwrap_or(0);
    if limit.saturating_add(swap) >= room {
        return Err(format!("a limit of {limit} bytes would exhaust the host first"));
    }
    let first = engine.inspect(id).await.map_err(text)?;
    let mut events = engine.events(id);
    let since = Timestamp::now();
    let exhausted = match stress {
        Stress::Probe => interrupt.or(touch(kit, &lender, limit + swap + BEYOND)).await,
        Stress::StressNg => interrupt.or(stress_ng(engine, id, limit)).await,
    };
    let Exhausted { command, touched, output } = exhausted.map_err(text)??;
    let recovery = Recovery { engine, kit, first: &first, since, within: healthy_within };
    let recovered = recovery.wait(&lender, interrupt).await?;
    kit.remove(std::slice::from_ref(&lender.id)).await;
    let last = engine.inspect(id).await.map_err(text)?;
    let restarted = i64::from(last.state.started_at != first.state.started_at);
    let (healthy_after_ms, fresh_exec, looked) = match recovered {
        Ok((after, looked)) => (Some(after), Ok(()), looked),
        Err(Late { seen: Some(looked), .. }) => (None, Ok(()), looked),
        Err(Late { seen: None, why }) => (None, Err(why), (vec![], before.clone())),
    };
    let (processes_after, cgroup_after) = looked;
    let restarts_before = restarts(&first);
    Ok(Oom {
        died: died(&processes, &processes_after),
        before,
        after: cgroup_after,
        command,
        touched,
        exit_code: output.exit_code,
        complaint: output.stderr_text().chars().take(300).collect(),
        events: events.drain().into_iter().map(|event| event.action).collect(),
        // Whoever started it again, its counters began anew.
        restarts: (restarts_before, restarts(&last).max(restarts_before + restarted)),
        oom_killed_flag: last.state.oom_killed,
        healthy_after_ms,
        fresh_exec,
        limit,
    })
}

/// What let memory run out, and how that ended.
struct Exhausted {
    command: Option<String>,
    touched: Option<u64>,
    output: ExecOutput,
}

/// The probe touches so many bytes.
async fn touch(kit: &Kit, lender: &Lender, bytes: u64) -> Result<Exhausted, Blind> {
    let secret = nonce().map_err(text)?;
    let arguments =
        ["hog".to_owned(), secret.clone(), bytes.to_string(), HOG.as_millis().to_string()];
    let output = kit.act(lender, &arguments, HOG).await?;
    let touched = touched(&output.stdout, &secret)?;
    Ok(Exhausted { command: None, touched: Some(touched), output })
}

/// `stress-ng` of the image uses a quarter more than the limit, as documents have it: 5G of 4G.
async fn stress_ng(engine: &Engine, id: &str, limit: u64) -> Result<Exhausted, Blind> {
    let bytes = format!("{}b", limit.saturating_add(limit / 4));
    let argv = ["stress-ng", "--vm", "1", "--vm-bytes", &bytes, "--timeout", "10s"];
    let argv: Vec<String> = argv.map(str::to_owned).to_vec();
    let output = engine.exec(id, &argv, None, HOG).await.map_err(text)?;
    let command = argv.join(" ");
    // That is how engines say that there is no such program.
    if let Some(code @ (126 | 127)) = output.exit_code {
        return Err(format!(
            "`{command}` cannot be executed ({code}): the image has no stress-ng; run the \
             scenario on images that have it, or without `stress`"
        ));
    }
    Ok(Exhausted { command: Some(command), touched: None, output })
}

/// What is waited for after memory has run out.
struct Recovery<'a> {
    engine: &'a Engine,
    kit: &'a Kit,
    /// The container as it was before.
    first: &'a Container,
    since: Timestamp,
    within: Duration,
}

/// The service was not healthy in time.
struct Late {
    /// What was seen inside all the same.
    seen: Option<Inside>,
    /// Why nothing was.
    why: Blind,
}

type Inside = (Vec<Process>, Cgroup);

impl Recovery<'_> {
    /// Waits until the service is healthy and can be looked into, and says after how many
    /// milliseconds. The engine calls a container running for a moment after its first process
    /// was killed, so its word alone does not count.
    async fn wait(
        &self,
        lender: &Lender,
        interrupt: &Interrupt,
    ) -> Result<Result<(u64, Inside), Late>, Blind> {
        let began = Instant::now();
        let mut late = Late { seen: None, why: "it does not run".to_owned() };
        while began.elapsed() < self.within {
            let now = self.engine.inspect(&self.first.id).await.map_err(text)?;
            if now.is_running() {
                match self.look(lender, &now).await {
                    Ok(inside) if self.is_healthy(&now) => {
                        return Ok(Ok((millis(began.elapsed()), inside)));
                    }
                    Ok(inside) => late.seen = Some(inside),
                    Err(why) => late = Late { seen: None, why },
                }
            } else {
                late = Late { seen: None, why: "it does not run".to_owned() };
            }
            interrupt.or(tokio::time::sleep(LOOK)).await.map_err(text)?;
        }
        Ok(Err(late))
    }

    async fn look(&self, lender: &Lender, now: &Container) -> Result<Inside, Blind> {
        if now.state.started_at == self.first.state.started_at {
            return state(self.kit, lender).await;
        }
        // A restarted container has another pid namespace, and the lender has died with the old
        // one.
        let lender = self.kit.lend(now, lender.identity).await?;
        let inside = state(self.kit, &lender).await;
        self.kit.remove(std::slice::from_ref(&lender.id)).await;
        inside
    }

    /// Healthy by a health check that began after memory ran out; running is enough where there
    /// is none.
    fn is_healthy(&self, container: &Container) -> bool {
        let Some(health) = &container.state.health else { return container.is_running() };
        let fresh = health.log.iter().flatten().any(|run| {
            let start = run.start.as_deref().and_then(|start| start.parse::<Timestamp>().ok());
            run.exit_code == Some(0) && start > Some(self.since)
        });
        health.status.as_deref() == Some("healthy") && fresh
    }
}

/// The names of the processes that are no longer there. A pid can be given again, but not with
/// the same start time.
fn died(before: &[Process], after: &[Process]) -> Vec<String> {
    before
        .iter()
        // What the engine executes beside the service, such as its health check, comes and goes.
        .filter(|process| !process.ours && (process.pid == 1 || process.ppid != Some(0)))
        .filter(|process| {
            !after.iter().any(|now| now.pid == process.pid && now.started == process.started)
        })
        .map(|process| format!("{} (pid {})", process.name, process.pid))
        .collect()
}

#[derive(Deserialize)]
struct Touched {
    nonce: String,
    touched: u64,
}

/// The most that the probe said it had touched.
fn touched(printed: &[u8], nonce: &str) -> Result<u64, Blind> {
    String::from_utf8_lossy(printed)
        .lines()
        .filter_map(|line| serde_json::from_str::<Touched>(line).ok())
        .filter(|line| line.nonce == nonce)
        .map(|line| line.touched)
        .max()
        .ok_or_else(|| "the probe did not say that it had begun".to_owned())
}

fn restarts(container: &Container) -> i64 {
    container.restart_count.unwrap_or(0)
}
