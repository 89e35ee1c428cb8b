//! `restart-policy`: the service is started again as the document says, and has not had to be
//! (CIS 5.15). A policy hides a crash loop from whoever only looks whether the service runs.

use serde_json::json;

use super::{Finding, each_container};
use crate::compose::restart::Policy;
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::RestartPolicy;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

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
    let looping = container.state.status.as_deref() == Some("restarting");
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
        match restarts {
            None => (Verdict::Inconclusive, "the engine counts no restarts".to_owned()),
            Some(0) if !looping => (Verdict::Held, format!("{}, no restart so far", show(engine))),
            // A stack that has run for weeks may have had its restarts; a fresh one may not.
            Some(count) if world.attached && !looping => {
                (Verdict::Held, format!("{}; {count} restarts so far", show(engine)))
            }
            Some(count) => {
                let code = container.state.exit_code.unwrap_or_default();
                let text = format!("it was started again {count} times: it ends with {code}");
                (Verdict::Broken, text)
            }
        }
    };
    Finding::new(verdict, expected, evidence)
        .observed(format!("{}, {} restarts", show(engine), restarts.unwrap_or_default()))
        .message(text)
        .reproduce(format!(
            "docker inspect {name} --format '{{{{json .HostConfig.RestartPolicy}}}} {{{{.RestartCount}}}}'"
        ))
}
