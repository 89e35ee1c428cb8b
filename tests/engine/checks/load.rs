//! `load`: a service is asked for much, on real servers and in worlds made by hand.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::json;
use stackproof::probe::Question;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive};
use stackproof::world::load::{Answered, Load, Quantiles};
use stackproof::world::neighbours::{Neighbour, Neighbours, Standing};
use stackproof::world::{Act, World};

use super::super::stack::docker;
use super::stage::{BASE, Configure, Stage};
use super::world::{WEB, reply, said, seen};

/// Servers that answer at once, one after another after a pause, or when another has answered.
const STACK: &str = r#"
x-server: &server
  image: stackproof-base/python:3.11-slim
  entrypoint:
    - python3
    - -c
    - |
      import http.server, sys, time, urllib.request
      pause, asks = float(sys.argv[1]), sys.argv[2:]
      class Handler(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              time.sleep(pause)
              for other in asks:
                  urllib.request.urlopen(other).read()
              self.send_response(200 if self.path == "/" else 404)
              self.send_header("Content-Length", "0")
              self.end_headers()
          def log_message(self, *words):
              pass
      server = http.server.HTTPServer if pause else http.server.ThreadingHTTPServer
      server.request_queue_size = 128
      server(("", 8000), Handler).serve_forever()
  command: ["0"]
  stop_signal: SIGKILL
  cpus: 1
  mem_limit: 128m
  healthcheck:
    test: [CMD, python3, -c, "import socket; socket.create_connection(('127.0.0.1', 8000))"]
    interval: 2s
    timeout: 10s
services:
  quick: *server
  slow:
    <<: *server
    command: ["0.02"]
  behind-slow:
    <<: *server
    command: ["0", "http://slow:8000/"]
    depends_on: [slow]
  unlimited: {<<: *server, cpus: 0, mem_limit: 0}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_bears_it_holds_and_slow_failing_unlimited_and_shut_ones_do_not() {
    let mut stage = Stage::new();
    let shape = "port: 8000, rate: 100, duration: 2s, neighbours: false";
    let quick = format!("load: {{{shape}, path: /, p95: 2s, p99: 4s}}");
    stage.expect("quick", &quick, Held, "200 of 200 requests answered at 100 a second");
    // It answers 50 requests a second of 100, so the last waits for as long as they are sent.
    let slow = "load: {port: 8000, path: /, rate: 100, duration: 4s, neighbours: false, p95: 1s}";
    stage.expect("slow", slow, Broken, "95 % were answered within");
    let missing = format!("load: {{{shape}, path: /missing, max_errors: 0.5}}");
    let failed = "200 of 200 requests failed: 200 times status 404";
    stage.expect("quick", &missing, Broken, failed);
    let none = "there is no CPU limit to stay within; there is no memory limit to stay within";
    stage.expect("unlimited", &format!("load: {{{shape}, path: /}}"), Broken, none);
    let allowed = format!("load: {{{shape}, path: /, within_limits: false}}");
    stage.expect("unlimited", &allowed, Held, "200 of 200 requests answered");
    let shut = "load: {port: 8001, path: /, neighbours: false}";
    let refused = "does not answer before anything is done";
    stage.expect("quick", shut, Inconclusive, refused);
    let watched = "load: {port: 8000, path: /, rate: 100, duration: 2s, \
                   watch: [{service: unlimited, port: 8000, path: /}], latency_budget: {floor: 1s}}";
    stage.expect(
        "quick",
        watched,
        Held,
        "3 others went on as before; 1 asked, slowest 95 % of GET / of unlimited:8000",
    );
    let noticed = "load: {port: 8000, path: /, rate: 100, duration: 3s, \
                   watch: [{service: behind-slow, port: 8000, path: /}]}";
    stage.expect("slow", noticed, Broken, "95 % of GET / of behind-slow:8000");
    let record = stage.judge_own(STACK, &format!("prepare: [[{BASE}]]"));
    assert_eq!(record.aborted, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_address_or_is_paused_is_not_asked() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 2] = [("alone", |c| c), ("paused", |c| c)];
    stage.start(services).await;
    docker(&["pause", &stage.container("paused")]);
    let load = "load: {port: 80, path: /, within_limits: false}";
    let nowhere = "has no address at which it could be asked";
    stage.expect("alone", load, Inconclusive, nowhere);
    stage.expect("paused", load, Inconclusive, "is paused");
    stage.judge();
}

/// A limit of one core and 64 MiB, as the kernel of a host with two cores and 8 GiB shows it.
fn limits(cpu: &str, memory: &str) -> serde_json::Value {
    let files = json!({"cpu.max": cpu, "memory.max": memory});
    json!({
        "version": 2, "genuine": true, "folders": {}, "files": files, "swaps": "", "meminfo": "",
        "online": "0-1",
    })
}

fn borne() -> Load {
    let latency = Quantiles { p50_us: 2_000, p95_us: 20_000, p99_us: 40_000, max_us: 50_000 };
    let answers = Answered {
        requests: 1000,
        rate: 200.0,
        connections: 10,
        answered: 1000,
        errors: BTreeMap::new(),
        latency,
        took_ms: 5000,
        own_delay_us: 2_000,
        own_cores: 0.1,
        sent_late_us: 2_000,
    };
    Load {
        asked: "http://172.18.0.2:80/".to_owned(),
        answers,
        cpu: Ok(0.5),
        memory: Ok(32 << 20),
        oom_kills: Some(0),
        ended: None,
        neighbours: None,
    }
}

fn failing(load: &mut Load, times: u64) {
    load.answers.answered -= times;
    load.answers.errors.insert("status 503".to_owned(), times);
}

fn neighbour(running: bool) -> Neighbours {
    let standing = |running| Standing {
        running,
        started_at: None,
        restarts: 0,
        health: None,
        processes: Err("nobody looked".to_owned()),
        oom_kills: Ok(0),
    };
    let other = Neighbour {
        service: "db".to_owned(),
        container: "db-1".to_owned(),
        before: Ok(standing(true)),
        after: Ok(standing(running)),
        events: vec![],
    };
    Neighbours { others: vec![other], latency: vec![] }
}

fn world(limits: serde_json::Value) -> World {
    seen(json!({}), json!({}), reply(&[(Question::Cgroup, limits)]))
}

#[rstest]
#[case::all_well(|_: &mut Load| {}, Held, "95 % within 20.0 ms")]
#[case::its_limits(|_: &mut Load| {}, Held, "it used 0.50 CPU of 1 CPU; it had 32.0 MiB of 64.0 MiB")]
#[case::few_errors(|load: &mut Load| failing(load, 10), Held, "10 of 1000 requests failed: 10 times status 503")]
#[case::many_errors(|load: &mut Load| failing(load, 11), Broken, "11 of 1000 requests failed: 11 times status 503")]
#[case::no_answer_at_all(|load: &mut Load| failing(load, 1000), Broken, "1000 of 1000 requests failed")]
#[case::nothing_was_asked(|load: &mut Load| load.answers = Answered::default(), Inconclusive, "only 0 came to anything")]
#[case::not_all_came_back(|load: &mut Load| load.answers.answered = 900, Inconclusive, "of 1000 requests only 900 came to anything")]
#[case::late(|load: &mut Load| load.answers.latency.p95_us = 30_001, Broken, "95 % were answered within 30.0 ms, at most 30.0 ms")]
#[case::in_time_although_we_were_slow(
    |load: &mut Load| load.answers.own_delay_us = 90_000, Held, "95 % were answered within 20.0 ms"
)]
#[case::late_because_we_were_slow(
    |load: &mut Load| { load.answers.own_delay_us = 10_001; load.answers.latency.p95_us = 30_001; },
    Inconclusive,
    "that this machine was itself 10.0 ms late at times may have caused it"
)]
#[case::later_than_we_were(
    |load: &mut Load| { load.answers.own_delay_us = 10_001; load.answers.latency.p95_us = 230_021; },
    Broken,
    "95 % were answered within 230.0 ms"
)]
#[case::very_late(|load: &mut Load| load.answers.latency.p99_us = 70_000, Broken, "99 % were answered within 70.0 ms, at most 60.0 ms")]
#[case::slow_ourselves(|load: &mut Load| load.answers.own_delay_us = 100_001, Inconclusive, "this machine could not send as intended")]
#[case::slow_ourselves_and_failing(
    |load: &mut Load| { load.answers.own_delay_us = 100_001; failing(load, 1000); }, Inconclusive, "could not send as intended"
)]
#[case::too_busy_ourselves(
    |load: &mut Load| { load.answers.own_cores = 0.9; load.answers.sent_late_us = 10_001; },
    Inconclusive,
    "this machine could not send 200 requests a second: it used 0.90 cores"
)]
#[case::busy_and_in_time(|load: &mut Load| load.answers.own_cores = 0.9, Held, "1000 of 1000")]
#[case::a_service_that_falls_behind(|load: &mut Load| load.answers.sent_late_us = 9_000_000, Held, "1000 of 1000")]
#[case::above_its_cpu_limit(|load: &mut Load| load.cpu = Ok(1.06), Broken, "it used 1.06 CPU of 1 CPU")]
#[case::at_its_cpu_limit(|load: &mut Load| load.cpu = Ok(1.04), Held, "it used 1.04 CPU of 1 CPU")]
#[case::cpu_not_seen(|load: &mut Load| load.cpu = Err("no counter".to_owned()), Inconclusive, "its CPU usage: no counter")]
#[case::above_its_memory_limit(|load: &mut Load| load.memory = Ok(65 << 20), Broken, "it had 65.0 MiB of 64.0 MiB")]
#[case::memory_not_seen(|load: &mut Load| load.memory = Err("its memory is not to be seen".to_owned()), Inconclusive, "is not to be seen")]
#[case::killed(|load: &mut Load| load.oom_kills = Some(2), Broken, "memory ran out, and 2 of it were killed")]
#[case::kills_not_counted(|load: &mut Load| load.oom_kills = None, Held, "it had 32.0 MiB")]
#[case::started_again(|load: &mut Load| load.ended = Some("it was started again".to_owned()), Broken, "under the load it was started again")]
#[case::a_neighbour_fell(|load: &mut Load| load.neighbours = Some(neighbour(false)), Broken, "db-1 does not run any more")]
#[case::a_neighbour_not_seen(|load: &mut Load| load.neighbours = Some(neighbour(true)), Inconclusive, "nobody looked")]
#[case::no_neighbour(
    |load: &mut Load| load.neighbours = Some(Neighbours { others: vec![], latency: vec![] }),
    Held,
    "no other service runs that could notice"
)]
fn a_load_is_judged_by_every_part_of_it(
    #[case] change: impl FnOnce(&mut Load),
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut load = borne();
    change(&mut load);
    let mut world = world(limits("100000 100000", "67108864"));
    world.note("load", WEB, Ok(Act::Load(Box::new(load))));
    let finding = said("load", parameters(), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

fn parameters() -> serde_json::Value {
    json!({
        "port": 80, "path": [0, 0, 0, "/"], "max_errors": 0.01, "p95": "30ms", "p99": "60ms",
    })
}

#[rstest]
#[case::cpu(
    "200000 100000",
    "67108864",
    Held,
    "it used 0.50 CPU of 2 CPU, which is not judged: that limit cannot bind on a host with 2 processors"
)]
#[case::memory(
    "100000 100000",
    "8589934592",
    Held,
    "it had 32.0 MiB of 8.00 GiB, which is not judged"
)]
#[case::no_cpu("max 100000", "67108864", Broken, "there is no CPU limit to stay within")]
#[case::no_memory("100000 100000", "max", Broken, "there is no memory limit to stay within")]
#[case::not_understood("what", "67108864", Inconclusive, "its CPU limit: ")]
fn a_limit_that_cannot_bind_is_not_judged_and_none_is_broken(
    #[case] cpu: &str,
    #[case] memory: &str,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = world(limits(cpu, memory));
    world.note("load", WEB, Ok(Act::Load(Box::new(borne()))));
    let finding = said("load", parameters(), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
    let mut parameters = parameters();
    parameters["within_limits"] = json!(false);
    assert_eq!(said("load", parameters, &world).verdict, Held);
}

#[test]
fn no_limit_is_broken_whatever_became_of_the_load() {
    let mut world = world(limits("max 100000", "67108864"));
    world.note("load", WEB, Err("the engine did not answer".to_owned()));
    let finding = said("load", parameters(), &world);
    let expected = (Broken, "there is no CPU limit to stay within");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
}

#[test]
fn a_load_that_was_not_put_on_shows_nothing() {
    let finding = said("load", parameters(), &world(json!({})));
    let expected = (Inconclusive, "the act of load was not done");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
}
