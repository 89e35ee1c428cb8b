//! Forking without end: never more than was asked for, and nothing is left, whatever ends it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stackproof::probe::BINARY;
use tempfile::TempDir;

/// The probe with five children, and what it prints.
struct Bred {
    child: Child,
    printed: BufReader<ChildStdout>,
    _folder: TempDir,
}

fn bred() -> Bred {
    let folder = tempfile::tempdir().unwrap();
    let probe = folder.path().join("probe");
    std::fs::write(&probe, BINARY).unwrap();
    std::fs::set_permissions(&probe, PermissionsExt::from_mode(0o700)).unwrap();
    let mut child = Command::new(&probe)
        .args(["breed", "nonce", "5", "30000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = BufReader::new(child.stdout.take().unwrap());
    Bred { child, printed, _folder: folder }
}

fn line(printed: &mut impl BufRead) -> Value {
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn children(pid: u32) -> Vec<String> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    list.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn as_many_as_asked_for_are_forked_and_ended_when_told() {
    let Bred { mut child, mut printed, _folder } = bred();
    let first = line(&mut printed);
    assert_eq!((&first["forked"], &first["errno"]), (&Value::from(5), &Value::Null));
    assert_eq!(children(child.id()).len(), 5);
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let last = line(&mut printed);
    assert_eq!((&last["reaped"], &last["asked"]), (&Value::from(5), &Value::Bool(true)));
    assert!(child.wait().unwrap().success());
}

#[test]
fn they_end_with_a_parent_that_is_killed() {
    let Bred { mut child, mut printed, _folder } = bred();
    line(&mut printed);
    let children = children(child.id());
    assert_eq!(children.len(), 5);
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // A pid can be given again, but not to the same program.
    let lives = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains("(probe)") && !stat.contains(") Z ")
    };
    while children.iter().any(lives) {
        assert!(Instant::now() < deadline, "the children live on");
        std::thread::yield_now();
    }
}
