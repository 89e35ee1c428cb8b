//! `reservation`: what is declared, and what the engine and the kernel make of it.

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::probe::Question;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive};
use testcontainers::ImageExt;
use testcontainers::bollard::models::HostConfig;

use super::super::stack::docker;
use super::stage::{Configure, Stage};
use super::world::{reply, said, seen};

const MEMORY: &str = "reservation: {memory: 32MiB}";
const CPUS: &str = "reservation: {cpus: 0.5}";
const BOTH: &str = "reservation: {memory: 32MiB, cpus: 0.5}";
const DECLARED: &str = "deploy: {resources: {reservations: {cpus: \"0.5\", memory: 32M}}}";

fn reserved(host: &mut HostConfig) {
    host.memory_reservation = Some(32 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_holds_where_it_is_a_soft_limit_and_is_broken_where_it_is_lost() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 7] = [
        ("agreed", |c| c.with_host_config_modifier(reserved)),
        ("older-key", |c| c.with_host_config_modifier(reserved)),
        ("only-declared", |c| c),
        ("only-configured", |c| c.with_host_config_modifier(reserved)),
        ("updated", |c| c.with_host_config_modifier(reserved)),
        ("only-a-limit", |c| c.with_host_config_modifier(|host| host.memory = Some(32 << 20))),
        ("paused", |c| c.with_host_config_modifier(reserved)),
    ];
    stage.start(services).await;
    stage.create("never-started", &["--memory-reservation=32m"]);
    for service in ["agreed", "only-declared", "updated", "paused", "never-started"] {
        stage.declare(service, DECLARED);
    }
    stage.declare("older-key", "mem_reservation: 32m");
    stage.declare("only-a-limit", "mem_limit: 32m");
    stage.declare("scaled-to-none", &format!("scale: 0, {DECLARED}"));
    docker(&["update", "--memory-reservation=16m", &stage.container("updated")]);
    docker(&["pause", &stage.container("paused")]);
    for (service, check, verdict, reason) in [
        ("agreed", MEMORY, Held, "a soft limit, which the kernel respects as long as it can"),
        ("agreed", CPUS, Held, "dropped outside Swarm: nothing enforces it"),
        ("agreed", BOTH, Held, "as long as it can; the CPU reservation is declared"),
        (
            "agreed",
            "reservation: {memory: 32MB}",
            Broken,
            "30.5 MiB is stated, 32.0 MiB is declared",
        ),
        (
            "agreed",
            "reservation: {memory: 64MiB, cpus: 0.25}",
            Broken,
            "32.0 MiB is declared; 0.25 CPU is stated, 0.5 CPU is declared",
        ),
        ("older-key", MEMORY, Held, "a soft limit"),
        ("older-key", BOTH, Broken, "0.5 CPU is stated, none is declared"),
        ("only-declared", MEMORY, Broken, "32.0 MiB is declared, the engine has none"),
        ("only-configured", MEMORY, Broken, "32.0 MiB is stated, none is declared"),
        ("updated", MEMORY, Broken, "32.0 MiB is declared, the engine has 16.0 MiB"),
        ("only-a-limit", MEMORY, Broken, "32.0 MiB is stated, none is declared"),
        ("paused", MEMORY, Inconclusive, "the kernel's view is missing"),
        ("never-started", MEMORY, Inconclusive, "the kernel's view is missing"),
        ("never-started", BOTH, Inconclusive, "the kernel's view is missing"),
        (
            "never-started",
            "reservation: {memory: 32MiB, cpus: 1}",
            Broken,
            "1 CPU is stated, 0.5 CPU is declared",
        ),
        ("scaled-to-none", BOTH, Inconclusive, "service scaled-to-none has no container"),
    ] {
        stage.expect(service, check, verdict, reason);
    }
    stage.judge();
}

#[rstest]
#[case::version_1(1, "memory.soft_limit_in_bytes", json!("33554432\n"), Held, "a soft limit")]
#[case::version_1_lost(1, "memory.soft_limit_in_bytes", json!("9223372036854771712\n"), Broken, "the kernel prefers to leave none")]
#[case::version_2(2, "memory.low", json!("33554432\n"), Held, "a soft limit")]
#[case::version_2_lost(2, "memory.low", json!("0\n"), Broken, "the engine has 32.0 MiB, the kernel prefers to leave none")]
#[case::less(2, "memory.low", json!("16777216\n"), Broken, "the kernel prefers to leave 16.0 MiB")]
#[case::not_a_number(2, "memory.low", json!("some"), Inconclusive, "memory.low is \"some\"")]
#[case::no_file(2, "memory.max", json!("max\n"), Inconclusive, "the kernel has no memory.low")]
fn a_reservation_is_what_the_kernel_says(
    #[case] version: u64,
    #[case] file: &str,
    #[case] text: Value,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let cgroup = json!({
        "version": version, "genuine": true, "folders": {}, "files": {file: text}, "swaps": "",
        "meminfo": "", "online": "0-1",
    });
    let declared = json!({"mem_reservation": "33554432"});
    let configured = json!({"MemoryReservation": 33_554_432});
    let world = seen(declared, configured, reply(&[(Question::Cgroup, cgroup)]));
    let finding = said("reservation", json!({"memory": "32MiB"}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}
