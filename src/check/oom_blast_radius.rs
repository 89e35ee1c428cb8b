//! `oom-blast-radius`: while one service runs out of memory, every other one goes on as before.
//!
//! Nothing is shown by neighbours that did not notice an act without effect: the kernel must have
//! killed inside the service. What the neighbours' processes, restarts, counters, health and
//! answers say is judged in `check/neighbours.rs`. Answers within the floor of the budget count as
//! before, whatever the ratio is: where there was one millisecond, three are noise.

use serde_json::json;

use super::limits::{as_float, bytes, no_memory_limit};
use super::{Finding, each_container, neighbours};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::OomBlastRadius;
use crate::verdict::Verdict;
use crate::world::{Act, Sight, World};

const EXPECTED: &str = "while it runs out of memory, every other service goes on as before";

pub(super) fn judge(check: &OomBlastRadius, service: &str, world: &World) -> Finding {
    each_container(service, world, EXPECTED, |sight| judge_one(check, sight, world))
}

fn judge_one(check: &OomBlastRadius, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker events --filter event=oom --filter event=die --filter event=health_status & \
         docker exec {name} sh -c 'head -c 10G /dev/zero | tail'; docker ps --all"
    );
    if let Some(finding) = no_memory_limit(sight, EXPECTED) {
        return finding;
    }
    let blast = match world.act("oom-blast-radius", &sight.container.id, Act::blast) {
        Ok(blast) => blast,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    let evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        format!("{name} and its neighbours before, while and after memory ran out"),
        json!(blast),
    ));
    let (verdict, text) = match blast.oom.kills() {
        Err(why) => (Verdict::Inconclusive, why),
        Ok(0) => (
            Verdict::Inconclusive,
            format!("the kernel killed nothing in {name}, so there was nothing to notice"),
        ),
        Ok(kills) => {
            let (verdict, text) = neighbours::judge(&blast.neighbours, &check.latency_budget);
            let limit = bytes(as_float(blast.oom.limit));
            let said = blast.oom.stress_said().map(|said| format!("; {said}")).unwrap_or_default();
            (verdict, format!("{kills} kills in {name} at a limit of {limit}: {text}{said}"))
        }
    };
    Finding::new(verdict, EXPECTED, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}
