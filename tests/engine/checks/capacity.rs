//! `capacity-totals` and `host-capacity`: sums over the stack, and the host below it.

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::probe::Question;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive, Skipped};
use testcontainers::ImageExt;
use testcontainers::bollard::models::HostConfig;

use super::super::stack::docker;
use super::stage::{Configure, Stage};
use super::world::{reply, said_of_stack, seen, unseen};

const MIB: i64 = 1 << 20;
const RESERVED: &str = "deploy: {resources: {reservations: {cpus: \"0.25\", memory: 32M}}}";

fn limited(host: &mut HostConfig) {
    host.memory = Some(64 * MIB);
    host.memory_reservation = Some(32 * MIB);
    host.nano_cpus = Some(500_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_summed_over_every_container_of_the_stack_and_no_other() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 2] = [
        ("one", |c| c.with_host_config_modifier(limited)),
        ("by-quota", |c| {
            c.with_host_config_modifier(|host| {
                limited(host);
                (host.nano_cpus, host.cpu_quota, host.cpu_period) =
                    (None, Some(25_000), Some(50_000));
            })
        }),
    ];
    stage.start(services).await;
    // The same service once more: its limits are for each container.
    let limits = ["--memory=64m", "--memory-reservation=32m", "--cpus=0.5"];
    stage.scale("one", &limits);
    // Of another project.
    let other = Stage::new();
    let name = other.container("foreign");
    let image = stage.project().to_owned();
    docker(&["run", "--detach", "--network=none", "--memory=64m", "--name", &name, &image]);
    stage.remove_in_the_end(&["rm", "--force", &name]);
    for service in ["one", "by-quota"] {
        stage.declare(service, RESERVED);
    }
    let all =
        "capacity-totals: {cpus: 1.5, memory: 192MiB, reserved_cpus: 0.75, reserved_memory: 96MiB}";
    for (check, verdict, reason) in [
        (all, Held, "the sums over 3 containers are as stated"),
        ("capacity-totals: {cpus: 1.5}", Held, "the sums over 3 containers are as stated"),
        ("capacity-totals: {cpus: 1}", Broken, "the CPU limits sum up to 1.5 CPU, not to 1 CPU"),
        (
            "capacity-totals: {memory: 128MiB, reserved_cpus: 0.5}",
            Broken,
            "the memory limits sum up to 192.0 MiB, not to 128.0 MiB; the CPU reservations sum up \
             to 0.75 CPU, not to 0.5 CPU",
        ),
        (
            "capacity-totals: {memory: 192MB}",
            Broken,
            "the memory limits sum up to 192.0 MiB, not to 183.1 MiB",
        ),
        (
            "capacity-totals: {reserved_memory: 64MiB}",
            Broken,
            "the memory reservations sum up to 96.0 MiB, not to 64.0 MiB",
        ),
    ] {
        stage.expect("", check, verdict, reason);
    }
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_a_limit_has_no_sum_and_one_that_does_not_run_says_nothing() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 2] = [
        ("limited", |c| c.with_host_config_modifier(limited)),
        ("memory-only", |c| c.with_host_config_modifier(|host| host.memory = Some(64 * MIB))),
    ];
    stage.start(services).await;
    // None of it is meant to run.
    stage.declare("scaled-to-none", &format!("scale: 0, {RESERVED}"));
    stage.declare("by-deploy", "deploy: {replicas: 0}");
    let memory = "capacity-totals: {memory: 128MiB}";
    stage.expect("", memory, Held, "the sums over 2 containers are as stated");
    let none = "have no sum: a container has none";
    stage.expect("", "capacity-totals: {cpus: 0.5}", Broken, none);
    stage.expect("", "capacity-totals: {reserved_cpus: 0.5}", Broken, none);
    stage.expect("", "capacity-totals: {reserved_memory: 32MiB}", Broken, none);
    stage.judge();
    // What is meant to run and has no container is missing in every sum.
    stage.declare("missing", "mem_limit: 64m");
    let missing = "missing has no container, so the sums say nothing";
    stage.expect("", memory, Inconclusive, missing);
    stage.judge();
    stage.declare("missing", "scale: 0");
    stage.create("never-started", &["--memory=64m"]);
    stage.expect("", memory, Inconclusive, "2 containers run and 1 do not");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_as_large_as_the_engine_and_the_kernel_say() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 1] = [("any", |c| c)];
    stage.start(services).await;
    for (check, verdict, reason) in [
        ("host-capacity: {cpus: 1, memory: 64MiB, disk: 64MiB}", Held, "processors of "),
        ("host-capacity: {disk: 64MiB}", Held, "disk of "),
        ("host-capacity: {cpus: 4096}", Broken, "is less than 4096"),
        ("host-capacity: {memory: 999999GiB}", Broken, "is less than 999999.00 GiB"),
        ("host-capacity: {disk: 999999GiB}", Broken, "disk of "),
        (
            "host-capacity: {cpus: 1, disk: 999999GiB, when_small: broken}",
            Broken,
            "is less than 999999.00 GiB",
        ),
        (
            "host-capacity: {cpus: 4096, when_small: skipped}",
            Skipped,
            "this is not the host that the claim is about: processors of ",
        ),
        ("host-capacity: {cpus: 1, when_small: skipped}", Held, "processors of "),
    ] {
        stage.expect("", check, verdict, reason);
    }
    stage.judge();
}

