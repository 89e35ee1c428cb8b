//! `oom-blast-radius`, and stress by a program of the image: what the neighbours of a service
//! notice when it runs out of memory.

use std::os::unix::fs::PermissionsExt;

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::probe::Question;
use stackproof::probe::answer::Cgroup;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive};
use stackproof::world::neighbours::{Lived, Neighbour, Neighbours, Standing};
use stackproof::world::{Act, Blast, Oom, World};

use super::stage::{BASE, Stage};
use super::world::{WEB, reply, said, seen};

fn cgroup(files: Value) -> Cgroup {
    let whole = json!({
        "version": 2, "genuine": true, "folders": {}, "files": files, "swaps": "",
        "meminfo": "MemTotal: 8000000 kB", "online": "0-1",
    });
    serde_json::from_value(whole).unwrap()
}

fn kills(count: u64) -> Cgroup {
    cgroup(json!({"memory.events.local": format!("oom_kill {count}"), "memory.peak": "67108864"}))
}

fn world(limit: &str) -> World {
    let inside = json!(cgroup(json!({"memory.max": limit})));
    seen(json!({}), json!({}), reply(&[(Question::Cgroup, inside)]))
}

/// Memory ran out, and the one neighbour stands as before.
fn unnoticed() -> Blast {
    let standing = || Standing {
        running: true,
        started_at: None,
        restarts: 0,
        health: None,
        processes: Ok(vec![Lived { pid: 1, started: Some(1), name: "db".to_owned() }]),
        oom_kills: Ok(0),
    };
    let neighbour = Neighbour {
        service: "db".to_owned(),
        container: "db-1".to_owned(),
        before: Ok(standing()),
        after: Ok(standing()),
        events: vec![],
    };
    Blast {
        oom: Oom {
            before: kills(0),
            after: kills(1),
            command: None,
            touched: Some(60 << 20),
            exit_code: Some(137),
            complaint: String::new(),
            events: vec!["oom".to_owned()],
            died: vec![],
            restarts: (0, 0),
            oom_killed_flag: Some(false),
            healthy_after_ms: Some(5),
            fresh_exec: Ok(()),
            limit: 64 << 20,
        },
        neighbours: Neighbours { others: vec![neighbour], latency: vec![] },
    }
}

