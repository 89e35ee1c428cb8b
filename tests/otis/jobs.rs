//! The task round trip: a job goes in by HTTP, and its result comes out.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use ureq::Agent;

use super::stack::{Otis, docker};

/// How long a job may take. The stack's own bound for a sandbox is 30 seconds.
const WITHIN: Duration = Duration::from_secs(60);

fn client() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().into()
}

/// The status and the body of an answer.
type Answer = (u16, Value);

fn post(otis: &Otis, body: &str) -> Answer {
    let request = client().post(format!("{}/jobs", otis.api()));
    let mut response = request.content_type("application/json").send(body).unwrap();
    (response.status().as_u16(), response.body_mut().read_json().unwrap())
}

fn get(otis: &Otis, path: &str) -> Answer {
    let mut response = client().get(format!("{}{path}", otis.api())).call().unwrap();
    (response.status().as_u16(), response.body_mut().read_json().unwrap())
}

/// Submits a job that must be accepted, and returns its id.
fn submit(otis: &Otis, job: &Value) -> String {
    let (status, body) = post(otis, &job.to_string());
    assert_eq!((status, &body["state"]), (202, &json!("QUEUED")), "{body}");
    body["id"].as_str().unwrap().to_owned()
}

/// The result of a job that must succeed.
fn result(otis: &Otis, id: &str) -> Value {
    let deadline = Instant::now() + WITHIN;
    loop {
        let (status, body) = get(otis, &format!("/jobs/{id}"));
        assert_eq!(status, 200, "{body}");
        match body["state"].as_str() {
            Some("SUCCESS") => return body["result"].clone(),
            Some("QUEUED" | "STARTED") => {}
            _ => panic!("the job ended otherwise: {body}"),
        }
        assert!(Instant::now() < deadline, "the job did not end in time: {body}");
    }
}

#[test]
fn a_job_without_docker_is_done_by_the_worker() {
    let otis = Otis::share();
    let id = submit(&otis, &json!({"kind": "echo", "text": "h\u{e4}llo"}));
    assert_eq!(result(&otis, &id), json!({"text": "h\u{e4}llo"}));
    assert!(otis.log("worker").contains(&format!("otis.echo[{id}] succeeded")));
    assert!(!otis.log("runner").contains(&id));
}

/// The commands look at what the kernel says of the sandbox, and at which container it is.
const LOOK: &str = "cat /etc/hostname
id -u
grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
grep -c : /proc/net/dev
echo x 2>&1 >/x
exit 7";

#[test]
fn a_sandbox_job_runs_in_a_confined_container_that_the_proxy_let_through_and_that_is_gone_after_it()
{
    let otis = Otis::share();
    let since = docker(&["info", "--format", "{{.SystemTime}}"]);
    let id = submit(&otis, &json!({"kind": "sandbox", "command": ["sh", "-c", LOOK]}));
    let result = result(&otis, &id);
    assert_eq!(result["exit_code"], 7);
    assert_eq!((&result["truncated"], &result["timed_out"]), (&json!(false), &json!(false)));
    let output = result["output"].as_str().unwrap();
    let (host, rest) = output.split_once('\n').unwrap();
    assert_eq!(
        rest,
        "65534\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n1\n\
         sh: 5: cannot create /x: Read-only file system\n"
    );

    // The runner handled it, and not the worker.
    assert!(otis.log("runner").contains(&format!("otis.sandbox[{id}] succeeded")));
    assert!(!otis.log("worker").contains(&id));

    // The engine tells the life of the one container that has this host name.
    let label = format!("label=dev.stackproof.run={}", otis.run);
    let until = docker(&["info", "--format", "{{.SystemTime}}"]);
    let events = docker(&[
        "events",
        "--since",
        &since,
        "--until",
        &until,
        "--filter",
        "type=container",
        "--filter",
        &label,
        "--format",
        "{{.ID}} {{.Action}}",
    ]);
    let life: Vec<&str> =
        events.lines().filter_map(|line| line.strip_prefix(host)?.split(' ').nth(1)).collect();
    for action in ["create", "attach", "start", "die", "destroy"] {
        assert!(life.contains(&action), "{action} of {host}: {life:?}\n{events}");
    }
    let left = otis.further_containers();
    assert!(!left.iter().any(|(id, _)| id.starts_with(host)), "{left:?}");

    // The proxy saw it start and let it.
    let log = otis.log("socket-proxy");
    let mut starts = log.lines().filter(|line| line.contains(&format!("/containers/{host}")));
    assert!(
        starts.any(|line| line.contains("/start ") && line.ends_with("\"allowed\"")),
        "the proxy's log lacks the start of {host}"
    );
}

