//! The command line from outside: verbs and exit codes that need no engine.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helping functions too")]

use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

/// The program, in the repository's root, with an engine that is not there.
fn stackproof() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stackproof"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env_remove("DOCKER_CONTEXT")
        .env("LC_ALL", "C");
    command
}

#[test]
fn the_version_is_told_with_0() {
    stackproof().arg("--version").assert().code(0).stdout(contains("stackproof 0.1.0"));
}

#[test]
fn a_wrong_command_line_is_64() {
    for arguments in [&["run"][..], &["fly"], &["run", "x.yaml", "--keep", "--attach", "p"]] {
        stackproof().args(arguments).assert().code(64).stderr(contains("Usage"));
    }
}

#[test]
fn a_list_needs_no_engine() {
    stackproof()
        .args(["list", "scenarios/otis.yaml"])
        .assert()
        .code(0)
        .stdout(contains("api-has-no-docker-access").and(contains("pending")));
}

#[test]
fn the_schema_is_json() {
    let output = stackproof().arg("schema").assert().code(0).get_output().stdout.clone();
    let schema: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn completions_are_printed() {
    stackproof().args(["completions", "bash"]).assert().code(0).stdout(contains("_stackproof"));
}

#[test]
fn man_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    stackproof().arg("man").arg(folder.path()).assert().code(0);
    assert!(folder.path().join("stackproof-run.1").exists());
}

#[test]
fn an_invalid_scenario_is_65_with_every_problem() {
    let expected = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/invalid/many-problems.stderr"),
    )
    .unwrap();
    for verb in ["run", "list"] {
        stackproof()
            .args([verb, "scenarios/invalid/many-problems.yaml"])
            .assert()
            .code(65)
            .stderr(expected.clone());
    }
}

#[test]
fn a_scenario_that_is_not_there_is_65() {
    stackproof()
        .args(["run", "scenarios/nowhere.yaml"])
        .assert()
        .code(65)
        .stderr(contains("scenarios/nowhere.yaml"));
}

#[test]
fn an_engine_that_is_not_there_is_69_and_a_record_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (json, junit) = (folder.path().join("a/r.json"), folder.path().join("b/r.xml"));
    stackproof()
        .args(["run", "scenarios/otis.yaml", "--json"])
        .arg(&json)
        .arg("--junit")
        .arg(&junit)
        .assert()
        .code(69)
        .stderr(contains("/nonexistent/docker.sock").and(contains("is an engine installed")));
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(record["schema"], "stackproof.record/1");
    assert_eq!(record["summary"]["held"], 0);
    assert!(record["summary"]["inconclusive"].as_u64().unwrap() > 20);
    assert!(std::fs::read_to_string(junit).unwrap().contains("<error"));
}

/// The program as a user who may not open the socket, wherever the tests run: root may open any.
fn unprivileged(folder: &Path) -> std::process::Command {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let program = folder.join("stackproof");
    std::fs::copy(env!("CARGO_BIN_EXE_stackproof"), &program).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(program);
    if rustix::process::getuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command.env_remove("DOCKER_CONTEXT").env_remove("XDG_RUNTIME_DIR").env("LC_ALL", "C");
    command
}

#[test]
fn an_engine_that_refuses_this_user_is_69_and_says_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = unprivileged(folder.path());
    command.env("DOCKER_HOST", format!("unix://{}", socket.display())).arg("doctor");
    Command::from_std(command)
        .assert()
        .code(69)
        .stderr(contains("Permission denied").and(contains("socket's group (usually docker)")));
}

#[test]
fn an_engine_that_accepts_and_never_answers_is_69_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    stackproof()
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .arg("doctor")
        .timeout(std::time::Duration::from_secs(50))
        .assert()
        .code(69)
        .stderr(contains("no answer within 10 s").and(contains("restart it")));
}

#[test]
fn doctor_and_sweep_without_an_engine_are_69() {
    for verb in ["doctor", "sweep"] {
        stackproof().arg(verb).assert().code(69).stderr(contains("/nonexistent/docker.sock"));
    }
}

#[test]
fn a_doctor_of_a_scenario_without_an_engine_is_69_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = folder.path().join("overlay.yaml");
    stackproof()
        .args(["doctor", "scenarios/e2i.yaml", "--write-overlay"])
        .arg(&overlay)
        .assert()
        .code(69)
        .stderr(contains("/nonexistent/docker.sock"));
    assert!(!overlay.exists());
}

#[test]
fn a_doctor_of_an_invalid_scenario_is_65_with_its_problems() {
    stackproof()
        .args(["doctor", "scenarios/invalid/many-problems.yaml"])
        .assert()
        .code(65)
        .stderr(contains("scenarios/invalid/many-problems.yaml"));
    stackproof()
        .args(["doctor", "scenarios/otis.yaml", "--overlay", "nowhere.yaml"])
        .assert()
        .code(65)
        .stderr(contains("nowhere.yaml"));
}

#[test]
fn a_doctor_that_could_not_write_the_one_right_overlay_is_64() {
    let (otis, e2i) = ("scenarios/otis.yaml", "scenarios/e2i.yaml");
    let same = "docker/e2i/one-core.yaml";
    for arguments in [
        &["doctor", "--write-overlay", "o.yaml"][..],
        &["doctor", "--overlay", "o.yaml"],
        &["doctor", otis, e2i, "--write-overlay", "o.yaml"],
        // It would be overwritten by one that says that all fits, because it was merged.
        &["doctor", e2i, "--overlay", same, "--write-overlay", same],
    ] {
        stackproof()
            .args(arguments)
            .assert()
            .code(64)
            .stderr(contains("overlay").or(contains("Usage")));
    }
}

#[test]
fn a_report_that_cannot_be_written_is_73_before_anything_is_started() {
    stackproof()
        .args(["run", "scenarios/otis.yaml", "--json", "/proc/nowhere/r.json"])
        .assert()
        .code(73)
        .stderr(contains("/proc/nowhere"));
}
