//! Runs that cannot be finished: a clear message, the right exit code, a record, and nothing left
//! behind.

use std::process::{Command, Output};

use rstest::rstest;
use serde_json::Value;

use super::stack::{LABEL, Small, docker, left_of, stackproof};

const CLAIM: &str = "  - id: web-is-not-root
    text: The web service does not run as root.
    severity: high
    source: test
    checks:
      - runs-as: {services: [web]}
";
const SERVICE: &str = "    user: \"1234:1234\"\n";

/// How a run ended: its exit code, its standard error, its record.
struct Ended {
    code: Option<i32>,
    stderr: String,
    record: Value,
}

impl Ended {
    fn of(small: &Small, arguments: &[&str]) -> Ended {
        let mut command = stackproof(small, arguments);
        Ended::by(small, command.args(["--json", "r.json"]))
    }

    fn by(small: &Small, command: &mut Command) -> Ended {
        let Output { status, stderr, .. } = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let text = std::fs::read(small.folder.path().join("r.json")).unwrap();
        // An empty file means that the run never came to its record; what it said tells why.
        assert!(!text.is_empty(), "{stderr}");
        let record = serde_json::from_slice(&text).unwrap();
        Ended { code: status.code(), stderr, record }
    }

    /// The first check of the first claim.
    fn check(&self) -> (&str, &str) {
        let check = &self.record["claims"][0]["checks"][0];
        (check["verdict"].as_str().unwrap(), check["message"].as_str().unwrap())
    }

    fn left(&self) -> Vec<String> {
        left_of(self.record["run_id"].as_str().unwrap())
    }
}

#[rstest]
#[case::that_is_never_healthy(
    "    healthcheck: {test: [CMD, /probe, fly], interval: 1s, timeout: 1s, retries: 2}\n",
    "service web is unhealthy (the last health check exited with 64"
)]
#[case::that_exits("    command: [and, fly]\n", "service web has exited with exit code 64")]
#[case::that_cannot_start(
    "    volumes: [{type: bind, source: /nonexistent, target: /x, bind: {create_host_path: false}}]\n",
    "/nonexistent"
)]
fn a_stack_with_a_service_is_69_and_the_record_says_why(#[case] body: &str, #[case] why: &str) {
    let small = Small::new(&format!("{SERVICE}{body}"), CLAIM);
    let ended = Ended::of(&small, &[]);
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    assert!(ended.record["aborted"].as_str().unwrap().contains(why));
    let (verdict, message) = ended.check();
    assert_eq!(verdict, "inconclusive");
    assert!(message.starts_with("not reached: "), "{message}");
    assert_eq!(ended.left(), Vec::<String>::new());
}

/// The document's command is followed while the service is looked at, so what it does to the
/// service happens then.
#[rstest]
#[case::it_ends("docker kill small-web", "ended while it was looked at")]
#[case::it_is_started_again(
    "docker restart --time 0 small-web",
    "was started again while it was looked at"
)]
fn a_service_is_not_settled_where_meanwhile(#[case] command: &str, #[case] why: &str) {
    let claim = CLAIM.replace(
        "    checks:",
        &format!(
            "    documented: {{command: {command}, expected: x, satisfied_when: exits-zero}}\n    checks:"
        ),
    );
    let small = Small::new(&format!("{SERVICE}    container_name: small-web\n"), &claim);
    let ended = Ended::of(&small, &[]);
    let (verdict, message) = ended.check();
    assert_eq!((ended.code, verdict), (Some(2), "inconclusive"), "{message}");
    assert!(message.contains(why), "{message}");
    assert_eq!(ended.left(), Vec::<String>::new());
}

