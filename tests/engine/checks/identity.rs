//! `runs-as`: who the processes of a service are, whatever the image says of itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive};
use testcontainers::ImageExt;

use super::super::stack::docker;
use super::stage::{Configure, Request, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_are_all_the_declared_user_hold() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 3] = [
        ("by-number", |c| c.with_user("1234:1234")),
        ("by-name", |c| c.with_user("svc")),
        ("without-an-entry", |c| c.with_user("4321:4321")),
    ];
    stage.start(services).await;
    stage.expect("by-number", "runs-as", Held, "all 1 processes run as uid 1234");
    stage.expect("by-number", "runs-as: {uid: 1234, gid: 1234}", Held, "run as uid 1234");
    stage.expect("by-name", "runs-as: {user: svc}", Held, "run as uid 1234");
    stage.expect("without-an-entry", "runs-as: {uid: 4321}", Held, "run as uid 4321");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn root_is_found_under_every_disguise() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 8] = [
        ("root-with-a-lying-whoami", |c| c),
        ("another-name-of-root", |c| c.with_user("alias")),
        ("setuid-first-process", |c| c.with_user("1234:1234").with_cmd(["/probe-suid", "hold"])),
        ("gid-0-for-want-of-an-entry", |c| c.with_user("4321")),
        ("group-0-besides", |c| {
            c.with_user("1234:1234").with_host_config_modifier(|host| {
                host.group_add = Some(vec!["0".to_owned()]);
            })
        }),
        ("root-beside-the-first-process", |c| c.with_user("1234:1234")),
        ("other-than-declared", |c| c.with_user("1234:1234")),
        ("one-of-two-names", |c| c.with_user("twin")),
    ];
    stage.start(services).await;
    docker(&[
        "exec",
        "--detach",
        "--user=0",
        &stage.container("root-beside-the-first-process"),
        "/probe",
        "hold",
    ]);
    stage.expect("root-with-a-lying-whoami", "runs-as", Broken, "has root's uid: [0, 0, 0, 0]");
    stage.expect("another-name-of-root", "runs-as", Broken, "has root's uid: [0, 0, 0, 0]");
    stage.expect(
        "another-name-of-root",
        "runs-as: {user: alias}",
        Broken,
        "alias is another name of root: it has uid 0",
    );
    stage.expect(
        "setuid-first-process",
        "runs-as",
        Broken,
        "probe-suid (pid 1) has root's uid: [1234, 0, 0, 0]",
    );
    stage.expect("gid-0-for-want-of-an-entry", "runs-as", Broken, "has root's gid: [0, 0, 0, 0]");
    stage.expect("group-0-besides", "runs-as", Broken, "is in root's group: [0");
    stage.expect(
        "root-beside-the-first-process",
        "runs-as",
        Broken,
        "has root's uid: [0, 0, 0, 0]",
    );
    stage.expect(
        "other-than-declared",
        "runs-as: {uid: 1235}",
        Broken,
        "[1234, 1234, 1234, 1234], not 1235",
    );
    stage.expect(
        "other-than-declared",
        "runs-as: {gid: 7}",
        Broken,
        "has gids [1234, 1234, 1234, 1234], not 7",
    );
    stage.expect(
        "other-than-declared",
        "runs-as: {user: nobody}",
        Broken,
        "the image has 0 accounts named nobody",
    );
    stage.expect("one-of-two-names", "runs-as: {user: twin}", Broken, "uid 5678 is also double");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_runs_is_not_known_where_nothing_runs() {
    let mut stage = Stage::new();
    stage.create("never-started", &["--user=1234:1234"]);
    let services: [(&str, Configure); 2] =
        [("stopped", |c| c.with_user("1234:1234")), ("paused", |c| c.with_user("1234:1234"))];
    stage.start(services).await;
    docker(&["stop", "--time=5", &stage.container("stopped")]);
    docker(&["pause", &stage.container("paused")]);
    stage.declare("scaled-to-none", "");
    stage.expect("never-started", "runs-as", Inconclusive, "is not running");
    stage.expect("stopped", "runs-as", Inconclusive, "is not running");
    stage.expect("paused", "runs-as", Inconclusive, "is paused");
    stage.expect(
        "scaled-to-none",
        "runs-as",
        Inconclusive,
        "service scaled-to-none has no container",
    );
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_that_is_not_yet_the_program_it_will_be_is_not_the_services() {
    let mut stage = Stage::new();
    stage.start([("busy", |c: Request| c.with_user("1234:1234"))]).await;
    let container = stage.container("busy");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Until the runtime has become the program, it is root in the container.
        for _ in 0..3 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    docker(&["exec", &container, "/probe", "euid"]);
                }
            });
        }
        stage.expect("busy", "runs-as", Held, "processes run as uid 1234");
        let judged = catch_unwind(AssertUnwindSafe(|| stage.judge()));
        ended.store(true, Ordering::Relaxed);
        judged.unwrap();
    });
}
