//! `cpu-limit-enforced` and `pids-limit-enforced`: limits that are tried, on containers that keep
//! them, on some that do not, and on some in which something else is in the way.

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive, Skipped};
use testcontainers::ImageExt;
use testcontainers::bollard::models::{HostConfig, ResourcesUlimits};

use super::super::stack::docker;
use super::stage::{Configure, Stage};

/// So little that it is reached on a busy machine too.
fn a_twentieth(host: &mut HostConfig) {
    host.nano_cpus = Some(50_000_000);
}

fn at_most_32(host: &mut HostConfig) {
    host.pids_limit = Some(32);
}

/// Writes into a container's cgroup what the engine does not know of.
fn rewrite(container: &str, controller: &str, file: &str, text: &str) {
    let pid = docker(&["inspect", "--format={{.State.Pid}}", container]);
    let membership = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = membership
        .lines()
        .find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let mut names = fields.next()?.split(',');
            names.any(|name| name == controller).then(|| fields.next())?
        })
        .unwrap();
    let file = format!("/sys/fs/cgroup/{controller}{path}/{file}");
    std::fs::write(&file, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn computing_without_end_is_kept_at_a_limit_that_is_enforced() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 6] = [
        ("limited", |c| c.with_host_config_modifier(a_twentieth)),
        ("unlimited", |c| c),
        ("rewritten", |c| c.with_host_config_modifier(a_twentieth)),
        ("all-processors", |c| {
            c.with_host_config_modifier(|host| {
                let processors = std::thread::available_parallelism().unwrap().get();
                host.nano_cpus = Some(i64::try_from(processors).unwrap() * 1_000_000_000);
            })
        }),
        ("on-one-processor", |c| {
            c.with_host_config_modifier(|host| {
                host.nano_cpus = Some(1_500_000_000);
                host.cpuset_cpus = Some("0".to_owned());
            })
        }),
        ("paused", |c| c.with_host_config_modifier(a_twentieth)),
    ];
    stage.start(services).await;
    rewrite(&stage.container("rewritten"), "cpu", "cpu.cfs_quota_us", "-1");
    docker(&["pause", &stage.container("paused")]);
    let check = "cpu-limit-enforced";
    stage.expect("limited", check, Held, "in the busiest second; the kernel made it wait in");
    stage.expect("unlimited", check, Broken, "the service has no CPU limit");
    stage.expect("rewritten", check, Broken, "by 2 threads at a limit of 0.05 CPU");
    stage.expect("all-processors", check, Skipped, "cannot bind on this host");
    stage.expect("on-one-processor", check, Inconclusive, "so it was not reached");
    stage.expect("paused", check, Inconclusive, "is paused");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn forking_without_end_is_refused_at_a_limit_that_is_enforced() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 4] = [
        ("limited", |c| c.with_host_config_modifier(at_most_32)),
        ("unlimited", |c| c),
        ("rewritten", |c| c.with_host_config_modifier(at_most_32)),
        // The kernel counts the processes of a user wherever they are, and refuses with the same
        // error.
        ("limited-by-user", |c| {
            c.with_user("54321:54321").with_host_config_modifier(|host| {
                at_most_32(host);
                host.ulimits = Some(vec![ResourcesUlimits {
                    name: Some("nproc".to_owned()),
                    soft: Some(16),
                    hard: Some(16),
                }]);
            })
        }),
    ];
    stage.start(services).await;
    rewrite(&stage.container("rewritten"), "pids", "pids.max", "100");
    let check = "pids-limit-enforced";
    stage.expect("limited", check, Held, "of 32 processes, 30 of them ours; 3 neighbours still");
    stage.expect("unlimited", check, Broken, "the service has no limit on processes");
    stage.expect("rewritten", check, Broken, "40 processes were forked at a limit of 32");
    stage.expect("limited-by-user", check, Inconclusive, "something else than the limit refused");
    stage.judge();
    let left = docker(&["exec", &stage.container("limited"), "/probe", "euid"]);
    assert!(left.contains("uid"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_cannot_be_tried_is_inconclusive_and_so_is_a_neighbour_that_cannot_fork() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 3] = [
        ("limited", |c| c.with_host_config_modifier(at_most_32)),
        ("too-many", |c| c.with_host_config_modifier(|host| host.pids_limit = Some(1 << 20))),
        ("paused", |c| c.with_host_config_modifier(at_most_32)),
    ];
    stage.start(services).await;
    docker(&["pause", &stage.container("paused")]);
    let check = "pids-limit-enforced";
    stage.expect("limited", check, Inconclusive, "cannot be asked to fork");
    stage.expect("too-many", check, Inconclusive, "1048576 processes would burden the host");
    stage.expect("paused", check, Inconclusive, "is paused");
    stage.judge();
}
