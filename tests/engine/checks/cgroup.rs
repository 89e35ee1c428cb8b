//! The limits on cgroup version 2, from fixture trees that the probe itself reads, and what
//! memory that runs out may leave behind.

use std::process::Command;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::probe::{BINARY, Question, ask_arguments};
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive, Skipped};
use stackproof::world::{Act, Oom, World};

use super::world::{WEB, reply, said, seen};

const FILES: [(&str, &str); 6] = [
    ("memory.max", "67108864\n"),
    ("memory.swap.max", "0\n"),
    ("cpu.max", "50000 100000\n"),
    ("pids.max", "32\n"),
    ("memory.events", "low 0\noom 9\noom_kill 9\n"),
    ("memory.events.local", "low 0\noom 0\noom_kill 0\n"),
];

/// What the probe reads in a folder with these files, some of them other or (empty) missing.
fn read_by_the_probe(other: &[(&str, &str)]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES.iter().chain(other) {
        let path = folder.path().join(name);
        if text.is_empty() {
            std::fs::remove_file(path).unwrap();
        } else {
            std::fs::write(path, text).unwrap();
        }
    }
    let probe = folder.path().join("probe");
    std::fs::write(&probe, BINARY).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&probe, mode).unwrap();
    let mut arguments = ask_arguments("nonce", Duration::from_secs(5), 0, &[]);
    arguments.push(format!("cgroup={}", folder.path().display()));
    let output = Command::new(&probe).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    line["a"].clone()
}

fn world(other: &[(&str, &str)], swaps: &str) -> World {
    let mut cgroup = read_by_the_probe(other);
    assert_eq!(cgroup["version"], 2);
    cgroup["swaps"] = json!(format!("Filename Type Size Used Priority{swaps}"));
    let declared = json!({
        "mem_limit": "67108864", "memswap_limit": "67108864", "cpus": 0.5, "pids_limit": 32,
    });
    let configured = json!({
        "Memory": 67_108_864, "MemorySwap": 67_108_864, "NanoCpus": 500_000_000, "PidsLimit": 32,
    });
    seen(declared, configured, reply(&[(Question::Cgroup, cgroup)]))
}

const SWAP: &str = "\n/swapfile file 1048572 0 -2";

#[rstest]
#[case("memory-limit", &[], "", Held, "memory is limited to 64.0 MiB in all three places")]
#[case("memory-limit", &[("memory.max", "max\n")], "", Broken, "the engine has 64.0 MiB, but the kernel enforces no limit")]
#[case("memory-limit", &[("memory.max", "134217728\n")], "", Broken, "the kernel enforces 128.0 MiB")]
#[case("memory-limit", &[("memory.max", "")], "", Inconclusive, "the kernel has no memory.max")]
#[case("memory-limit", &[("memory.max", "many\n")], "", Inconclusive, "memory.max is \"many\"")]
#[case("cpu-limit", &[], "", Held, "CPU is limited to 0.5 CPU in all three places")]
#[case("cpu-limit", &[("cpu.max", "max 100000\n")], "", Broken, "the kernel enforces no limit")]
#[case("cpu-limit", &[("cpu.max", "")], "", Inconclusive, "the kernel has no cpu.max")]
#[case("pids-limit", &[], "", Held, "pids is limited to 32 in all three places")]
#[case("pids-limit", &[("pids.max", "max\n")], "", Broken, "the kernel enforces no limit")]
#[case("pids-limit", &[("pids.max", "")], "", Inconclusive, "the kernel has no pids.max")]
#[case("swap-limit", &[], SWAP, Held, "swap is limited to 0.0 MiB in all three places")]
#[case("swap-limit", &[], "", Skipped, "the host has no swap")]
#[case("swap-limit", &[("memory.swap.max", "max\n")], SWAP, Broken, "the kernel enforces no limit")]
#[case("swap-limit", &[("memory.swap.max", "")], SWAP, Inconclusive, "the kernel has no memory.swap.max")]
fn limits_of_version_2_are_judged_by_what_the_kernel_enforces(
    #[case] code: &str,
    #[case] other: &[(&str, &str)],
    #[case] swaps: &str,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let finding = said(code, json!({}), &world(other, swaps));
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

/// Memory ran out as it should.
fn contained(killed: &str) -> Oom {
    let cgroup = |files: &[(&str, &str)]| serde_json::from_value(read_by_the_probe(files)).unwrap();
    Oom {
        before: cgroup(&[]),
        after: cgroup(&[("memory.events.local", killed)]),
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
    }
}

fn stress(oom: &mut Oom, code: i64) {
    oom.command = Some("stress-ng".to_owned());
    oom.touched = None;
    oom.exit_code = Some(code);
}

const ONE: &str = "low 0\noom 1\noom_kill 1\n";
const NONE: &str = "low 0\noom 0\noom_kill 0\n";

#[rstest]
#[case::child(ONE, |_: &mut Oom| {}, Held, "1 kills in its own cgroup at a limit of 64.0 MiB; PID 1 lived on")]
#[case::others_were_killed(NONE, |_: &mut Oom| {}, Broken, "nothing was killed: 60.0 MiB were touched")]
#[case::passed(ONE, |oom: &mut Oom| oom.touched = Some(80 << 20), Broken, "80.0 MiB were touched, above 64.0 MiB")]
#[case::gone(ONE, |oom: &mut Oom| oom.fresh_exec = Err("it does not run".into()), Broken, "it did not recover within 60 s: it does not run")]
#[case::unwell(ONE, |oom: &mut Oom| oom.healthy_after_ms = None, Broken, "it was not healthy again within 60 s")]
#[case::restarted(ONE, |oom: &mut Oom| oom.restarts = (0, 1), Broken, "it was restarted, though no policy declares that")]
#[case::ended_otherwise(ONE, |oom: &mut Oom| oom.exit_code = Some(142), Inconclusive, "the probe ended with 142, not by a kill")]
#[case::stress_ng(ONE, |oom: &mut Oom| stress(oom, 0), Held, "; `stress-ng` ended with 0, as if nothing had been killed")]
#[case::stress_ng_that_was_killed_itself(ONE, |oom: &mut Oom| stress(oom, 137), Held, "; `stress-ng` ended with 137")]
#[case::stress_ng_without_effect(NONE, |oom: &mut Oom| stress(oom, 0), Broken, "nothing was killed")]
#[case::stress_ng_that_did_not_begin(NONE, |oom: &mut Oom| stress(oom, 2), Inconclusive, "nothing was killed, and `stress-ng` ended with 2")]
#[case::not_counted("low 0\n", |_: &mut Oom| {}, Inconclusive, "memory.events.local has no counter oom_kill")]
fn what_memory_that_ran_out_left_behind_is_judged(
    #[case] killed: &str,
    #[case] change: impl FnOnce(&mut Oom),
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = world(&[], "");
    let mut oom = contained(killed);
    change(&mut oom);
    world.note("oom-contained", WEB, Ok(Act::Oom(Box::new(oom))));
    let finding = said("oom-contained", json!({}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[test]
fn memory_that_was_not_exhausted_shows_nothing() {
    let finding = said("oom-contained", json!({}), &world(&[], ""));
    let expected = (Inconclusive, "the act of oom-contained was not done");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
}
