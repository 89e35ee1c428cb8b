//! `capabilities`, `no-new-privileges`, `seccomp`, `apparmor`, `read-only-root` and `namespaces`.

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive, Skipped};
use testcontainers::ImageExt;
use testcontainers::bollard::models::HostConfig;

use super::super::stack::docker;
use super::stage::{Configure, Request, Stage};

/// A container that is as hardened as it can be, changed further.
fn hardened(c: Request, change: impl Fn(&mut HostConfig) + Send + Sync + 'static) -> Request {
    c.with_user("1234:1234")
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges:true")
        .with_readonly_rootfs(true)
        .with_host_config_modifier(change)
}

fn options(host: &mut HostConfig, options: &[&str]) {
    host.security_opt = Some(options.iter().map(|option| (*option).to_owned()).collect());
}

fn tmpfs(host: &mut HostConfig, folder: &str) {
    host.tmpfs = Some([(folder.to_owned(), "size=1m".to_owned())].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hardened_container_holds() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 4] = [
        ("hardened", |c| hardened(c, |_| {})),
        ("one-capability", |c| {
            c.with_cap_drop("ALL").with_cap_add("NET_BIND_SERVICE").with_readonly_rootfs(true)
        }),
        ("tmpfs-as-declared", |c| hardened(c, |host| tmpfs(host, "/scratch"))),
        ("tmpfs-as-claimed", |c| hardened(c, |host| tmpfs(host, "/scratch"))),
    ];
    stage.start(services).await;
    stage.declare("tmpfs-as-declared", "tmpfs: [\"/scratch:size=1m\"]");
    stage.expect("hardened", "capabilities", Held, "1 processes, none beyond what is allowed");
    stage.expect(
        "hardened",
        "no-new-privileges",
        Held,
        "set on every process, and a setuid program gained nothing",
    );
    stage.expect("hardened", "seccomp", Held, "telling system calls were refused");
    stage.expect(
        "hardened",
        "read-only-root",
        Held,
        "mounted read-only; 4 attempts to make a file came to EROFS",
    );
    stage.expect("hardened", "namespaces", Held, "5 namespaces, shared with nobody");
    stage.expect(
        "one-capability",
        "capabilities: {allowed: [NET_BIND_SERVICE]}",
        Held,
        "1 processes, none beyond what is allowed",
    );
    stage.expect("one-capability", "seccomp", Held, "telling system calls were refused");
    stage.expect("tmpfs-as-declared", "read-only-root", Held, "mounted read-only");
    stage.expect(
        "tmpfs-as-claimed",
        "read-only-root: {writable: [/scratch]}",
        Held,
        "mounted read-only",
    );
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capability_is_found_in_every_set_and_in_the_configuration() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 4] = [
        ("default-set", |c| c),
        ("only-in-the-bounding-set", |c| c.with_user("1234:1234")),
        ("given", |c| c.with_cap_drop("ALL").with_cap_add("SYS_ADMIN")),
        ("other-than-allowed", |c| c.with_cap_drop("ALL").with_cap_add("NET_RAW")),
    ];
    stage.start(services).await;
    stage.expect(
        "default-set",
        "capabilities",
        Broken,
        "probe (pid 1): AUDIT_WRITE, CHOWN, DAC_OVERRIDE",
    );
    stage.expect(
        "only-in-the-bounding-set",
        "capabilities",
        Broken,
        "probe (pid 1): AUDIT_WRITE, CHOWN, DAC_OVERRIDE",
    );
    stage.expect("given", "capabilities", Broken, "the container is given SYS_ADMIN");
    stage.expect(
        "other-than-allowed",
        "capabilities: {allowed: [NET_BIND_SERVICE]}",
        Broken,
        "the container is given NET_RAW",
    );
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_is_none_or_refuses_nothing_is_broken() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 4] = [
        ("no-filter", |c| hardened(c, |host| options(host, &["seccomp=unconfined"]))),
        ("filter-that-allows-all", |c| {
            hardened(c, |host| {
                options(host, &["seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[]}"]);
            })
        }),
        ("privileges-not-refused", |c| hardened(c, |host| options(host, &[]))),
        ("refusal-turned-off", |c| hardened(c, |host| options(host, &["no-new-privileges:false"]))),
    ];
    stage.start(services).await;
    stage.expect("no-filter", "seccomp", Broken, "probe (pid 1) is under no filter");
    stage.expect(
        "filter-that-allows-all",
        "seccomp",
        Broken,
        "the filter lets through: unshare, setns, mount, umount2",
    );
    stage.expect(
        "privileges-not-refused",
        "no-new-privileges",
        Broken,
        "probe (pid 1) may gain privileges",
    );
    stage.expect(
        "refusal-turned-off",
        "no-new-privileges",
        Broken,
        "probe (pid 1) may gain privileges",
    );
    stage.expect("refusal-turned-off", "apparmor", Skipped, "the engine's host has no AppArmor");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_written_and_is_not_declared_is_found() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 4] = [
        ("writable-root", |c| c),
        ("writable-root-as-another-user", |c| c.with_user("1234:1234")),
        ("undeclared-tmpfs", |c| hardened(c, |host| tmpfs(host, "/scratch"))),
        ("undeclared-bind", |c| {
            hardened(c, |host| host.binds = Some(vec!["/tmp:/data".to_owned()]))
        }),
    ];
    stage.start(services).await;
    stage.expect(
        "writable-root",
        "read-only-root",
        Broken,
        "a file was made in /; a file was made in /etc",
    );
    stage.expect(
        "writable-root-as-another-user",
        "read-only-root",
        Broken,
        "the root file system is mounted read-write",
    );
    stage.expect(
        "undeclared-tmpfs",
        "read-only-root",
        Broken,
        "/scratch is writable and not declared to be",
    );
    stage.expect(
        "undeclared-bind",
        "read-only-root",
        Broken,
        "/data is writable and not declared to be",
    );
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_shared_is_found() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 6] = [
        ("pid-of-the-host", |c| c.with_host_config_modifier(|h| h.pid_mode = Some("host".into()))),
        ("net-of-the-host", |c| c.with_network("host")),
        ("ipc-of-the-host", |c| c.with_host_config_modifier(|h| h.ipc_mode = Some("host".into()))),
        ("uts-of-the-host", |c| c.with_host_config_modifier(|h| h.uts_mode = Some("host".into()))),
        ("alone", |c| c),
        ("shared", |c| c.with_host_config_modifier(|h| h.ipc_mode = Some("shareable".into()))),
    ];
    stage.start(services).await;
    let shared = format!("container:{}", stage.container("shared"));
    stage
        .start([("sharing", |c: Request| {
            c.with_host_config_modifier(move |h| {
                h.pid_mode = Some(shared.clone());
                h.ipc_mode = Some(shared.clone());
                h.network_mode = Some(shared.clone());
                h.publish_all_ports = Some(false);
            })
        })])
        .await;
    stage.expect("alone", "namespaces", Held, "5 namespaces, shared with nobody");
    stage.expect("pid-of-the-host", "namespaces", Broken, "shared: pid with the host");
    stage.expect("net-of-the-host", "namespaces", Broken, "shared: net with the host");
    stage.expect("ipc-of-the-host", "namespaces", Broken, "shared: ipc with the host");
    stage.expect("uts-of-the-host", "namespaces", Broken, "shared: uts with the host");
    for (service, other) in [("sharing", "shared"), ("shared", "sharing")] {
        let other = stage.container(other);
        let text = format!("shared: pid with {other}; net with {other}; ipc with {other}");
        stage.expect(service, "namespaces", Broken, &text);
    }
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_the_claim_does_not_name_is_not_judged() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 1] = [("uts-of-the-host", |c| {
        c.with_host_config_modifier(|host| host.uts_mode = Some("host".into()))
    })];
    stage.start(services).await;
    stage.expect(
        "uts-of-the-host",
        "namespaces: {own: [pid, net]}",
        Held,
        "2 namespaces, shared with nobody",
    );
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_run_is_judged_by_what_is_known_and_never_holds() {
    let mut stage = Stage::new();
    let hardened =
        ["--user=1234:1234", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"];
    stage.create("created-hardened", &hardened);
    stage.create("created-plain", &[]);
    stage.create("created-privileged", &["--privileged"]);
    stage.create("created-sharing", &["--pid=host", "--ipc=host", "--uts=host"]);
    stage.start([("paused", |c| self::hardened(c, |_| {}))]).await;
    docker(&["pause", &stage.container("paused")]);
    for check in ["capabilities", "no-new-privileges", "seccomp", "read-only-root", "namespaces"] {
        stage.expect("created-hardened", check, Inconclusive, "is not running");
        stage.expect("paused", check, Inconclusive, "is paused");
    }
    stage.expect(
        "created-plain",
        "no-new-privileges",
        Broken,
        "configured without no-new-privileges",
    );
    stage.expect("created-plain", "read-only-root", Broken, "configured with a writable root");
    stage.expect("created-plain", "capabilities", Inconclusive, "is not running");
    stage.expect("created-plain", "seccomp", Inconclusive, "is not running");
    stage.expect(
        "created-privileged",
        "capabilities",
        Broken,
        "the container is privileged: it has every capability",
    );
    stage.expect("created-privileged", "seccomp", Broken, "a privileged container has no filter");
    stage.expect(
        "created-sharing",
        "namespaces",
        Broken,
        "configured: pid: host; ipc: host; uts: host",
    );
    stage.judge();
}
