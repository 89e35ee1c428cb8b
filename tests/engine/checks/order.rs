//! `starts-in-any-order`: what a service does that is there before what it depends on.

use rstest::rstest;
use serde_json::json;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive, Skipped};
use stackproof::world::{Act, Late};

use super::stage::{BASE, Configure, Stage};
use super::world::{WEB, placed, reply, said, seen, unseen};

/// Each but the last brings back a stack that is as before.
const STACK: &str = "
x-python: &python
  image: stackproof-base/python:3.11-slim
  stop_signal: SIGKILL
  depends_on: {late: {condition: service_healthy}}
x-health: &health
  test: [CMD, test, -e, /tmp/ready]
  interval: 1s
  timeout: 2s
  retries: 4
x-script: &script |
  import os, socket, sys, time
  if os.path.exists('/tmp/ready'): os.remove('/tmp/ready')
  while True:
      try:
          socket.create_connection(('late', 8000), 1)
          open('/tmp/ready', 'w').close()
      except OSError:
          if sys.argv[1] == 'ends': sys.exit(7)
          if sys.argv[1] == 'tries-again': time.sleep(0.2); continue
      time.sleep(600)
services:
  late:
    image: stackproof-base/python:3.11-slim
    stop_signal: SIGKILL
    command: [python3, -m, http.server, \"8000\"]
    healthcheck:
      <<: *health
      test: [CMD, python3, -c, \"import socket; socket.create_connection(('127.0.0.1', 8000), 1)\"]
      retries: 20
  never-there: {image: IMAGE, scale: 0}
  waits: {<<: *python, command: [python3, -c, *script, tries-again], healthcheck: *health}
  crashes: {<<: *python, command: [python3, -c, *script, ends], healthcheck: *health, restart: always}
  says-nothing: {<<: *python, command: [python3, -c, *script, tries-again]}
  gives-up: {<<: *python, command: [python3, -c, *script, tries-once], healthcheck: *health}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_waits_holds_and_one_that_crashes_or_gives_up_is_broken() {
    let mut stage = Stage::new();
    let check = |further: &str| {
        format!("starts-in-any-order: {{delayed: [late], delay: 4s, within: 20s{further}}}")
    };
    stage.expect(
        "waits",
        &check(""),
        Held,
        "without late for 4 s, it did not end, and was healthy",
    );
    stage.expect("crashes", &check(""), Broken, "it did not wait for late: it ended ");
    stage.expect("crashes", &check(", restarts: 100"), Held, "times with 7, and was healthy");
    let silent = "has no health check: whether it serves was not seen";
    stage.expect("says-nothing", &check(""), Inconclusive, silent);
    let never = check("").replace("[late]", "[never-there]");
    stage.expect("waits", &never, Inconclusive, "service never-there has no container");
    let late = "it was not healthy within 6 s after late was";
    stage.expect("gives-up", &check("").replace("20s", "6s"), Broken, late);
    let disturbed = "the stack is not as before: gives-up is not well";
    stage.expect("waits", &check(""), Inconclusive, disturbed);
    let record = stage.judge_own(STACK, &format!("prepare: [[{BASE}]]"));
    assert_eq!(record.aborted, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_somebody_else_is_not_stopped() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 2] = [("first", |c| c), ("late", |c| c)];
    stage.start(services).await;
    let why = "not asked: it stops and starts containers, and --attach does not";
    stage.expect("first", "starts-in-any-order: {delayed: [late]}", Skipped, why);
    stage.judge();
}

fn waited() -> Late {
    Late {
        delay_ms: 20_000,
        without: "unhealthy".to_owned(),
        ends: 0,
        exit_code: None,
        healthy_after_ms: Some(1500),
        has_health_check: true,
    }
}

fn ended(late: &mut Late, times: u64) {
    (late.ends, late.exit_code) = (times, Some(1));
}

#[rstest]
#[case::waits(0, |_: &mut Late| {}, Held, "unhealthy without late for 20 s, it did not end, and was healthy 1500 ms after late was")]
#[case::ended(0, |late: &mut Late| ended(late, 1), Broken, "it did not wait for late: it ended 1 times with 1")]
#[case::as_often_as_it_may(2, |late: &mut Late| ended(late, 2), Held, "it ended 2 times with 1, and was healthy")]
#[case::more_often(2, |late: &mut Late| ended(late, 3), Broken, "it ended 3 times with 1")]
#[case::ended_unheard(0, |late: &mut Late| late.ends = 1, Broken, "it ended 1 times")]
#[case::not_in_time(0, |late: &mut Late| late.healthy_after_ms = None, Broken, "it was not healthy within 60 s after late was")]
#[case::no_health_check(0, |late: &mut Late| late.has_health_check = false, Inconclusive, "has no health check")]
#[case::crash_without_health_check(0, |late: &mut Late| { late.has_health_check = false; ended(late, 9); }, Broken, "it ended 9 times")]
fn what_was_seen_is_judged(
    #[case] restarts: u64,
    #[case] change: impl FnOnce(&mut Late),
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = seen(json!({}), json!({}), reply(&[]));
    world.attached = false;
    let mut late = waited();
    change(&mut late);
    world.note("starts-in-any-order", WEB, Ok(Act::Late(late)));
    let parameters = json!({"delayed": [placed("late")], "restarts": restarts});
    let finding = said("starts-in-any-order", parameters, &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[test]
fn what_was_not_done_shows_nothing() {
    let delayed = json!({"delayed": [placed("late")]});
    let mut world = seen(json!({}), json!({}), reply(&[]));
    world.attached = false;
    let finding = said("starts-in-any-order", delayed.clone(), &world);
    let expected = (Inconclusive, "the act of starts-in-any-order was not done");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
    let mut world = unseen(json!({}));
    world.attached = false;
    let finding = said("starts-in-any-order", delayed, &world);
    let expected = (Inconclusive, "service web has no container");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
}
