//! `oom-contained`: memory runs out inside a service, and what becomes of the service.

use std::time::Duration;

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive};
use testcontainers::ImageExt;
use testcontainers::bollard::models::HostConfig;
use testcontainers::core::Healthcheck;

use super::super::stack::{docker, wait_until};
use super::stage::{BASE, Configure, Stage};

fn limited(host: &mut HostConfig) {
    host.memory = Some(64 << 20);
    host.memory_swap = Some(64 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_lives_on_holds_and_one_without_a_limit_is_broken() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 5] = [
        ("limited", |c| c.with_host_config_modifier(limited)),
        ("unlimited", |c| c),
        ("never-looks-healthy-again", |c| {
            let rare = Healthcheck::cmd(["/probe", "euid"]).with_interval(Duration::from_secs(600));
            c.with_health_check(rare).with_host_config_modifier(limited)
        }),
        ("above-the-host", |c| c.with_host_config_modifier(|host| host.memory = Some(1 << 50))),
        ("paused", |c| c.with_host_config_modifier(limited)),
    ];
    stage.start(services).await;
    docker(&["pause", &stage.container("paused")]);
    let within = "oom-contained: {healthy_within: 2s}";
    let late = "it was not healthy again within 2 s";
    stage.expect(
        "limited",
        "oom-contained",
        Held,
        "1 kills in its own cgroup at a limit of 64.0 MiB; PID 1 lived on",
    );
    stage.expect("unlimited", "oom-contained", Broken, "no memory limit, so nothing contains it");
    stage.expect("never-looks-healthy-again", within, Broken, late);
    stage.expect(
        "above-the-host",
        "oom-contained",
        Inconclusive,
        "bytes would exhaust the host first",
    );
    stage.expect("paused", "oom-contained", Inconclusive, "is paused");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_unwell_before_an_act_does_not_end_the_acts() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 2] = [
        ("ill", |c| {
            let failing = Healthcheck::cmd(["/probe", "nothing"]).with_retries(1);
            c.with_health_check(failing.with_interval(Duration::from_millis(500)))
        }),
        ("limited", |c| c.with_host_config_modifier(limited)),
    ];
    stage.start(services).await;
    let ill = stage.container("ill");
    wait_until("a failed health check", || {
        docker(&["inspect", "--format={{.State.Health.Status}}", &ill]) == "unhealthy"
    });
    stage.expect("limited", "oom-contained", Held, "PID 1 lived on");
    stage.expect("limited", "oom-contained", Held, "PID 1 lived on");
    stage.judge();
}

/// Python holds most of the limit and offers itself to the kernel, so that it is the victim.
const STACK: &str = "
x-victim: &victim
  image: stackproof-base/python:3.11-slim
  command: [python3, -c, \"import time; held = b'x' * (96 << 20); time.sleep(600)\"]
  mem_limit: 128m
  memswap_limit: 128m
  oom_score_adj: 1000
  stop_signal: SIGKILL
services:
  restarted: {<<: *victim, restart: always}
  left-dead: *victim
";

#[tokio::test(flavor = "multi_thread")]
async fn a_victim_that_is_pid_1_holds_if_it_is_restarted_as_declared_and_is_broken_if_not() {
    let mut stage = Stage::new();
    stage.expect("restarted", "oom-contained", Held, "it was restarted (always); healthy after");
    stage.expect(
        "left-dead",
        "oom-contained: {healthy_within: 3s}",
        Broken,
        "it did not recover within 3 s: it does not run",
    );
    let record = stage.judge_own(STACK, &format!("prepare: [[{BASE}]]"));
    assert_eq!(record.aborted, None);
}
