//! `healthy`: a health check that passes, and fails when the service is stopped.

use std::time::Duration;

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive};
use testcontainers::ImageExt;
use testcontainers::core::{Healthcheck, WaitFor};

use super::super::stack::{docker, wait_until};
use super::stage::{BASE, Configure, Stage};

fn quick(check: Healthcheck) -> Healthcheck {
    check.with_interval(Duration::from_millis(500)).with_retries(1)
}

/// Passes whatever the service does: it asks the health check's own process.
fn passing() -> Healthcheck {
    quick(Healthcheck::cmd(["/probe", "euid"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_is_none_or_fails_is_broken() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 6] = [
        ("none", |c| c),
        ("asks-nothing", |c| c.with_health_check(quick(Healthcheck::cmd_shell("exit 0")))),
        ("turned-off", |c| c.with_health_check(Healthcheck::none())),
        ("fails", |c| c.with_health_check(quick(Healthcheck::cmd(["/probe", "nothing"])))),
        ("undecided", |c| {
            let rare = Healthcheck::cmd(["/probe", "euid"]).with_interval(Duration::from_secs(600));
            c.with_health_check(rare)
        }),
        ("passes", |c| {
            let ready = vec![WaitFor::healthcheck()];
            c.with_health_check(passing()).with_ready_conditions(ready)
        }),
    ];
    stage.start(services).await;
    let fails = stage.container("fails");
    wait_until("a failed health check", || {
        docker(&["inspect", "--format={{.State.Health.Status}}", &fails]) == "unhealthy"
    });
    let untried = "healthy: {when_stopped: false}";
    stage.expect("none", "healthy", Broken, "there is no health check");
    stage.expect("turned-off", "healthy", Broken, "there is no health check");
    stage.expect("asks-nothing", "healthy", Broken, "the health check asks nothing: exit 0");
    stage.expect("asks-nothing", untried, Broken, "the health check asks nothing: exit 0");
    stage.expect("fails", untried, Broken, "the health check says unhealthy");
    stage.expect("undecided", untried, Inconclusive, "the health check says starting");
    stage.expect("passes", untried, Held, "it passes; whether it can fail was not tried");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_cannot_fail_is_broken() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 2] = [
        ("cannot-fail", |c| {
            let ready = vec![WaitFor::healthcheck()];
            c.with_health_check(passing()).with_ready_conditions(ready)
        }),
        ("paused", |c| {
            let ready = vec![WaitFor::healthcheck()];
            c.with_health_check(passing()).with_ready_conditions(ready)
        }),
    ];
    stage.start(services).await;
    docker(&["pause", &stage.container("paused")]);
    let check = "healthy: {within: 4s}";
    stage.expect(
        "cannot-fail",
        check,
        Broken,
        "it still passed 4 s after every process was stopped",
    );
    stage.expect("paused", check, Inconclusive, "the container is paused");
    stage.judge();
    let pid = docker(&["inspect", "--format={{.State.Pid}}", &stage.container("cannot-fail")]);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("State:\tS"), "it was left stopped: {status}");
}

const STACK: &str = "
services:
  served:
    image: stackproof-base/python:3.11-slim
    command: [python3, -m, http.server, \"8000\"]
    stop_signal: SIGKILL
    healthcheck:
      test: [CMD, python3, -c, \"import urllib.request as r; r.urlopen('http://127.0.0.1:8000', timeout=1)\"]
      interval: 1s
      timeout: 2s
      retries: 1
      start_period: 30s
";

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_asks_the_service_holds() {
    let mut stage = Stage::new();
    stage.expect("served", "healthy", Held, "it passes; stopped, it failed after ");
    let record = stage.judge_own(STACK, &format!("prepare: [[{BASE}]]"));
    assert_eq!(record.aborted, None);
}
