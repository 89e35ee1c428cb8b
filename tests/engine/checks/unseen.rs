//! What could not be seen never holds, and no refusal counts without its control.

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::probe::{Question, Reply};
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive, Skipped};
use stackproof::world::World;

use super::world::{control, processes, reply, said, seen, status, unseen};

#[rstest]
#[case("runs-as")]
#[case("no-docker-access")]
#[case("docker-access-via")]
#[case("capabilities")]
#[case("no-new-privileges")]
#[case("seccomp")]
#[case("apparmor")]
#[case("read-only-root")]
#[case("namespaces")]
#[case("memory-limit")]
#[case("cpu-limit")]
#[case("pids-limit")]
#[case("swap-limit")]
#[case("oom-contained")]
#[case("oom-blast-radius")]
#[case("cpu-limit-enforced")]
#[case("pids-limit-enforced")]
#[case("load")]
#[case("healthy")]
#[case("no-raw-socket-mount")]
fn a_service_without_containers_is_inconclusive(#[case] code: &str) {
    let via = json!({"via": [0, 0, 0, "web"]});
    let parameters = match code {
        "docker-access-via" => via,
        "load" => json!({"port": 80, "path": [0, 0, 0, "/"]}),
        _ => json!({}),
    };
    let finding = said(code, parameters, &unseen(json!({})));
    let expected = (Inconclusive, "service web has no container");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
}

#[rstest]
#[case("no-raw-socket-mount")]
#[case("no-published-on-all-interfaces")]
fn a_service_that_the_model_does_not_have_is_inconclusive(#[case] code: &str) {
    let mut world = unseen(json!({}));
    world.model.services.clear();
    let finding = said(code, json!({}), &world);
    let expected = (Inconclusive, "the model has no service web");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
}

const TCP: &str = "127.0.0.1:2375";

/// One socket and one TCP target that answer as an engine does, or refuse.
fn ways(socket: bool, tcp: bool) -> Vec<(Question, Value)> {
    let class = |open| if open { "open" } else { "refused" };
    let http = |open: bool| {
        let answer = json!({"path": "/_ping", "class": "open", "status": 200, "server": "Docker/27.1 (linux)"});
        if open { json!([answer]) } else { json!([]) }
    };
    let sockets = json!({
        "sockets": [{"path": "/engine", "class": class(socket), "http": http(socket)}],
        "unreadable": [], "entries": 1, "truncated": false,
    });
    let targets = json!({
        "targets": [{"target": TCP, "class": class(tcp), "ms": 1, "http": http(tcp)}],
        "truncated": false,
    });
    let wait = std::time::Duration::from_secs(1);
    vec![
        (Question::Sockets, sockets),
        (Question::Tcp { wait, targets: vec![TCP.to_owned()] }, targets),
    ]
}

/// A container in which everything is as it should be.
fn hardened() -> World {
    let mut answers = ways(false, false);
    let refused: Value = CALLS.iter().map(|call| ((*call).to_owned(), json!("EPERM"))).collect();
    let root = json!({
        "device": "0:1", "root": "/", "point": "/", "options": "ro", "kind": "overlay",
        "source": "overlay", "super_options": "rw",
    });
    answers.extend([
        (Question::Processes, processes(&["docker-default (enforce)"])),
        (Question::Descriptors, json!({"foreign": [], "unreadable": []})),
        (Question::Mounts, json!({"mounts": [root]})),
        (Question::Write(vec![]), json!({"writes": [{"folder": "/", "outcome": "EROFS"}]})),
        (Question::Syscalls, refused),
        (Question::Privileges, privileges("ok", 1234)),
    ]);
    let mut world = seen(json!({}), json!({}), reply(&answers));
    world.control = Ok(working_control());
    let tried = reply(&[(Question::Privileges, privileges("ok", 1234))]);
    world.services.get_mut("web").unwrap()[0].escalation = Some(Ok(tried));
    world
}

const CALLS: [&str; 12] = [
    "unshare",
    "setns",
    "mount",
    "umount2",
    "bpf",
    "keyctl",
    "add_key",
    "request_key",
    "perf_event_open",
    "userfaultfd",
    "move_pages",
    "kcmp",
];

fn privileges(filter: &str, euid: u32) -> Value {
    let mut gained = status();
    gained["uid"] = json!([1234, euid, euid, euid]);
    json!({"no_new_privs": 0, "filter": filter, "setuid": gained.to_string()})
}

fn control_root(socket: bool, tcp: bool, made: &str) -> Reply {
    let mut answers = ways(socket, tcp);
    let tried = json!({"writes": [{"folder": "/", "outcome": made, "removed": "ok"}]});
    answers.push((Question::Write(vec![]), tried));
    reply(&answers)
}

fn control_user(call: &str, filter: &str, euid: u32) -> Reply {
    let calls: Value = CALLS.iter().map(|name| ((*name).to_owned(), json!(call))).collect();
    reply(&[(Question::Syscalls, calls), (Question::Privileges, privileges(filter, euid))])
}

fn working_control() -> stackproof::world::Control {
    control(control_root(true, true, "created"), control_user("ok", "EACCES", 0))
}

const REFUSALS: [&str; 4] = ["no-docker-access", "no-new-privileges", "seccomp", "read-only-root"];

