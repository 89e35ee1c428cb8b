//! `no-docker-access`: from inside the service there is no way to any container engine: no
//! socket in its mounts, no TCP address, no inherited descriptor, no group (CIS 2.7, 5.32).
//!
//! A failing `docker` command shows nothing of the sort: most images have none. A refusal counts
//! with its class, and only if the same probe reaches the engine from the control.

use super::way::{self, Way};
use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::verdict::Verdict;
use crate::world::{Sight, World};

const EXPECTED: &str = "no way to any container engine";

pub(super) fn judge(service: &str, world: &World) -> Finding {
    each_container(service, world, EXPECTED, |sight| judge_one(sight, world))
}

fn judge_one(sight: &Sight, world: &World) -> Finding {
    let reproduce = reproduce(sight);
    let ways = match way::ways(sight, world) {
        Ok(ways) => ways,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    let mut evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        format!("attempts from {}", sight.container.short_name()),
        ways.ways.iter().map(ToString::to_string).collect::<Vec<_>>(),
    ));
    evidence.extend(ways.observations.clone());
    let list =
        |ways: Vec<&Way>| ways.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let reached: Vec<&Way> = ways.reached().collect();
    if !reached.is_empty() {
        let text = list(reached);
        return Finding::new(Verdict::Broken, EXPECTED, evidence)
            .observed(text.clone())
            .message(format!("an engine is reached: {text}"))
            .reproduce(reproduce);
    }
    let unclear: Vec<&Way> = ways.unclear_ones().collect();
    if !unclear.is_empty() {
        let text = list(unclear);
        return Finding::new(Verdict::Inconclusive, EXPECTED, evidence)
            .observed(text.clone())
            .message(format!("a way cannot be ruled out: {text}"))
            .reproduce(reproduce);
    }
    match way::control(world) {
        Ok(shown) => evidence.extend([shown]),
        Err(why) => {
            return Finding::new(Verdict::Inconclusive, EXPECTED, evidence)
                .observed(ways.refusals())
                .message(format!("no refusal counts, because the control failed: {why}"))
                .reproduce(reproduce);
        }
    }
    Finding::new(Verdict::Held, EXPECTED, evidence)
        .observed(ways.refusals())
        .message(format!("{} ways tried, none leads to an engine", ways.ways.len()))
        .reproduce(reproduce)
}

/// A command that looks through the mounts from the host and needs nothing of the image.
fn reproduce(sight: &Sight) -> String {
    let name = sight.container.short_name();
    format!(
        "pid=$(docker inspect {name} --format '{{{{.State.Pid}}}}'); \
         sudo grep -E 'sock|/run' /proc/$pid/mountinfo; \
         sudo find /proc/$pid/root -xdev -type s; \
         sudo nsenter -t $pid -n curl -m 3 http://socket-proxy:2375/_ping"
    )
}
