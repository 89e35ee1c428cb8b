//! A service is asked for much.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::text;
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::interrupt::Interrupt;
use crate::observe::kit::Kit;
use crate::observe::neighbours::watching;
use crate::scenario::check::Load as Asked;
use crate::timeline::gauge::Gauge;
use crate::world::load::{Answered, Load};
use crate::world::{Blind, Sight};

pub mod open_loop;

use open_loop::Plan;

/// How long an act may take beside the time in which it is to send.
pub const ON_TOP: Duration = Duration::from_secs(30);
/// How long the first answer may take.
const FIRST: Duration = Duration::from_secs(5);
/// How often it is looked how much memory is used.
const LOOK: Duration = Duration::from_millis(250);

/// What a load is put on, and with what.
#[derive(Debug)]
pub struct Stand<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The probe, to look into the neighbours.
    pub kit: &'a Kit,
    /// The service's container.
    pub sight: &'a Sight,
    /// Every other container of the stack.
    pub others: Vec<&'a Sight>,
}

impl Stand<'_> {
    /// Sends the requests, from here to the address of the container: nothing stands between
    /// that could be slow itself.
    ///
    /// # Errors
    /// Why nothing could be seen, or why it was not tried.
    pub async fn bear(&self, asked: &Asked, interrupt: &Interrupt) -> Result<Load, Blind> {
        let container = &self.sight.container;
        if container.state.paused == Some(true) {
            return Err("the container is paused".to_owned());
        }
        if !container.is_running() {
            return Err(format!("container {} does not run", container.short_name()));
        }
        let plan = self.plan(asked).await?;
        let gauge = Gauge::of(self.engine, container);
        let load = async {
            let used = Used::begin(&gauge).await;
            let sending = plan.run();
            let (answers, used) = used.until(sending).await;
            Ok::<_, Blind>((answers?, used))
        };
        let (sent, neighbours) = if asked.neighbours {
            let act = watching(self.engine, self.kit, &self.others, &asked.watch, load);
            let (sent, neighbours) = interrupt.or(act).await.map_err(text)?;
            (sent, Some(neighbours))
        } else {
            (interrupt.or(load).await.map_err(text)?, None)
        };
        let (answers, used) = sent?;
        let now = self.engine.inspect(&container.id).await.map_err(text)?;
        Ok(self.told(&plan, answers, used, ended(container, &now), neighbours))
    }

    fn told(
        &self,
        plan: &Plan,
        answers: Answered,
        used: Used,
        ended: Option<String>,
        neighbours: Option<crate::world::neighbours::Neighbours>,
    ) -> Load {
        Load {
            asked: format!("http://{}{}", plan.target, plan.path),
            answers,
            cpu: used.cores(),
            memory: used.memory,
            oom_kills: used.oom_kills,
            ended,
            neighbours,
        }
    }

    /// Finds the first address at which the container answers anything.
    async fn plan(&self, asked: &Asked) -> Result<Plan, Blind> {
        let container = &self.sight.container;
        let name = container.short_name();
        let mut refused = Vec::new();
        for address in container.addresses() {
            let plan = plan(asked, address, &self.sight.service);
            match plan.try_once(FIRST).await {
                Ok(_) => return Ok(plan),
                Err(why) => refused.push(format!("{}: {why}", plan.target)),
            }
        }
        if refused.is_empty() {
            return Err(format!("container {name} has no address at which it could be asked"));
        }
        Err(format!("{name} does not answer before anything is done: {}", refused.join("; ")))
    }
}

fn plan(asked: &Asked, address: IpAddr, service: &str) -> Plan {
    Plan {
        target: SocketAddr::new(address, asked.port),
        host: format!("{service}:{}", asked.port),
        path: asked.path.value.clone(),
        rate: asked.rate(),
        requests: asked.requests(),
        connections: asked.connections(),
    }
}

/// What became of a container, if it did not just run on.
fn ended(before: &Container, now: &Container) -> Option<String> {
    if !now.is_running() {
        return Some("it does not run any more".to_owned());
    }
    let again = now.state.started_at != before.state.started_at
        || now.restart_count.unwrap_or(0) > before.restart_count.unwrap_or(0);
    again.then(|| "it was started again".to_owned())
}

/// What a container used while something was done.
struct Used<'a> {
    gauge: &'a Gauge,
    began: Instant,
    cpu_before: Result<u64, Blind>,
    cpu_after: Result<(u64, Instant), Blind>,
    kills_before: Option<u64>,
    oom_kills: Option<u64>,
    memory: Result<u64, Blind>,
}

impl<'a> Used<'a> {
    async fn begin(gauge: &'a Gauge) -> Used<'a> {
        let first = gauge.read().await;
        let unknown = || "its CPU time is not to be seen".to_owned();
        Used {
            gauge,
            began: Instant::now(),
            cpu_before: first.clone().and_then(|usage| usage.cpu_ns.ok_or_else(unknown)),
            cpu_after: Err(unknown()),
            kills_before: first.as_ref().ok().and_then(|usage| usage.oom_kills),
            oom_kills: None,
            memory: Err("its memory is not to be seen".to_owned()),
        }
    }

    /// Looks at the memory all the while, and at the rest in the end.
    async fn until<T>(mut self, work: impl Future<Output = T>) -> (T, Used<'a>) {
        tokio::pin!(work);
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let done = loop {
            tokio::select! {
                biased;
                done = &mut work => break done,
                _ = looks.tick() => self.look(self.gauge.read().await),
            }
        };
        let last = self.gauge.read().await;
        let ended = Instant::now();
        let kills = last.as_ref().ok().and_then(|usage| usage.oom_kills);
        self.oom_kills =
            kills.zip(self.kills_before).map(|(after, before)| after.saturating_sub(before));
        self.cpu_after = last.clone().and_then(|usage| {
            let cpu = usage.cpu_ns.ok_or("its CPU time is not to be seen")?;
            Ok((cpu, ended))
        });
        self.look(last);
        (done, self)
    }

    fn look(&mut self, seen: Result<crate::timeline::Usage, Blind>) {
        let Ok(Some(bytes)) = seen.map(|usage| usage.memory_bytes) else { return };
        self.memory = Ok(self.memory.as_ref().map_or(bytes, |most| bytes.max(*most)));
    }

    /// The CPU time in cores.
    #[expect(clippy::cast_precision_loss, reason = "a second is far below 2^53 nanoseconds")]
    fn cores(&self) -> Result<f64, Blind> {
        let before = *self.cpu_before.as_ref().map_err(Clone::clone)?;
        let (after, ended) = *self.cpu_after.as_ref().map_err(Clone::clone)?;
        let used = after.checked_sub(before).ok_or("its CPU time began anew")?;
        Ok(used as f64 / 1e9 / (ended - self.began).as_secs_f64())
    }
}
