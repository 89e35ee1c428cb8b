//! Runs that end before their time leave nothing behind.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

use super::stack::{Small, left_of, stackproof, wait_until};

const CLAIM: &str = "  - id: web-is-not-root
    text: The web service does not run as root.
    severity: high
    source: test
    checks:
      - runs-as: {services: [web]}
";
const SERVICE: &str = "    user: \"1234:1234\"\n";

/// A run that is under way, its id, and the lines that it prints from then on.
fn under_way(small: &Small) -> (Child, String, impl Iterator<Item = String>) {
    let mut child =
        stackproof(small, &[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap();
    let run = first.split("run ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    (child, run, lines)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

#[rstest]
#[case::while_it_comes_up("up started")]
#[case::while_it_is_observed("observe started")]
fn a_run_that_is_interrupted_cleans_up_and_ends_with_130(#[case] moment: &str) {
    for signal in [Signal::INT, Signal::TERM] {
        let small = Small::new(SERVICE, CLAIM);
        let (mut child, run, mut lines) = under_way(&small);
        lines.find(|line| line.contains(moment)).unwrap();
        send(&child, signal);
        lines.for_each(drop);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(left_of(&run), Vec::<String>::new());
    }
}

#[rstest]
#[case::while_it_is_resolved("resolve started")]
#[case::while_it_comes_up("up started")]
#[case::while_it_is_observed("observe started")]
#[case::while_it_goes_down("down started")]
fn a_run_that_is_killed_is_cleaned_up_by_its_reaper(#[case] moment: &str) {
    let small = Small::new(SERVICE, CLAIM);
    let (mut child, run, mut lines) = under_way(&small);
    lines.find(|line| line.contains(moment)).unwrap();
    send(&child, Signal::KILL);
    child.wait().unwrap();
    let id = stackproof::run_id::RunId::parse(&run).unwrap();
    wait_until("the end of the reaper", || !stackproof::stack::runs::is_alive(&id).unwrap());
    assert_eq!(left_of(&run), Vec::<String>::new());
}

#[test]
fn two_runs_of_one_scenario_at_once_do_not_disturb_each_other() {
    let small = Small::new(SERVICE, CLAIM);
    let mut runs: Vec<Child> = (0..2)
        .map(|_| {
            stackproof(&small, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for run in &mut runs {
        assert_eq!(run.wait().unwrap().code(), Some(0));
    }
}