#[rstest]
#[case::unnoticed(|_: &mut Blast| {}, Held, "1 kills in web-1 at a limit of 64.0 MiB: 1 others went on as before")]
#[case::by_a_command(|blast: &mut Blast| { blast.oom.command = Some("stress-ng".into()); blast.oom.exit_code = Some(0); }, Held, "`stress-ng` ended with 0, as if nothing had been killed")]
#[case::without_effect(|blast: &mut Blast| blast.oom.after = kills(0), Inconclusive, "the kernel killed nothing in web-1")]
#[case::not_counted(|blast: &mut Blast| blast.oom.after = cgroup(json!({})), Inconclusive, "the kernel has no memory.events")]
#[case::noticed(|blast: &mut Blast| blast.neighbours.others[0].events.push("die".into()), Broken, "the engine reported die of db-1")]
#[case::not_seen(|blast: &mut Blast| blast.neighbours.others[0].after = Err("no reply".into()), Inconclusive, "db-1 after: no reply")]
#[case::alone(|blast: &mut Blast| blast.neighbours.others.clear(), Inconclusive, "no other service runs")]
fn neighbours_count_only_where_memory_ran_out(
    #[case] change: impl FnOnce(&mut Blast),
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = world("67108864");
    let mut blast = unnoticed();
    change(&mut blast);
    world.note("oom-blast-radius", WEB, Ok(Act::Blast(Box::new(blast))));
    let finding = said("oom-blast-radius", json!({}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[rstest]
#[case("max", Broken, "no memory limit")]
#[case("67108864", Inconclusive, "the act of oom-blast-radius was not done")]
fn without_the_act_nothing_is_held(
    #[case] limit: &str,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let finding = said("oom-blast-radius", json!({}), &world(limit));
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

/// A victim that offers itself to the kernel and says in a file how often it was started; and
/// neighbours that do or do not depend on that.
const STACK: &str = r#"
x-python: &python
  image: stackproof-base/python:3.11-slim
  stop_signal: SIGKILL
x-victim: &victim
  <<: *python
  command: [python3, -c, "import time; open('/starts/n', 'a').write('x'); held = b'x' * (96 << 20); time.sleep(600)"]
  mem_limit: 128m
  memswap_limit: 128m
  oom_score_adj: 1000
  restart: always
services:
  contained:
    image: IMAGE
    command: [/probe, hold]
    mem_limit: 64m
    memswap_limit: 64m
  unlimited:
    image: IMAGE
    command: [/probe, hold]
  calm: {<<: *python, command: [python3, -m, http.server, "8000"]}
  fatal: {<<: *victim, volumes: ["fatal:/starts"]}
  loses-a-process:
    <<: *python
    volumes: ["fatal:/starts:ro"]
    command:
      - python3
      - -c
      - |
        import os, time
        if os.fork() == 0:
            while not os.path.exists('/starts/n') or len(open('/starts/n').read()) < 2:
                time.sleep(0.05)
            os._exit(0)
        time.sleep(600)
    depends_on: [fatal]
  slowing: {<<: *victim, volumes: ["slowing:/starts"]}
  slows-down:
    <<: *python
    volumes: ["slowing:/starts:ro"]
    command:
      - python3
      - -c
      - |
        import http.server, time
        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                if len(open('/starts/n').read()) > 1: time.sleep(1)
                self.send_response(204)
                self.end_headers()
        http.server.ThreadingHTTPServer(('', 8000), Handler).serve_forever()
    depends_on: [slowing]
volumes: {fatal: {}, slowing: {}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_that_do_not_depend_go_on_and_those_that_do_are_found() {
    let mut stage = Stage::new();
    // A busy machine may make anybody slow; the one that becomes slow on purpose is slower still.
    let calm = "oom-blast-radius: {latency_budget: {floor: 4s}, watch: [{service: calm, port: 8000, \
                path: /}, {service: calm, port: 8000, send: \"GET / HTTP/1.0\\r\\n\\r\\n\"}]}";
    stage.expect("contained", calm, Held, "6 others went on as before; 2 asked, slowest 95 % of");
    stage.expect(
        "contained",
        "oom-blast-radius: {watch: [{service: calm, port: 9, path: /}]}",
        Inconclusive,
        "GET / of calm:9 has no answer before anything is done",
    );
    stage.expect(
        "contained",
        "oom-blast-radius: {watch: [{service: calm, port: 8000, path: /nothing}]}",
        Inconclusive,
        ":8000 answers 404 File not found",
    );
    stage.expect("unlimited", "oom-blast-radius", Broken, "the service has no memory limit");
    stage.expect("fatal", "oom-blast-radius", Broken, "lost python3 (pid");
    stage.expect(
        "slowing",
        "oom-blast-radius: {watch: [{service: slows-down, port: 8000, path: /}]}",
        Broken,
        "95 % of GET / of slows-down:8000",
    );
    stage.judge_own(STACK, &format!("prepare: [[{BASE}]]"));
}

/// A program that behaves as stress-ng does: a child of it uses the memory, and it exits with 0
/// whatever becomes of that.
const STRESS: &str = "#!/usr/bin/env python3
import os, sys
size = int(sys.argv[sys.argv.index('--vm-bytes') + 1].rstrip('b'))
if os.fork() == 0:
    held = b'x' * size
    os._exit(0)
os.wait()
";

const STRESSED: &str = "
x-idle: &idle
  image: stackproof-base/python:3.11-slim
  command: [sleep, '600']
  stop_signal: SIGKILL
services:
  has-it:
    <<: *idle
    mem_limit: 64m
    memswap_limit: 64m
    volumes: ['./stress-ng:/usr/bin/stress-ng:ro']
  lacks-it: {<<: *idle, mem_limit: 64m, memswap_limit: 64m}
  unlimited: {<<: *idle, volumes: ['./stress-ng:/usr/bin/stress-ng:ro']}
";

#[tokio::test(flavor = "multi_thread")]
async fn stress_ng_is_judged_by_the_kernels_counter_and_its_exit_code_is_only_told() {
    let mut stage = Stage::new();
    let program = stage.folder().join("stress-ng");
    std::fs::write(&program, STRESS).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let contained = "oom-contained: {stress: stress-ng}";
    let blast = "oom-blast-radius: {stress: stress-ng}";
    let said = "--timeout 10s` ended with 0, as if nothing had been killed";
    stage.expect("has-it", contained, Held, said);
    stage.expect("has-it", blast, Held, said);
    stage.expect("lacks-it", contained, Inconclusive, "the image has no stress-ng");
    stage.expect("lacks-it", blast, Inconclusive, "the image has no stress-ng");
    stage.expect("unlimited", contained, Broken, "the service has no memory limit");
    stage.judge_own(STRESSED, &format!("prepare: [[{BASE}]]"));
}
