//! `tmpfs-bounded`: file systems in memory, however they come into a container.

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::probe::Question;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive};
use testcontainers::ImageExt;
use testcontainers::bollard::models::HostConfig;
use testcontainers::core::{AccessMode, Mount};

use super::super::stack::{LABEL, docker};
use super::stage::{Configure, Request, Stage};
use super::world::{processes, reply, said, seen};

const ANY: &str = "tmpfs-bounded";
const SMALL: &str = "tmpfs-bounded: {max: 64MiB}";

/// Mounts a tmpfs as the short syntax of Compose does.
fn short(host: &mut HostConfig, at: &str, options: &str) {
    host.tmpfs.get_or_insert_default().insert(at.to_owned(), options.to_owned());
}

fn bind(c: Request, from: &str) -> Request {
    c.with_mount(Mount::bind_mount(from, "/held"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tmpfs_holds_with_a_size_and_is_broken_without() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 13] = [
        ("engines-own", |c| c),
        ("sized", |c| c.with_host_config_modifier(|host| short(host, "/held", "size=1m"))),
        ("unsized", |c| c.with_host_config_modifier(|host| short(host, "/held", ""))),
        ("zero", |c| c.with_host_config_modifier(|host| short(host, "/held", "size=0"))),
        ("percent", |c| c.with_host_config_modifier(|host| short(host, "/held", "size=10%"))),
        ("read-only", |c| c.with_host_config_modifier(|host| short(host, "/held", "ro"))),
        ("long-sized", |c| c.with_mount(Mount::tmpfs_mount("/held").with_size_bytes(1 << 20))),
        ("long-unsized", |c| c.with_mount(Mount::tmpfs_mount("/held"))),
        ("large-shm", |c| c.with_shm_size(1 << 30)),
        ("below-sys", |c| c.with_host_config_modifier(|host| short(host, "/sys/fs/cgroup", ""))),
        ("of-the-host", |c| bind(c, "/dev/shm")),
        ("of-the-host-read-only", |c| {
            let mount = Mount::bind_mount("/dev/shm", "/held");
            c.with_mount(mount.with_access_mode(AccessMode::ReadOnly))
        }),
        ("paused", |c| c),
    ];
    // With version 1 of cgroups, root can write to a tmpfs without a size in every container.
    let as_user = |(service, configure): (&'static str, Configure)| {
        (service, move |c: Request| configure(c).with_user("1234:1234"))
    };
    stage.start(services.map(as_user)).await;
    stage.create("never-started", &["--tmpfs=/held"]);
    stage.declare("scaled-to-none", "scale: 0, tmpfs: [/held]");
    docker(&["pause", &stage.container("paused")]);
    for (service, check, verdict, reason) in [
        ("engines-own", SMALL, Held, "/dev 64.0 MiB, /dev/shm 64.0 MiB"),
        (
            "engines-own",
            "tmpfs-bounded: {max: 1MiB}",
            Broken,
            "/dev 64.0 MiB is more than that; /dev/shm 64.0 MiB is more than that",
        ),
        ("sized", SMALL, Held, "/held 1.0 MiB"),
        ("unsized", ANY, Broken, "/held has no size"),
        ("unsized", SMALL, Broken, "/held has no size"),
        ("zero", ANY, Broken, "/held has no size"),
        ("percent", ANY, Held, "GiB"),
        ("percent", SMALL, Broken, "GiB is more than that"),
        ("read-only", SMALL, Held, "/dev 64.0 MiB, /dev/shm 64.0 MiB"),
        ("long-sized", SMALL, Held, "/held 1.0 MiB"),
        ("long-unsized", SMALL, Broken, "/held has no size"),
        ("large-shm", ANY, Held, "/dev/shm 1.00 GiB"),
        ("large-shm", SMALL, Broken, "/dev/shm 1.00 GiB is more than that"),
        ("below-sys", ANY, Broken, "/sys/fs/cgroup has no size"),
        // As large as the host allows itself, with a size or without.
        ("of-the-host", SMALL, Broken, "/held "),
        ("of-the-host-read-only", ANY, Held, "/dev 64.0 MiB, /dev/shm 64.0 MiB"),
        ("paused", SMALL, Inconclusive, "is paused"),
        ("never-started", SMALL, Inconclusive, "is not running"),
        ("scaled-to-none", SMALL, Inconclusive, "service scaled-to-none has no container"),
    ] {
        stage.expect(service, check, verdict, reason);
    }
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_in_memory_counts_like_a_tmpfs() {
    let mut stage = Stage::new();
    for (kind, options) in [("tmpfs", "size=1m"), ("tmpfs", ""), ("ramfs", "size=1m")] {
        let service = if options.is_empty() { "unsized".to_owned() } else { kind.to_owned() };
        let volume = format!("{}-{service}", stage.project());
        let label = format!("--label={LABEL}=1");
        let (kind, device) = (format!("--opt=type={kind}"), format!("--opt=device={kind}"));
        let options = format!("--opt=o={options}");
        docker(&["volume", "create", &label, &kind, &device, &options, &volume]);
        stage.remove_in_the_end(&["volume", "rm", "--force", &volume]);
        let mount = format!("--volume={volume}:/held");
        stage.run_program(&service, &["--user=1234:1234", &mount], &["/probe", "hold"]);
    }
    stage.expect("tmpfs", ANY, Held, "/held 1.0 MiB");
    stage.expect("unsized", ANY, Broken, "/held has no size");
    // A ramfs ignores every size that it is given.
    stage.expect("ramfs", ANY, Broken, "/held has no size");
    stage.judge();
}

fn mount(kind: &str, root: &str, point: &str, options: &str) -> Value {
    json!({
        "device": if point == "/held" { "0:9" } else { "0:1" }, "root": root, "point": point,
        "options": "rw", "kind": kind, "source": kind, "super_options": options,
    })
}

fn judged(answers: &[(Question, Value)], verdict: Verdict, reason: &str) {
    let world = seen(json!({}), json!({}), reply(answers));
    let finding = said("tmpfs-bounded", json!({}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[rstest]
#[case::disk(&[mount("ext4", "/", "/held", "rw")], Held, "no file system in memory can be written")]
#[case::mask(&[mount("tmpfs", "/", "/dev", "rw,size=65536k"), mount("tmpfs", "/null", "/proc/kcore", "rw,size=65536k")], Held, "/dev 64.0 MiB")]
#[case::twice(&[mount("tmpfs", "/", "/held", "rw,size=4k"), mount("tmpfs", "/x", "/held", "rw,size=4k")], Held, "/held 0.0 MiB")]
#[case::ram(&[mount("ramfs", "/", "/held", "rw")], Broken, "/held has no size")]
#[case::ram_with_size(&[mount("ramfs", "/", "/held", "rw,size=4k")], Broken, "/held has no size")]
#[case::nothing(&[], Inconclusive, "no mount was seen")]
fn what_the_kernel_lists_is_judged(
    #[case] mounts: &[Value],
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    judged(&[(Question::Mounts, json!({"mounts": mounts}))], verdict, reason);
}

/// The processes of a container, one with these uids and permitted capabilities.
fn process(uid: u32, permitted: &str) -> Value {
    let mut answer = processes(&[""]);
    let status = &mut answer["processes"][0]["status"];
    status["uid"] = json!([1234, 1234, uid, 1234]);
    status["cap_prm"] = json!(permitted);
    answer
}

#[rstest]
#[case::user(Some(process(1234, "0")), Held, "no file system in memory can be written")]
#[case::other_capability(
    Some(process(1234, "400")),
    Held,
    "no file system in memory can be written"
)]
#[case::root(Some(process(0, "0")), Broken, "/sys/fs/cgroup has no size")]
#[case::capability(Some(process(1234, "2")), Broken, "/sys/fs/cgroup has no size")]
#[case::not_understood(
    Some(process(1234, "none")),
    Inconclusive,
    "who can write to /sys/fs/cgroup"
)]
#[case::not_seen(None, Inconclusive, "who can write to /sys/fs/cgroup was not seen")]
fn the_folder_of_the_controllers_counts_for_root(
    #[case] processes: Option<Value>,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mounts = [
        mount("tmpfs", "/", "/sys/fs/cgroup", "rw,mode=755"),
        mount("cgroup", "/", "/sys/fs/cgroup/pids", "rw,pids"),
    ];
    let mut answers = vec![(Question::Mounts, json!({"mounts": mounts}))];
    answers.extend(processes.map(|processes| (Question::Processes, processes)));
    judged(&answers, verdict, reason);
}
