//! `oom-contained`: when memory runs out inside the service, the kernel kills inside the service
//! only, at the limit, and the service lives on or is restarted as declared.
//!
//! The truth is the cgroup's own counter of kills. An exit code of 137 has other causes, the
//! engine's events can be lost, and its `OOMKilled` flag is set at another time by each version
//! (see `engine::versions`). All of them are recorded, with what the flag means on this engine;
//! the flag is not judged.

use serde_json::json;

use super::limits::{as_float, bytes};
use super::{Finding, each_container};
use crate::engine::versions::{Subject, expected};
use crate::observation::{Evidence, Observation, Vantage};
use crate::probe::answer::Cgroup;
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
    // Without a limit nothing contains what the service takes, and that needs no act to be seen.
    if let Ok(None) = sight.own().and_then(|reply| reply.cgroup()).and_then(|c| c.memory()) {
        let seen = Observation::now(Vantage::Inside, "memory limit in the cgroup", "none");
        return Finding::new(Verdict::Broken, EXPECTED, Evidence::one(seen))
            .observed("no memory limit")
            .message("the service has no memory limit, so nothing contains it")
            .reproduce(format!("docker inspect {name} --format '{{{{.HostConfig.Memory}}}}'"));
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
    let kills = match kills(oom) {
        Ok(kills) => kills,
        Err(why) => return finding(Verdict::Inconclusive, why),
    };
    if kills == 0 {
        let touched = bytes(as_float(oom.touched));
        return finding(
            Verdict::Broken,
            format!("nothing was killed: {touched} were touched past a limit of {}", limit(oom)),
        );
    }
    if oom.touched > oom.limit {
        let touched = bytes(as_float(oom.touched));
        return finding(Verdict::Broken, format!("{touched} were touched, above {}", limit(oom)));
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
    if oom.exit_code != Some(KILLED) && !restarted {
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
    finding(
        Verdict::Held,
        format!(
            "{kills} {of} at a limit of {}; {lived}; healthy after {recovery} ms{died}",
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

/// The kills between the two looks. A restart makes a new cgroup whose counter begins anew, so
/// then the engine's word counts.
fn kills(oom: &Oom) -> Result<u64, String> {
    let before = counter(&oom.before)?;
    let after = counter(&oom.after)?;
    if oom.restarts.1 > oom.restarts.0 {
        let events = oom.events.iter().filter(|event| *event == "oom").count();
        return Ok(u64::try_from(events).unwrap_or(u64::MAX));
    }
    Ok(after.saturating_sub(before))
}

fn counter(cgroup: &Cgroup) -> Result<u64, String> {
    Ok(cgroup.counters()?.oom_kills)
}
