//! `sweep`: what a run has left is removed; with `--expect-nothing` that there was anything is a
//! failure. Only runs of the tests' own are swept here: a sweep of every dead run would take from
//! other tests what they look at.

use std::process::{Command, Output};

use stackproof::run_id::RunId;
use stackproof::stack::runs::Alive;

use super::stack::{docker, left_of};

/// A volume that a run has made. The run counts as alive, so that only who names it sweeps it.
fn volume_of(run: &RunId) -> (String, Alive) {
    let alive = Alive::declare(run).unwrap();
    let name = format!("stackproof-test-{run}");
    docker(&["volume", "create", "--label", &format!("dev.stackproof.run={run}"), &name]);
    (name, alive)
}

fn sweep(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stackproof")).arg("sweep").args(arguments).output().unwrap()
}

#[test]
fn what_was_left_behind_is_a_failure_where_nothing_is_expected_and_is_removed_all_the_same() {
    let run = RunId::fresh().unwrap();
    let (volume, _alive) = volume_of(&run);
    let only = ["--run", run.as_str(), "--expect-nothing"];
    let swept = sweep(&only);
    let said = String::from_utf8_lossy(&swept.stderr).into_owned();
    assert_eq!(swept.status.code(), Some(75), "{said}");
    assert!(said.contains(&format!("run {run} had left behind: volume {volume}")), "{said}");
    assert_eq!(left_of(run.as_str()), Vec::<String>::new());
    let again = sweep(&only);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn what_was_left_behind_is_removed_where_it_may_be_there() {
    let run = RunId::fresh().unwrap();
    let (_, _alive) = volume_of(&run);
    assert_eq!(sweep(&["--run", run.as_str()]).status.code(), Some(0));
    assert_eq!(left_of(run.as_str()), Vec::<String>::new());
}
