//! A stack with limits that are too large for the engine's host: the run says what to do, and what
//! doctor proposes lets the stack start.

use std::process::Command;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use rstest::rstest;
use serde_json::Value;

use super::stack::{Small, docker, left_of, stackproof};

const ANY_CPU_LIMIT: &str = "  - id: web-has-a-cpu-limit
    text: The web service has a CPU limit.
    severity: high
    source: test
    checks:
      - cpu-limit: {services: [web]}
";

/// What the engine says of its host.
fn host(format: &str) -> u64 {
    docker(&["info", "--format", format]).parse().unwrap()
}

/// The number of CPUs that the host does not have.
fn too_many() -> u64 {
    host("{{.NCPU}}") + 1
}

fn stated(cpus: u64) -> String {
    format!(
        "  - id: web-has-the-cpus-as-stated
    text: The web service has the CPU limit that is stated.
    severity: high
    source: test
    checks:
      - cpu-limit: {{services: [web], cpus: {cpus}}}
"
    )
}

fn doctor(small: &Small, arguments: &[&str]) -> Assert {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stackproof"));
    command.arg("doctor").arg("small.yaml").args(arguments).current_dir(small.folder.path());
    assert_cmd::Command::from_std(command).assert()
}

fn record(small: &Small) -> Value {
    serde_json::from_slice(&std::fs::read(small.folder.path().join("r.json")).unwrap()).unwrap()
}

#[test]
fn a_run_on_a_host_with_too_few_cpus_is_69_and_names_doctor() {
    let small = Small::new(&format!("    cpus: {}\n", too_many()), ANY_CPU_LIMIT);
    // A second service, which is made and not started, is not what is wrong.
    let compose = small.folder.path().join("compose.yaml");
    let mut text = std::fs::read_to_string(&compose).unwrap();
    text.push_str(&format!(
        "  other:\n    image: {}\n    entrypoint: [/probe, hold]\n",
        small.image.0
    ));
    std::fs::write(compose, text).unwrap();
    let output = stackproof(&small, &["--json", "r.json"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    let record = record(&small);
    for said in [&stderr, record["aborted"].as_str().unwrap()] {
        assert!(said.contains("web-1  Error response from daemon: "), "{said}");
        assert!(said.contains("ange of CPUs is from"), "{said}");
        assert!(said.contains("`stackproof doctor SCENARIO`"), "{said}");
        assert!(!said.contains("service other"), "{said}");
    }
    assert_eq!(left_of(record["run_id"].as_str().unwrap()), Vec::<String>::new());
}

#[rstest]
#[case::in_the_older_keys(|cpus, memory| format!(
    "    cpus: {cpus}\n    mem_limit: {memory}\n    mem_reservation: {memory}\n    memswap_limit: {memory}\n"
))]
#[case::under_deploy(|cpus, memory| format!(
    "    deploy: {{resources: {{limits: {{cpus: '{cpus}', memory: '{memory}'}}, \
     reservations: {{cpus: '{cpus}', memory: '{memory}'}}}}}}\n    memswap_limit: {memory}\n"
))]
fn with_the_proposed_overlay_a_stack_starts_whose_limits_are(
    #[case] limits: fn(u64, u64) -> String,
) {
    let (cpus, memory) = (too_many(), host("{{.MemTotal}}") * 2);
    let claims = format!("{ANY_CPU_LIMIT}{}", stated(cpus));
    let small = Small::new(&limits(cpus, memory), &claims);
    doctor(&small, &["--write-overlay", "new/o.yaml"]).code(0).stdout(
        contains(format!("service web of small is limited to {cpus} CPU, and the host has"))
            .and(contains("the engine accepts it and it never binds"))
            .and(contains("the engine refuses to make its container"))
            .and(contains("stackproof run small.yaml --overlay new/o.yaml"))
            .and(contains("  web-has-the-cpus-as-stated\n"))
            .and(contains("  web-has-a-cpu-limit\n").not()),
    );
    // What is told of the claims is what the run says.
    let arguments = ["--overlay", "new/o.yaml", "--json", "r.json"];
    let output = stackproof(&small, &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let record = record(&small);
    let verdicts = record["claims"].as_array().unwrap().iter().map(|claim| &claim["verdict"]);
    assert_eq!(verdicts.collect::<Vec<_>>(), ["held", "broken"]);
    // With it, nothing is left to propose.
    doctor(&small, &["--overlay", "new/o.yaml"])
        .code(0)
        .stdout(contains("each CPU and memory limit of small fits the host"));
}

#[test]
fn where_all_limits_fit_the_overlay_is_written_and_changes_nothing() {
    let small = Small::new("    cpus: 1\n", ANY_CPU_LIMIT);
    doctor(&small, &["--write-overlay", "o.yaml"]).code(0);
    let output = stackproof(&small, &["--overlay", "o.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_overlay_on_stdout_is_there_alone() {
    let small = Small::new(&format!("    cpus: {}\n", too_many()), ANY_CPU_LIMIT);
    doctor(&small, &["--write-overlay", "-"])
        .code(0)
        .stdout(predicates::str::starts_with("# Proposed by").and(contains("Use it").not()))
        .stderr(contains("engine").and(contains("Use it")));
}

#[test]
fn an_overlay_that_cannot_be_written_is_73() {
    let small = Small::new("    cpus: 1\n", ANY_CPU_LIMIT);
    doctor(&small, &["--write-overlay", "/proc/nowhere/o.yaml"])
        .code(73)
        .stderr(contains("cannot write /proc/nowhere/o.yaml"));
}

#[test]
fn a_doctor_of_compose_files_that_compose_refuses_is_65() {
    let small = Small::new("    cpus: many\n", ANY_CPU_LIMIT);
    doctor(&small, &[]).code(65).stderr(contains("the Compose files are invalid"));
}
