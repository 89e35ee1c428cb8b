//! `memory-limit`, `cpu-limit`, `pids-limit` and `swap-limit`: declared, configured, enforced.

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive, Skipped};
use testcontainers::ImageExt;
use testcontainers::bollard::models::HostConfig;

use super::super::stack::docker;
use super::stage::{Configure, Stage};

const MIB: i64 = 1 << 20;
const DECLARED: &str = "mem_limit: 64m, memswap_limit: 64m, cpus: 0.5, pids_limit: 32";

fn limited(host: &mut HostConfig) {
    host.memory = Some(64 * MIB);
    host.memory_swap = Some(64 * MIB);
    host.nano_cpus = Some(500_000_000);
    host.pids_limit = Some(32);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_where_all_three_places_agree_and_is_broken_where_one_does_not() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 7] = [
        ("agreed", |c| c.with_host_config_modifier(limited)),
        ("only-declared", |c| c),
        ("only-configured", |c| c.with_host_config_modifier(limited)),
        ("nowhere", |c| c),
        ("twice-the-memory", |c| c.with_host_config_modifier(|host| host.memory = Some(64 * MIB))),
        ("updated", |c| c.with_host_config_modifier(limited)),
        ("unlimited-swap", |c| {
            c.with_host_config_modifier(|host| {
                limited(host);
                host.memory_swap = Some(-1);
            })
        }),
    ];
    stage.start(services).await;
    for service in ["agreed", "only-declared", "updated", "unlimited-swap"] {
        stage.declare(service, DECLARED);
    }
    stage.declare("twice-the-memory", "mem_limit: 64m");
    let updated = stage.container("updated");
    docker(&[
        "update",
        "--memory=96m",
        "--memory-swap=192m",
        "--cpus=1",
        "--pids-limit=64",
        &updated,
    ]);
    let cases = [
        ("agreed", "memory-limit", Held, "memory is limited to 64.0 MiB in all three places"),
        ("agreed", "memory-limit: {limit: 64MiB}", Held, "64.0 MiB in all three places"),
        (
            "agreed",
            "memory-limit: {limit: 64MB}",
            Broken,
            "the document states 61.0 MiB, 64.0 MiB is declared",
        ),
        ("agreed", "cpu-limit: {cpus: 0.5}", Held, "CPU is limited to 0.5 CPU in all three places"),
        (
            "agreed",
            "cpu-limit: {cpus: 1}",
            Broken,
            "the document states 1 CPU, 0.5 CPU is declared",
        ),
        ("agreed", "pids-limit: {limit: 32}", Held, "pids is limited to 32 in all three places"),
        ("agreed", "pids-limit: {limit: 33}", Broken, "the document states 33, 32 is declared"),
        ("agreed", "swap-limit", Skipped, "the host has no swap, so it cannot be seen to bind"),
        (
            "agreed",
            "swap-limit: {swap: 64MiB}",
            Broken,
            "the document states 64.0 MiB, 0.0 MiB is declared",
        ),
        (
            "only-declared",
            "memory-limit",
            Broken,
            "64.0 MiB is declared, but the engine has no limit",
        ),
        ("only-declared", "cpu-limit", Broken, "0.5 CPU is declared, but the engine has no limit"),
        ("only-declared", "pids-limit", Broken, "32 is declared, but the engine has no limit"),
        ("only-declared", "swap-limit", Broken, "0.0 MiB is declared, but the engine has no limit"),
        (
            "only-configured",
            "memory-limit",
            Broken,
            "no memory limit is declared, though the engine has 64.0 MiB",
        ),
        (
            "only-configured",
            "cpu-limit",
            Broken,
            "no CPU limit is declared, though the engine has 0.5 CPU",
        ),
        (
            "only-configured",
            "pids-limit",
            Broken,
            "no pids limit is declared, though the engine has 32",
        ),
        (
            "only-configured",
            "swap-limit",
            Broken,
            "no swap limit is declared, though the engine has 0.0 MiB",
        ),
        ("nowhere", "memory-limit", Broken, "no memory limit is declared"),
        ("nowhere", "cpu-limit", Broken, "no CPU limit is declared"),
        ("nowhere", "pids-limit", Broken, "no pids limit is declared"),
        ("nowhere", "swap-limit", Broken, "no swap limit is declared"),
        ("updated", "memory-limit", Broken, "64.0 MiB is declared, but the engine has 96.0 MiB"),
        ("updated", "cpu-limit", Broken, "0.5 CPU is declared, but the engine has 1 CPU"),
        ("updated", "pids-limit", Broken, "32 is declared, but the engine has 64"),
        ("updated", "swap-limit", Broken, "0.0 MiB is declared, but the engine has 96.0 MiB"),
        (
            "unlimited-swap",
            "swap-limit",
            Broken,
            "0.0 MiB is declared, but the engine has no limit",
        ),
        ("twice-the-memory", "memory-limit", Held, "64.0 MiB in all three places"),
        (
            "twice-the-memory",
            "swap-limit",
            Broken,
            "the document states 0.0 MiB, 64.0 MiB is declared",
        ),
        ("twice-the-memory", "swap-limit: {swap: 64MiB}", Skipped, "swap is limited to 64.0 MiB"),
    ];
    for (service, check, verdict, reason) in cases {
        stage.expect(service, check, verdict, reason);
    }
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_cannot_bind_is_broken_and_one_that_is_not_seen_is_inconclusive() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 2] = [
        ("above-the-host", |c| c.with_host_config_modifier(|host| host.memory = Some(1 << 50))),
        ("paused", |c| c.with_host_config_modifier(limited)),
    ];
    stage.start(services).await;
    stage.create(
        "never-started",
        &["--memory=64m", "--memory-swap=64m", "--cpus=0.5", "--pids-limit=32"],
    );
    docker(&["pause", &stage.container("paused")]);
    stage.declare("above-the-host", "mem_limit: 1048576g");
    stage.expect(
        "above-the-host",
        "memory-limit",
        Broken,
        "1048576.00 GiB cannot bind: the whole host has",
    );
    for service in ["paused", "never-started"] {
        stage.declare(service, DECLARED);
        for check in ["memory-limit", "cpu-limit", "pids-limit", "swap-limit"] {
            stage.expect(service, check, Inconclusive, "the kernel's view is missing");
        }
    }
    stage.judge();
}
