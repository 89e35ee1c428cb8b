//! `runs-as`: who the processes of a service are, whatever the image says of itself.

use rstest::rstest;
use serde_json::json;
use stackproof::engine::container::HostProcess;
use stackproof::probe::Question;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive};
use testcontainers::ImageExt;

use super::super::stack::docker;
use super::stage::{Configure, Stage};
use super::world::{processes, reply, said, seen};

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

/// The engine runs 77 under the shim 70, and an exec beside it.
#[rstest]
#[case::exec_in_flight(78, 70, "runc:[2:INIT]", Held, "all 1 processes run as uid 1234")]
#[case::child_with_a_borrowed_name(
    78,
    77,
    "runc:[2:INIT]",
    Broken,
    "runc:[2:INIT] is root on the host"
)]
#[case::exec_that_became_its_program(78, 70, "sh", Broken, "sh is root on the host (host pid 78)")]
#[case::first_process(77, 70, "runc:[2:INIT]", Broken, "is root on the host (host pid 77)")]
fn root_on_the_host_is_found_but_for_an_exec_in_flight(
    #[case] pid: i64,
    #[case] ppid: i64,
    #[case] comm: &str,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let inside = reply(&[(Question::Processes, processes(&[""]))]);
    let mut world = seen(json!({}), json!({}), inside);
    let process = |pid, ppid, id, comm: &str| HostProcess {
        pid,
        ppid,
        uid: [id; 4],
        gid: [id; 2],
        comm: comm.to_owned(),
    };
    let mut top = vec![process(pid, ppid, 0, comm)];
    if pid != 77 {
        top.push(process(77, 70, 1234, "web"));
    }
    world.services.get_mut("web").unwrap()[0].top = Ok(top);
    let finding = said("runs-as", json!({}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(message), "{}", finding.message);
}