#[rstest]
#[case::as_large(json!({"cpus": 2, "memory": "8GiB", "disk": "10GB"}), Held, "processors of 2, memory of 8.00 GiB, disk of 9.31 GiB")]
#[case::one_byte_less(json!({"disk": "10000000001B"}), Broken, "disk of 9.31 GiB is less than 9.31 GiB")]
#[case::small(json!({"cpus": 3, "memory": "9GiB"}), Broken, "processors of 2 is less than 3; memory of 8.00 GiB")]
#[case::small_elsewhere(json!({"cpus": 3, "when_small": "skipped"}), Skipped, "not the host that the claim is about")]
fn a_host_is_compared_with_what_is_asked(
    #[case] parameters: Value,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = unseen(json!({}));
    let disk = json!({"size": 10_000_000_000_u64, "free": 1});
    world.host = Ok(reply(&[(Question::Disk, disk)]));
    let finding = said_of_stack("host-capacity", parameters, &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[rstest]
#[case::cpus(json!({"cpus": 1}), Inconclusive, "processors: the engine does not tell")]
#[case::memory(json!({"memory": "1GiB"}), Inconclusive, "memory: the engine does not tell")]
#[case::disk(json!({"disk": "1GB"}), Inconclusive, "disk: nothing was seen of the host")]
#[case::skipped(json!({"disk": "1GB", "when_small": "skipped"}), Inconclusive, "disk: nothing was seen of the host")]
fn a_host_that_does_not_tell_is_inconclusive(
    #[case] parameters: Value,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = unseen(json!({}));
    (world.about.cpus, world.about.memory) = (None, None);
    let finding = said_of_stack("host-capacity", parameters, &world);
    assert_eq!((finding.verdict, finding.message.as_str()), (verdict, reason));
}

#[test]
fn what_is_small_is_said_even_where_the_rest_is_not_seen() {
    let parameters = json!({"cpus": 3, "disk": "1GB"});
    let finding = said_of_stack("host-capacity", parameters, &unseen(json!({})));
    assert_eq!(finding.verdict, Broken, "{}", finding.message);
}

#[test]
fn a_stack_without_containers_has_no_totals() {
    let totals = json!({"cpus": 1.0});
    let finding = said_of_stack("capacity-totals", totals.clone(), &unseen(json!({})));
    assert_eq!(finding.verdict, Inconclusive, "{}", finding.message);
    let world = seen(json!({}), json!({"NanoCpus": 1_000_000_000}), reply(&[]));
    assert_eq!(said_of_stack("capacity-totals", totals, &world).verdict, Held);
}
