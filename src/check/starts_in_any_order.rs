//! `starts-in-any-order`: a service that is started before what it depends on waits for it and
//! does not crash. After a power failure the engine starts everything at once, and its restart
//! policies then hide a service that ends until its dependency is there.

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::StartsInAnyOrder;
use crate::verdict::Verdict;
use crate::world::{Act, Late, Sight, World};

pub(super) fn judge(check: &StartsInAnyOrder, service: &str, world: &World) -> Finding {
    let delayed: Vec<&str> = check.delayed.iter().map(|name| name.value.as_str()).collect();
    let delayed = delayed.join(" and ");
    let expected = format!(
        "started {} s before {delayed}, it waits, and is healthy within {} s",
        check.delay.0.as_secs(),
        check.within.0.as_secs()
    );
    if world.attached {
        let seen = Observation::now(Vantage::Engine, "whose stack it is", "somebody else's");
        let why = "not asked: it stops and starts containers, and --attach does not";
        return Finding::does_not_apply(expected, why, Evidence::one(seen));
    }
    each_container(service, world, &expected, |sight| {
        judge_one(check, &delayed, &expected, sight, world)
    })
}

fn judge_one(
    check: &StartsInAnyOrder,
    delayed: &str,
    expected: &str,
    sight: &Sight,
    world: &World,
) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker stop {name} and those of {delayed}; docker start {name}; docker events --filter \
         container={name} --filter event=die & sleep {}; docker start those of {delayed}",
        check.delay.0.as_secs()
    );
    let late = match world.act("starts-in-any-order", &sight.container.id, Act::late) {
        Ok(late) => late,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    let evidence = Evidence::one(Observation::now(
        Vantage::Engine,
        format!("{name} while {delayed} was missing, and after"),
        json!(late),
    ));
    let (verdict, text) = settle(check, delayed, late);
    Finding::new(verdict, expected, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}

fn settle(check: &StartsInAnyOrder, delayed: &str, late: &Late) -> (Verdict, String) {
    let code = late.exit_code.map_or_else(String::new, |code| format!(" with {code}"));
    if late.ends > check.restarts {
        let text = format!("it did not wait for {delayed}: it ended {} times{code}", late.ends);
        return (Verdict::Broken, text);
    }
    let Some(healthy) = late.healthy_after_ms else {
        let within = check.within.0.as_secs();
        let text = format!("it was not healthy within {within} s after {delayed} was");
        return (Verdict::Broken, text);
    };
    if !late.has_health_check {
        let text = "it went on running, but has no health check: whether it serves was not seen";
        return (Verdict::Inconclusive, text.to_owned());
    }
    let ends = match late.ends {
        0 => "it did not end".to_owned(),
        ends => format!("it ended {ends} times{code}"),
    };
    let text = format!(
        "{} without {delayed} for {} s, {ends}, and was healthy {healthy} ms after {delayed} was",
        late.without,
        late.delay_ms / 1000
    );
    (Verdict::Held, text)
}