/// A process of the service's user can stop whatever runs as that user: the probe before it has
/// answered, or the lender before it has said its pid.
#[test]
fn a_service_that_stops_the_probe_is_inconclusive_in_time() {
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/docker/base/build");
    assert!(Command::new(base).status().unwrap().success());
    let hostile = r#"    image: stackproof-base/debian:bookworm-slim
    entrypoint:
      - bash
      - -c
      - |
        while :; do
          for comm in /proc/[0-9]*/comm; do
            pid=$${comm#/proc/}; pid=$${pid%/comm}
            name=
            read -r name < $$comm
            case $$name in probe|exe|ask) kill -STOP $$pid ;; esac
          done
        done 2>/dev/null
"#;
    let small = Small::new(SERVICE, CLAIM);
    let file = small.folder.path().join("compose.yaml");
    std::fs::write(file, format!("services:\n  web:\n{hostile}{SERVICE}")).unwrap();
    let ended = Ended::of(&small, &[]);
    let (verdict, message) = ended.check();
    assert_eq!((ended.code, verdict), (Some(2), "inconclusive"), "{message}");
    assert_eq!(ended.left(), Vec::<String>::new());
}

#[test]
fn a_machine_without_compose_is_69() {
    let small = Small::new(SERVICE, CLAIM);
    // Whatever this machine has installed, plugins are looked for in a folder without any, too.
    let configuration = r#"{"cliPluginsExtraDirs": []}"#;
    std::fs::write(small.folder.path().join("config.json"), configuration).unwrap();
    let mut command = stackproof(&small, &["--json", "r.json"]);
    command.env("PATH", "/nonexistent").env("DOCKER_CONFIG", small.folder.path());
    let ended = Ended::by(&small, &mut command);
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert!(ended.stderr.contains("install Docker's Compose plugin"), "{}", ended.stderr);
}

#[test]
fn a_run_that_cannot_note_that_it_lives_is_70_and_makes_nothing() {
    let small = Small::new(SERVICE, CLAIM);
    let mut command = stackproof(&small, &["--json", "r.json"]);
    let ended = Ended::by(&small, command.env("XDG_RUNTIME_DIR", "/proc/nowhere"));
    assert_eq!(ended.code, Some(70), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot lock the run"), "{}", ended.stderr);
    assert_eq!(ended.left(), Vec::<String>::new());
}

#[test]
fn a_claim_that_no_check_verifies_is_3() {
    let pending = "  - {id: a, text: t, severity: low, source: s, pending: nobody can see it}\n";
    let small = Small::new(SERVICE, pending);
    let ended = Ended::of(&small, &[]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert_eq!(ended.left(), Vec::<String>::new());
}

#[test]
fn a_selection_that_matches_nothing_is_64() {
    let small = Small::new(SERVICE, CLAIM);
    let ended = Ended::of(&small, &["--claim", "web-is-not-rot"]);
    assert_eq!(ended.code, Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains("--claim web-is-not-rot: the scenario has no such claim"));
}

/// A container that somebody else put into the run's network keeps the network from going.
#[test]
fn a_network_that_somebody_uses_is_left_behind_with_75_and_swept_later() {
    let small = Small::new(SERVICE, CLAIM);
    let guest = format!("{}-guest", small.image.0);
    let join = format!(
        "docker run --detach --name {guest} --label {LABEL}=1 --network $${{COMPOSE_PROJECT_NAME}}_default {} /probe hold",
        small.image.0
    )
    .replace("$$", "$");
    let claim = CLAIM.replace(
        "    checks:",
        &format!(
            "    documented: {{command: '{join}', expected: x, satisfied_when: exits-zero}}\n    checks:"
        ),
    );
    std::fs::write(
        small.scenario(),
        format!("name: small\ncompose: [compose.yaml]\nclaims:\n{claim}"),
    )
    .unwrap();
    let ended = Ended::of(&small, &[]);
    let left = ended.left();
    docker(&["rm", "--force", &guest]);
    assert_eq!(ended.code, Some(75), "{}", ended.stderr);
    assert_eq!(ended.record["claims"][0]["verdict"], "held");
    assert_eq!(left.len(), 1, "{left:?}");
    let leftovers = ended.record["leftovers"].as_array().unwrap();
    assert!(leftovers[0].as_str().unwrap().starts_with("network "), "{leftovers:?}");
    let run = ended.record["run_id"].as_str().unwrap();
    let swept = Command::new(env!("CARGO_BIN_EXE_stackproof"))
        .args(["sweep", "--run", run])
        .output()
        .unwrap();
    assert_eq!(swept.status.code(), Some(0));
    assert_eq!(ended.left(), Vec::<String>::new());
}