#[test]
fn a_sandbox_that_prints_more_than_is_kept_is_cut_short_and_removed() {
    let otis = Otis::share();
    let id =
        submit(&otis, &json!({"kind": "sandbox", "command": ["yes", "mark-of-a-long-output"]}));
    let result = result(&otis, &id);
    assert_eq!(result["truncated"], true);
    assert_eq!(result["output"].as_str().unwrap().len(), 64 << 10);
    let left = otis.further_containers();
    assert!(!left.iter().any(|(_, command)| command.contains("mark-of-a-long")), "{left:?}");
}

#[rstest]
#[case::of_no_kind(r#"{"text": "x"}"#)]
#[case::of_an_unknown_kind(r#"{"kind": "shell", "text": "x"}"#)]
#[case::of_a_kind_in_capitals(r#"{"kind": "ECHO", "text": "x"}"#)]
#[case::without_its_text(r#"{"kind": "echo"}"#)]
#[case::with_a_text_that_is_a_number(r#"{"kind": "echo", "text": 1}"#)]
#[case::with_a_field_that_does_not_exist(r#"{"kind": "echo", "text": "x", "image": "x"}"#)]
#[case::with_the_field_of_the_other_kind(r#"{"kind": "echo", "text": "x", "command": ["id"]}"#)]
#[case::with_an_empty_command(r#"{"kind": "sandbox", "command": []}"#)]
#[case::with_a_command_that_is_a_string(r#"{"kind": "sandbox", "command": "id"}"#)]
#[case::with_a_nul_in_an_argument(r#"{"kind": "sandbox", "command": ["a\u0000b"]}"#)]
#[case::with_options_for_the_client(
    r#"{"kind": "sandbox", "command": ["id"], "options": ["--privileged"]}"#
)]
#[case::that_is_a_list(r#"[{"kind": "echo", "text": "x"}]"#)]
#[case::that_is_null("null")]
#[case::that_is_no_json("kind=echo&text=x")]
#[case::that_is_empty("")]
fn a_job_is_refused(#[case] body: &str) {
    let otis = Otis::share();
    let (status, answer) = post(&otis, body);
    assert_eq!(status, 422, "{answer}");
}

#[test]
fn a_job_that_is_too_large_is_refused() {
    let otis = Otis::share();
    let echo = |length: usize| json!({"kind": "echo", "text": "x".repeat(length)}).to_string();
    let sandbox =
        |count: usize| json!({"kind": "sandbox", "command": vec!["x"; count]}).to_string();
    assert_eq!(post(&otis, &echo(4097)).0, 422);
    assert_eq!(post(&otis, &sandbox(17)).0, 422);
    // One less of each is accepted, so it is the size that was refused.
    assert_eq!(post(&otis, &echo(4096)).0, 202);
}

#[rstest]
#[case::a_job_that_nobody_submitted("/jobs/7f8c4f9e-0d8a-4d2e-9a43-0e6f3a3c9b11", 404)]
#[case::an_id_that_is_none("/jobs/1", 422)]
#[case::a_path_in_place_of_an_id("/jobs/..%2fhealth", 404)]
#[case::generated_documentation("/docs", 404)]
#[case::a_schema("/openapi.json", 404)]
#[case::the_list_of_jobs("/jobs", 405)]
fn nothing_is_found(#[case] path: &str, #[case] expected: u16) {
    let otis = Otis::share();
    let (status, body) = get(&otis, path);
    assert_eq!(status, expected, "{body}");
}
