//! `healthy`: the service has a health check that asks something, the check passes, and it fails
//! when the service is stopped (CIS 4.6, 5.27). A check that passes while the service is stopped
//! would pass whatever happens.

use serde_json::json;

use super::{Finding, each_container};
use crate::engine::container::Healthcheck;
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::Healthy;
use crate::verdict::Verdict;
use crate::world::{Act, Sight, World};

pub(super) fn judge(check: &Healthy, service: &str, world: &World) -> Finding {
    let expected = if check.when_stopped {
        "a health check that passes, and fails while the service is stopped"
    } else {
        "a health check that passes"
    };
    each_container(service, world, expected, |sight| judge_one(check, expected, sight, world))
}

fn judge_one(check: &Healthy, expected: &str, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker inspect {name} --format '{{{{json .State.Health}}}}'; docker pause {name}; \
         sleep 10; docker inspect {name} --format '{{{{.State.Health.Status}}}}'; docker unpause {name}"
    );
    let health = &sight.container.state.health;
    let configured = &sight.container.config.healthcheck;
    let mut evidence = Evidence::one(Observation::now(
        Vantage::Engine,
        format!("health check of {name}"),
        json!({"configured": configured, "state": health}),
    ));
    let finding = |evidence: Evidence, verdict, text: String| {
        Finding::new(verdict, expected, evidence)
            .observed(text.clone())
            .message(text)
            .reproduce(reproduce.clone())
    };
    if let Some(why) = fault(configured.as_ref()) {
        return finding(evidence, Verdict::Broken, why);
    }
    // While nothing of the container runs, its health check says nothing of the service.
    if !sight.container.is_running() {
        return finding(evidence, Verdict::Inconclusive, "the container does not run".to_owned());
    }
    if sight.container.state.paused == Some(true) {
        return finding(evidence, Verdict::Inconclusive, "the container is paused".to_owned());
    }
    let status = health.as_ref().and_then(|health| health.status.as_deref()).unwrap_or("unknown");
    if status != "healthy" {
        let verdict = if status == "unhealthy" { Verdict::Broken } else { Verdict::Inconclusive };
        return finding(evidence, verdict, format!("the health check says {status}"));
    }
    if !check.when_stopped {
        let text = "it passes; whether it can fail was not tried";
        return finding(evidence, Verdict::Held, text.to_owned());
    }
    let stop = match world.act("healthy", &sight.container.id, Act::stop) {
        Ok(stop) => stop,
        Err(why) => return finding(evidence, Verdict::Inconclusive, why),
    };
    evidence.extend([Observation::now(Vantage::Engine, "while stopped", json!(stop))]);
    let within = check.within.0.as_secs();
    match (stop.unhealthy_after_ms, stop.healthy_after_ms) {
        (None, _) => {
            let text = format!("it still passed {within} s after every process was stopped");
            finding(evidence, Verdict::Broken, text)
        }
        (Some(_), None) => {
            let text = format!("it did not pass again within {within} s of continuing");
            finding(evidence, Verdict::Broken, text)
        }
        (Some(down), Some(up)) => finding(
            evidence,
            Verdict::Held,
            format!(
                "it passes; stopped, it failed after {down} ms, and passed again after {up} ms"
            ),
        ),
    }
}

/// Whether stopping the service would show anything: not where the health check is none, or
/// fails already.
#[must_use]
pub fn worth_stopping(sight: &Sight) -> bool {
    let health = sight.container.state.health.as_ref();
    let status = health.and_then(|health| health.status.as_deref());
    fault(sight.container.config.healthcheck.as_ref()).is_none() && status == Some("healthy")
}

/// What is wrong with a health check as it is configured.
fn fault(configured: Option<&Healthcheck>) -> Option<String> {
    let none = || Some("there is no health check".to_owned());
    let Some(test) = configured.and_then(|healthcheck| healthcheck.test.as_ref()) else {
        return none();
    };
    match test.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["NONE"] | ["CMD"] => none(),
        ["CMD-SHELL", command] if is_trivial(command) => {
            Some(format!("the health check asks nothing: {command}"))
        }
        ["CMD", command @ ..] if is_trivial(&command.join(" ")) => {
            Some(format!("the health check asks nothing: {}", command.join(" ")))
        }
        _ => None,
    }
}

/// Commands that succeed whatever the service does.
fn is_trivial(command: &str) -> bool {
    let command = command.trim().trim_end_matches(';').trim();
    matches!(command, "true" | "/bin/true" | "/usr/bin/true" | "exit 0" | ":" | "")
        || command.starts_with("echo ") && !command.contains(['&', '|', ';', '`', '$'])
        || command.starts_with("sh -c ")
            && is_trivial(command["sh -c ".len()..].trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("true", true)]
    #[case("exit 0", true)]
    #[case(" exit 0; ", true)]
    #[case("echo ok", true)]
    #[case("sh -c 'exit 0'", true)]
    #[case("echo $(curl localhost)", false)]
    #[case("curl -f http://localhost:8000/health", false)]
    fn a_command_that_asks_nothing_is_known(#[case] command: &str, #[case] trivial: bool) {
        assert_eq!(is_trivial(command), trivial);
    }

    #[rstest]
    #[case(None, true)]
    #[case(Some(vec!["NONE"]), true)]
    #[case(Some(vec!["CMD-SHELL", "exit 0"]), true)]
    #[case(Some(vec!["CMD", "true"]), true)]
    #[case(Some(vec!["CMD", "redis-cli", "ping"]), false)]
    fn a_health_check_that_is_none_is_a_fault(
        #[case] test: Option<Vec<&str>>,
        #[case] is_fault: bool,
    ) {
        let test = test.map(|words| words.into_iter().map(str::to_owned).collect());
        let healthcheck = Healthcheck { test, ..Default::default() };
        assert_eq!(fault(Some(&healthcheck)).is_some(), is_fault);
    }
}
