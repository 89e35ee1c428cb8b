//! `mutate` on a small stack: what is caught, what is missed, and what shows nothing.

use std::process::{Command, Output};

use rstest::rstest;
use serde_json::Value;

use super::stack::{Small, left_of};

const HARDENED: &str = "    user: \"1234:1234\"
    read_only: true
    cap_drop: [ALL]
    security_opt: [\"no-new-privileges:true\"]
    mem_limit: 64m
    memswap_limit: 64m
";
const CLAIMS: &str = "  - id: web-is-limited
    text: The web service has a memory limit.
    severity: high
    source: test
    checks:
      - memory-limit: {services: [web]}
  - id: web-cannot-write
    text: The root of the web service is read-only.
    severity: high
    source: test
    documented:
      command: docker compose exec -T web /probe fly
      expected: anything but a success
      satisfied_when: exits-non-zero
    checks:
      - read-only-root: {services: [web]}
      - no-raw-socket-mount: {services: [web]}
";

/// How a run ended.
struct Ended {
    code: Option<i32>,
    stderr: String,
    record: Value,
}

impl Ended {
    fn of(small: &Small, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stackproof"));
        command.arg("mutate").arg(small.scenario()).args(arguments);
        command.args(["--json", "m.json"]).current_dir(small.folder.path());
        let Output { status, stderr, .. } = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let text = std::fs::read(small.folder.path().join("m.json")).unwrap();
        assert!(!text.is_empty(), "{stderr}");
        let record: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(left_of(record["run_id"].as_str().unwrap()), Vec::<String>::new());
        Ended { code: status.code(), stderr, record }
    }

    /// Every mutant's id with its outcome.
    fn outcomes(&self) -> Vec<(&str, &str)> {
        let mutants = self.record["mutants"].as_array().unwrap().iter();
        mutants.map(|m| (m["id"].as_str().unwrap(), m["outcome"].as_str().unwrap())).collect()
    }
}

fn with_mutant(mutant: &str) -> String {
    format!("{CLAIMS}mutants:\n  - id: own\n    text: t\n    services: [web]\n    {mutant}\n")
}

#[test]
fn every_weakness_that_the_claims_speak_of_is_caught_and_nothing_else_turns_red() {
    let small = Small::new(HARDENED, CLAIMS);
    let ended = Ended::of(&small, &[]);
    let survivors: Vec<_> =
        ended.outcomes().into_iter().filter(|(_, outcome)| *outcome != "killed").collect();
    assert_eq!((ended.code, survivors), (Some(0), vec![]), "{}", ended.stderr);
    assert!(ended.outcomes().len() >= 10, "{:?}", ended.outcomes());
    assert_eq!(ended.record["schema"], "stackproof.mutation/1");
    assert_eq!(ended.record["summary"]["collateral"], 0, "{:#}", ended.record["mutants"]);
    assert_eq!(ended.record["summary"]["unproven"], 0);
    assert_eq!(ended.record["unmutated"]["held"], 2);
    let fooled = ended.record["mutants"].as_array().unwrap().iter().any(|mutant| {
        mutant["documented"].as_array().unwrap().iter().any(|said| said["verdict"] == "held")
    });
    assert!(fooled, "the document's command was never asked");
}

#[rstest]
#[case::is_caught(
    "change: {mem_limit: null, memswap_limit: null}\n    breaks: [memory-limit]",
    "killed",
    0
)]
#[case::that_changes_nothing_survives(
    "change: {labels: {a: b}}\n    breaks: [memory-limit]",
    "survived",
    1
)]
#[case::that_does_not_start_is_invalid(
    "change: {entrypoint: [/probe, fly]}\n    breaks: [memory-limit]",
    "invalid",
    2
)]
#[case::whose_image_cannot_be_built_is_invalid(
    "dockerfile: ['RUN nothing']\n    breaks: [memory-limit]",
    "invalid",
    2
)]
fn a_mutant_of_the_scenarios_own(#[case] mutant: &str, #[case] outcome: &str, #[case] code: i32) {
    let small = Small::new(HARDENED, &with_mutant(mutant));
    let ended = Ended::of(&small, &["--mutant", "own"]);
    let expected = (Some(code), vec![("own@web", outcome)]);
    assert_eq!((ended.code, ended.outcomes()), expected, "{}", ended.stderr);
}

#[test]
fn a_stack_that_is_not_held_to_begin_with_is_not_mutated() {
    let small = Small::new(&HARDENED.replace("read_only: true", "read_only: false"), CLAIMS);
    let ended = Ended::of(&small, &[]);
    assert_eq!((ended.code, ended.outcomes()), (Some(2), vec![]));
    assert!(ended.stderr.contains("web-cannot-write is broken"), "{}", ended.stderr);
}

#[rstest]
#[case::mutant(&["--mutant", "rot"], "--mutant rot")]
#[case::claim(&["--claim", "rot"], "--claim rot")]
#[case::service(&["--service", "rot"], "--service rot")]
fn a_selection_that_matches_nothing_is_64(#[case] arguments: &[&str], #[case] said: &str) {
    let small = Small::new(HARDENED, CLAIMS);
    let ended = Ended::of(&small, arguments);
    assert_eq!(ended.code, Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn a_sample_breaks_every_check_of_the_scenario_once() {
    let small = Small::new(HARDENED, CLAIMS);
    let ended = Ended::of(&small, &["--sample"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut codes: Vec<&str> = ended.record["mutants"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|mutant| mutant["expected"].as_array().unwrap())
        .map(|expected| expected["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes, ["memory-limit", "no-raw-socket-mount", "read-only-root"]);
    assert!(ended.outcomes().len() <= 3, "{:?}", ended.outcomes());
}