#[test]
fn a_refusal_counts_where_the_control_gets_through() {
    for code in REFUSALS {
        let finding = said(code, json!({}), &hardened());
        assert_eq!(finding.verdict, Held, "{code}: {}", finding.message);
    }
}

#[test]
fn no_refusal_counts_without_a_control() {
    for code in REFUSALS {
        let mut world = hardened();
        world.control = Err("nothing was seen of the control".to_owned());
        let finding = said(code, json!({}), &world);
        assert_eq!(finding.verdict, Inconclusive, "{code}: {}", finding.message);
        assert!(finding.message.contains("nothing was seen of the control"), "{code}");
    }
}

#[rstest]
#[case::by_socket(
    "no-docker-access",
    control(control_root(false, true, "created"), control_user("ok", "EACCES", 0)),
    "the control did not reach the engine by its socket"
)]
#[case::by_tcp(
    "no-docker-access",
    control(control_root(true, false, "created"), control_user("ok", "EACCES", 0)),
    "the control did not reach the engine by TCP"
)]
#[case::no_file_made(
    "read-only-root",
    control(control_root(true, true, "EACCES"), control_user("ok", "EACCES", 0)),
    "the control could not make a file on a writable root either"
)]
#[case::calls_refused_without_a_filter(
    "seccomp",
    control(control_root(true, true, "created"), control_user("EPERM", "EACCES", 0)),
    "only 0 calls tell a filter from this kernel"
)]
#[case::nothing_gained_by_setuid(
    "no-new-privileges",
    control(control_root(true, true, "created"), control_user("ok", "EACCES", 1234)),
    "the control gained nothing either"
)]
#[case::filter_installed_all_the_same(
    "no-new-privileges",
    control(control_root(true, true, "created"), control_user("ok", "ok", 0)),
    "the control gained nothing either"
)]
fn no_refusal_counts_where_the_control_is_refused_too(
    #[case] code: &str,
    #[case] control: stackproof::world::Control,
    #[case] reason: &str,
) {
    let mut world = hardened();
    world.control = Ok(control);
    let finding = said(code, json!({}), &world);
    assert_eq!(finding.verdict, Inconclusive, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

/// `web` reaches the engine through the proxy `proxy`, and what of the control was seen.
fn through_a_proxy(control: stackproof::world::Control) -> World {
    let list = json!({
        "path": "/containers/json", "class": "open", "status": 200,
        "body": json!([{"Id": "control"}]).to_string(),
    });
    let filter = "%7B%22label%22%3A%5B%22dev.stackproof.canary%3Dcanary%22%5D%7D";
    let question = Question::Get(format!("proxy:2375/containers/json?filters={filter}"));
    let mut answers = ways(false, false);
    answers.extend([
        (question, list),
        (Question::Processes, processes(&[""])),
        (Question::Descriptors, json!({"foreign": [], "unreadable": []})),
        (Question::Mounts, json!({"mounts": []})),
    ]);
    let mut world = seen(json!({}), json!({}), reply(&answers));
    world.control = Ok(control);
    world
}

#[test]
fn a_proxy_counts_only_where_the_control_shows_what_another_way_would_look_like() {
    let via = || json!({"via": [0, 0, 0, "proxy"]});
    let finding = said("docker-access-via", via(), &through_a_proxy(working_control()));
    assert_eq!(finding.verdict, Held, "{}", finding.message);
    let refused = control(control_root(false, true, "created"), control_user("ok", "EACCES", 0));
    let finding = said("docker-access-via", via(), &through_a_proxy(refused));
    assert_eq!(finding.verdict, Inconclusive, "{}", finding.message);
    let why = "no refusal counts, because the control failed";
    assert!(finding.message.contains(why), "{}", finding.message);
}

#[rstest]
#[case::enforced(&["docker-default (enforce)"], json!({}), Held, "1 processes: docker-default (enforce)")]
#[case::own_profile(&["web (enforce)"], json!({"profile": "web"}), Held, "1 processes: web (enforce)")]
#[case::another_profile(&["web (enforce)"], json!({}), Broken, "web (pid 1): web (enforce)")]
#[case::only_complains(&["docker-default (complain)"], json!({}), Broken, "web (pid 1): docker-default (complain)")]
#[case::one_of_two(&["docker-default (enforce)", "unconfined"], json!({}), Broken, "web (pid 2): unconfined")]
#[case::not_told(&[""], json!({}), Inconclusive, "the kernel does not tell the profile")]
#[case::no_process(&[], json!({}), Inconclusive, "no process of the service was seen, which cannot be all")]
fn a_profile_is_judged_by_what_the_kernel_says_of_every_process(
    #[case] profiles: &[&str],
    #[case] parameters: Value,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let inside = reply(&[(Question::Processes, processes(profiles))]);
    let finding = said("apparmor", parameters, &seen(json!({}), json!({}), inside));
    assert_eq!((finding.verdict, finding.message.as_str()), (verdict, message));
}

#[test]
fn a_profile_does_not_apply_where_the_engine_has_no_apparmor() {
    let mut world = unseen(json!({}));
    world.about.security.clear();
    let finding = said("apparmor", json!({}), &world);
    let expected = (Skipped, "the engine's host has no AppArmor");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
}
