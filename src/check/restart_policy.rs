//! `restart-policy`: the service is started again as the document says, and has not had to be
//! (CIS 5.15). A policy hides a crash loop from whoever only looks whether the service runs: the
//! service does, for a moment, between two ends.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Finding, each_container};
use crate::compose::restart::Policy;
use crate::engine::container::Container;
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::RestartPolicy;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

/// How long a service must have run since it was started again. The engine waits for at most one
/// minute before it tries once more (moby, `restartmanager`).
const SETTLED: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn judge(check: &RestartPolicy, service: &str, world: &World) -> Finding {
    let expected = format!("the restart policy {}, and no restart so far", check.policy.value);
    each_container(service, world, &expected, |sight| judge_one(check, &expected, sight, world))
}

fn judge_one(check: &RestartPolicy, expected: &str, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let container = &sight.container;
    let configured = container.host_config.restart_policy.as_ref();
    let restarts = container.restart_count;
    let evidence = Evidence::one(Observation::now(
        Vantage::Model,
        "declared restart policy",
        sight.declared.restart.clone(),
    ))
    .and(Observation::now(
        Vantage::Engine,
        format!("restart policy, restarts and state of {name}"),
        json!([configured, restarts, container.state.status]),
    ));
    let engine = configured.and_then(|policy| {
        Policy::of(
            policy.name.as_deref().unwrap_or_default(),
            policy.maximum_retry_count.unwrap_or_default(),
        )
    });
    let stated = Policy::parse(&check.policy);
    let declared = Policy::parse(&sight.declared.restart);
    let show = |policy: Option<Policy>| policy.map_or("unknown".to_owned(), |p| p.to_string());
    let (verdict, text) = if declared != stated {
        (Verdict::Broken, format!("{} is stated, {} is declared", show(stated), show(declared)))
    } else if engine.is_none() {
        (Verdict::Inconclusive, "the engine tells no policy".to_owned())
    } else if engine != declared {
        (
            Verdict::Broken,
            format!("{} is declared, the engine has {}", show(declared), show(engine)),
        )
    } else {
        settle(container, engine, world.attached)
    };
    Finding::new(verdict, expected, evidence)
        .observed(format!("{}, {} restarts", show(engine), restarts.unwrap_or_default()))
        .message(text)
        .reproduce(format!(
            "docker inspect {name} --format '{{{{json .HostConfig.RestartPolicy}}}} {{{{.RestartCount}}}}'"
        ))
}

/// Judges what a policy that is as it should be has had to do.
fn settle(container: &Container, policy: Option<Policy>, attached: bool) -> (Verdict, String) {
    let state = &container.state;
    let policy = policy.map_or("unknown".to_owned(), |policy| policy.to_string());
    let Some(count) = container.restart_count else {
        return (Verdict::Inconclusive, "the engine counts no restarts".to_owned());
    };
    let status = state.status.as_deref().unwrap_or("in an unknown state");
    let code = state.exit_code.unwrap_or_default();
    match status {
        "running" | "paused" if count == 0 => {
            (Verdict::Held, format!("{policy}, no restart so far"))
        }
        // A stack that has run for weeks may have had its restarts; a fresh one may not.
        "running" | "paused" if attached => since_restart(container, &policy, count),
        // It is over, and the policy let it end.
        "exited"
            if count == 0
                && code == 0
                && ["no", "on-failure"].iter().any(|p| policy.starts_with(p)) =>
        {
            (Verdict::Held, format!("{policy}, no restart so far"))
        }
        "restarting" => again(count, code),
        _ if count > 0 => again(count, code),
        // Whoever stopped it, that it need not be started again is not seen.
        "exited" => (Verdict::Inconclusive, format!("it does not run: it has exited with {code}")),
        _ => (Verdict::Inconclusive, format!("it does not run: it is {status}")),
    }
}

fn again(count: i64, code: i64) -> (Verdict, String) {
    (Verdict::Broken, format!("it was started again {count} times: it ends with {code}"))
}

/// Judges a service that runs, but was started again.
fn since_restart(container: &Container, policy: &str, count: i64) -> (Verdict, String) {
    let started = container.state.started_at.as_deref().and_then(|at| at.parse().ok());
    let (Some(started), Some(looked)) = (started, container.inspected) else {
        let text = format!("{count} restarts so far; the engine does not say when");
        return (Verdict::Inconclusive, text);
    };
    let runs = Timestamp::duration_since(looked, started);
    let seconds = runs.as_secs();
    if runs >= SETTLED {
        let text = format!("{policy}; {count} restarts so far, the last one {seconds} s ago");
        return (Verdict::Held, text);
    }
    let text = format!(
        "it was started again {count} times, the last time {seconds} s ago: that it goes on was \
         not seen"
    );
    (Verdict::Inconclusive, text)
}
