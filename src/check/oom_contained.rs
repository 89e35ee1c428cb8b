//! `oom-contained`: when memory runs out inside the service, the kernel kills inside the service
//! only, at the limit, and the service lives on or is restarted as declared.
//!
//! The truth is the cgroup's own counter of kills. An exit code of 137 has other causes, the
//! engine's events can be lost, and its `OOMKilled` flag is set at another time by each version
//! (see `engine::versions`). All of them are recorded, with what the flag means on this engine;
//! the flag is not judged.

use serde_json::json;

use super::limits::{as_float, bytes, no_memory_limit};
use super::{Finding, each_container};
use crate::engine::versions::{Subject, expected};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::OomContained;
use crate::verdict::Verdict;
use crate::world::{Act, Oom, Sight, World};

const EXPECTED: &str = "running out of memory kills inside the service, and the service recovers";

/// What the exit code of a process killed by SIGKILL is.
const KILLED: i64 = 137;

pub(super) fn judge(check: &OomContained, service: &str, world: &World) -> Finding {
    each_container(service, world, EXPECTED, |sight| judge_one(check, sight, world))
}

fn judge_one(check: &OomContained, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker events --filter container={name} --filter event=oom & \
         docker exec {name} sh -c 'head -c 10G /dev/zero | tail'; \
         cat /sys/fs/cgroup/memory/docker/$(docker inspect {name} --format '{{{{.Id}}}}')/memory.oom_control"
    );
    if let Some(finding) = no_memory_limit(sight, EXPECTED) {
        return finding;
    }
    let oom = match world.act("oom-contained", &sight.container.id, Act::oom) {
        Ok(oom) => oom,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    let evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        format!("{name} before, while and after memory ran out"),
        json!(oom),
    ))
    .and(Observation::now(
        Vantage::Engine,
        "OOMKilled afterwards, and when this engine sets it",
        json!([oom.oom_killed_flag, flag(world.about.engine.as_deref())]),
    ));
    let finding = |verdict, text: String| {
        Finding::new(verdict, EXPECTED, evidence.clone())
            .observed(text.clone())
            .message(text)
            .reproduce(reproduce.clone())
    };
    if let Err(why) = &oom.fresh_exec {
        let within = check.healthy_within.0.as_secs();
        return finding(Verdict::Broken, format!("it did not recover within {within} s: {why}"));
    }
    let kills = match oom.kills() {
        Ok(kills) => kills,
        Err(why) => return finding(Verdict::Inconclusive, why),
    };
    if oom.command.is_some() && kills == 0 && oom.exit_code != Some(0) {
        // It may never have begun to use memory.
        let said = oom.stress_said().unwrap_or_default();
        let text = format!("nothing was killed, and {said}: {}", oom.complaint);
        return finding(Verdict::Inconclusive, text);
    }
    // The command does not say how far it came, but the kernel says how far all of it came.
    let touched = oom.touched.or_else(|| oom.after.counters().ok()?.high_water).unwrap_or(0);
    if kills == 0 {
        let touched = bytes(as_float(touched));
        return finding(
            Verdict::Broken,
            format!("nothing was killed: {touched} were touched past a limit of {}", limit(oom)),
        );
    }
    if touched > oom.limit {
        let touched = bytes(as_float(touched));
        return finding(Verdict::Broken, format!("{touched} were touched, above {}", limit(oom)));
    }
    if oom.events.is_empty() {
        // The probe was executed meanwhile, of which the engine tells as well.
        let text = "no event of the engine was heard, not even of what was executed in it";
        return finding(Verdict::Inconclusive, text.to_owned());
    }
    let (before, after) = oom.restarts;
    let policy = &sight.declared.restart;
    let restarted = after > before;
    if restarted && policy == "no" {
        return finding(Verdict::Broken, "it was restarted, though no policy declares that".into());
    }
    let Some(recovery) = oom.healthy_after_ms else {
        let within = check.healthy_within.0.as_secs();
        return finding(Verdict::Broken, format!("it was not healthy again within {within} s"));
    };
    if oom.command.is_none() && oom.exit_code != Some(KILLED) && !restarted {
        let code = oom.exit_code.map_or_else(|| "no exit code".to_owned(), |code| code.to_string());
        return finding(
            Verdict::Inconclusive,
            format!("the probe ended with {code}, not by a kill"),
        );
    }
    let of = if restarted { "OOM events of the engine" } else { "kills in its own cgroup" };
    let lived =
        if restarted { format!("it was restarted ({policy})") } else { "PID 1 lived on".into() };
    let died = if oom.died.is_empty() {
        String::new()
    } else {
        format!("; died: {}", oom.died.join(", "))
    };
    let said = oom.stress_said().map(|said| format!("; {said}")).unwrap_or_default();
    finding(
        Verdict::Held,
        format!(
            "{kills} {of} at a limit of {}; {lived}; healthy after {recovery} ms{died}{said}",
            limit(oom)
        ),
    )
}

/// When this engine sets the flag `OOMKilled`.
fn flag(engine: Option<&str>) -> &'static str {
    expected(Subject::OomKilledFlag, engine)
        .map_or("the engine does not tell its version", |expected| expected.behaviour)
}

fn limit(oom: &Oom) -> String {
    bytes(as_float(oom.limit))
}
