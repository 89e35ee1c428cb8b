//! The walls of the architecture, and the rules that no compiler keeps.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helping functions too")]

use std::path::{Path, PathBuf};

use rstest::rstest;

/// The longest file of source code, in lines.
const MOST_LINES: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder or the file itself, with their text. Paths are relative to the
/// repository.
fn files(places: &[&str], ending: &str) -> Vec<(String, String)> {
    let mut open: Vec<PathBuf> = places.iter().map(|place| root().join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.to_string_lossy().ends_with(ending) {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(!found.is_empty(), "{places:?} holds no {ending}");
    found.sort();
    found
}

/// The code of a file: without its tests, which stand at its end, and without comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The places where one of the words stands in code.
fn uses(files: &[(String, String)], words: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for (name, text) in files {
        for (number, line) in code(text).lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                places.push(format!("{name}:{}: {word}", number + 1));
            }
        }
    }
    places
}

const NONE: [&str; 0] = [];

#[rstest]
// What is parsed, planned, judged and reported is a function of what is given.
#[case::scenario("src/scenario", &["src/scenario/load.rs"])]
#[case::compose("src/compose", &[])]
#[case::compose_model("src/compose.rs", &[])]
#[case::plan("src/plan.rs", &[])]
#[case::mutation("src/mutation", &[])]
#[case::mutants("src/mutation.rs", &[])]
#[case::world("src/world.rs", &[])]
#[case::check("src/check", &[])]
#[case::judging("src/check.rs", &[])]
#[case::report("src/report", &[])]
#[case::reports("src/report.rs", &[])]
#[case::record("src/record.rs", &[])]
#[case::proposal("src/doctor/", &[])]
#[case::verdict("src/verdict.rs", &[])]
#[case::yaml("src/yaml", &[])]
#[case::diagnostic("src/diagnostic", &[])]
fn does_no_input_or_output(#[case] place: &str, #[case] except: &[&str]) {
    let mut files = files(&[place], ".rs");
    files.retain(|(name, _)| !except.contains(&name.as_str()) && !name.contains("/tests"));
    let io = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::net::ToSocket",
        "unix::net",
        "std::process",
        "std::env::",
        "std::io::std",
        "tokio::",
        "bollard",
    ];
    assert_eq!(uses(&files, &io), NONE);
}

#[test]
fn the_client_crate_is_named_in_the_engine_folder_only() {
    let mut files = files(&["src"], ".rs");
    files.retain(|(name, _)| !name.starts_with("src/engine"));
    assert_eq!(uses(&files, &["bollard"]), NONE);
}

#[test]
fn reports_never_see_the_engine_the_stack_or_the_probe() {
    let files = files(&["src/report", "src/report.rs", "src/record.rs"], ".rs");
    let outside =
        ["crate::engine", "crate::stack", "crate::probe", "crate::observe", "crate::world"];
    assert_eq!(uses(&files, &outside), NONE);
}

/// The checks are those that the list of checks sends to be judged; the other files beside them
/// hold what several of them need.
#[test]
fn a_check_never_imports_another() {
    let judge = std::fs::read_to_string(root().join("src/check.rs")).unwrap();
    let files = files(&["src/check"], ".rs");
    let module = |name: &str| name["src/check/".len()..name.len() - ".rs".len()].to_owned();
    let checks: Vec<String> = files
        .iter()
        .map(|(name, _)| module(name))
        .filter(|check| judge.contains(&format!("{check}::judge(")))
        .collect();
    assert!(checks.len() > 20, "{checks:?}");
    for (name, text) in &files {
        let own = module(name);
        for check in checks.iter().filter(|check| **check != own) {
            let imports = [format!("super::{check}"), format!("check::{check}")];
            let found = imports.iter().find(|import| code(text).contains(*import));
            assert_eq!(found, None, "{name} imports another check");
        }
    }
}

#[test]
fn every_check_has_a_file_that_says_what_it_expects() {
    let spec = std::fs::read_to_string(root().join("src/scenario/check.rs")).unwrap();
    let codes: Vec<&str> = spec
        .lines()
        .filter_map(|line| line.trim().split_once(" => \"")?.1.strip_suffix("\","))
        .collect();
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        let file = root().join(format!("src/check/{}.rs", code.replace('-', "_")));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(&format!("//! `{code}`")), "{}", file.display());
    }
}

#[test]
fn files_are_short_have_a_purpose_and_are_named_by_it() {
    for (name, text) in files(&["src", "probe", "tests", "build.rs"], ".rs") {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{name} has {lines} lines");
        assert!(text.starts_with("//! "), "{name} does not say what it is for");
        let stem = Path::new(&name).file_stem().unwrap().to_string_lossy().into_owned();
        let vague = ["mod", "util", "utils", "helper", "helpers", "common", "misc", "imp"];
        assert!(!vague.contains(&stem.as_str()), "{name} has no name of its own");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut reason = false;
    let mut section = "";
    for line in text.lines() {
        if line.starts_with('[') {
            (section, reason) = (line, false);
        } else if line.starts_with('#') {
            reason = true;
        } else if line.is_empty() {
            reason = false;
        } else if section.contains("dependencies") {
            // A reason may serve several lines in a row.
            assert!(reason, "{section} {line}");
        }
    }
}

#[test]
fn the_map_of_the_architecture_is_true() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let map = text.split("## Map").nth(1).unwrap().split("\n## ").next().unwrap();
    let places: Vec<&str> = map.split('`').skip(1).step_by(2).collect();
    let exists = |place: &str| {
        let path = root().join(place);
        path.exists() || path.with_extension("rs").exists()
    };
    for place in &places {
        let place = place.trim_end_matches('/');
        assert!(exists(place), "the map names {place}, which is not there");
    }
    for entry in std::fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let module = name.trim_end_matches(".rs");
        let known = places.iter().any(|place| {
            place.trim_end_matches(".rs").strip_prefix("src/").is_some_and(|known| known == module)
        });
        assert!(known, "the map lacks src/{name}");
    }
}

/// Waiting for a time instead of for a condition makes tests flaky, and trying again hides that
/// they are.
#[test]
fn no_test_sleeps_or_tries_again() {
    let mut files = files(&["tests"], ".rs");
    files.retain(|(name, _)| name != "tests/tidy.rs");
    let whole: Vec<(String, String)> =
        files.into_iter().map(|(name, text)| (name, text.replace("#[cfg(test)]", ""))).collect();
    assert_eq!(uses(&whole, &["thread::sleep", "time::sleep", "retries ="]), NONE);
    let nextest = std::fs::read_to_string(root().join(".config/nextest.toml")).unwrap();
    assert!(!nextest.lines().any(|line| line.trim_start().starts_with("retries")));
}

/// Public text must not name the machine it was written on.
#[test]
fn nothing_names_a_private_folder() {
    let places =
        ["src", "probe", "tests", "ci", "docker", "scenarios", "README.md", "ARCHITECTURE.md"];
    for (name, text) in files(&places, "") {
        for private in [concat!("/wo", "rk/"), concat!("/ro", "ot/wt")] {
            assert!(!text.contains(private), "{name} names {private}");
        }
    }
}
