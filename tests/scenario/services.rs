//! What is found in Compose files before Compose is asked.

use rstest::rstest;
use stackproof::diagnostic::{Problems, Sources};
use stackproof::scenario::services::Services;

use super::written::problems;

/// The services of Compose files, whether they are all, and the lines of the problems.
fn services(files: &[&str]) -> (Vec<String>, bool, Vec<String>) {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let mut services = Services::none();
    for (place, text) in files.iter().enumerate() {
        let source = sources.add(format!("{place}.yaml"), *text);
        services.add(text, source, &mut problems);
    }
    problems.extend(services.cycles());
    let lines =
        problems.into_sorted().iter().map(|p| format!("{} {}", p.code, p.line(&sources))).collect();
    (services.names.into_keys().collect(), services.complete, lines)
}

#[rstest]
#[case::one_file(&["services: {a: {}, b: }"], &["a", "b"], true)]
#[case::several_files(&["services: {a: {}}", "services: {b: {}}"], &["a", "b"], true)]
#[case::a_file_without_services(&["services: {a: {}}", "networks: {b: {}}"], &["a"], true)]
#[case::a_null(&["services:"], &[], true)]
#[case::a_removed_service(&["services: {a: {}, b: {}}", "services: {a: !reset null}"], &["b"], true)]
#[case::anchors(&["x-a: &a {image: x}\nservices: {a: {<<: *a}, b: *a}"], &["a", "b"], true)]
#[case::an_include(&["include: [x.yaml]\nservices: {a: {}}"], &["a"], false)]
#[case::an_extended_service(&["services: {a: {extends: {file: x.yaml, service: y}}}"], &["a"], false)]
#[case::interpolation(&["services: {a: {image: '${X:-y}', ports: ['80:80'], mem_limit: '${M}'}}"], &["a"], true)]
fn services_are_found(#[case] files: &[&str], #[case] expected: &[&str], #[case] complete: bool) {
    let (names, is_complete, problems) = services(files);
    assert_eq!(problems, [""; 0]);
    assert_eq!(names, expected);
    assert_eq!(is_complete, complete);
}

#[rstest]
#[case::a_list("- a", "not-compose 0.yaml:1:1: a Compose file must be a mapping, not a list")]
#[case::nothing("", "not-compose 0.yaml:1:1: a Compose file must be a mapping, not nothing")]
#[case::listed_services(
    "services: [a]",
    "not-compose 0.yaml:1:11: `services` must be a mapping, not a list"
)]
#[case::an_unknown_tag("services: {a: !x {}}", "unknown-tag 0.yaml:1:15: unknown tag `!x`")]
#[case::no_yaml("services: [", "syntax 0.yaml:1:11: not YAML: unclosed bracket '['")]
fn other_files_are_told(#[case] text: &str, #[case] expected: &str) {
    let (_, _, problems) = services(&[text]);
    assert_eq!(problems, [expected]);
}

#[rstest]
#[case::the_short_form(&["services: {a: {depends_on: [b]}, b: {depends_on: [a]}}"], &["a -> b -> a"])]
#[case::the_long_form(&["services: {a: {depends_on: {b: {condition: service_started}}}, b: {depends_on: {a: {}}}}"], &["a -> b -> a"])]
#[case::itself(&["services: {a: {depends_on: [a]}}"], &["a -> a"])]
#[case::across_files(&["services: {a: {depends_on: [b]}, b: {}}", "services: {b: {depends_on: [a]}}"], &["a -> b -> a"])]
#[case::behind_others(&["services: {a: {depends_on: [b]}, b: {depends_on: [d, c]}, c: {depends_on: [b]}, d: {}}"], &["b -> c -> b"])]
#[case::two_circles(&["services: {a: {depends_on: [b]}, b: {depends_on: [a]}, c: {depends_on: [d]}, d: {depends_on: [c]}}"], &["a -> b -> a", "c -> d -> c"])]
#[case::no_circle(&["services: {a: {depends_on: [b, c]}, b: {depends_on: [c]}, c: {}}"], &[])]
#[case::a_service_that_is_not_there(&["services: {a: {depends_on: [b]}}"], &[])]
#[case::a_removed_wait(&["services: {a: {depends_on: [b]}, b: {depends_on: [a]}}", "services: {b: {depends_on: !reset []}}"], &[])]
#[case::an_overridden_wait(&["services: {a: {depends_on: [b]}, b: {depends_on: [a]}, c: {}}", "services: {b: {depends_on: !override [c]}}"], &[])]
fn circles_are_told_with_their_way(#[case] files: &[&str], #[case] expected: &[&str]) {
    let (_, _, problems) = services(files);
    let ways: Vec<_> =
        problems.iter().map(|line| line.split("each other: ").nth(1).unwrap()).collect();
    assert_eq!(ways, expected);
}

#[test]
fn a_long_row_of_waiting_services_is_no_overflow() {
    let row: String =
        (0..10_000).map(|n| format!("  s{n}: {{depends_on: [s{}]}}\n", n + 1)).collect();
    let (names, _, problems) =
        services(&[&format!("services:\n{row}  s10000: {{depends_on: [s0]}}\n")]);
    assert_eq!((names.len(), problems.len()), (10_001, 1));
}

#[test]
fn services_of_a_file_that_includes_others_are_left_to_compose() {
    let scenario = "name: x\ncompose: [compose.yaml]\nclaims:\n  - {id: a, text: t, severity: low, source: s, checks: [seccomp: {services: [elsewhere]}]}\n";
    let include = ("compose.yaml", "include: [other.yaml]\nservices: {a: {image: x}}\n");
    assert_eq!(problems(&[("x.yaml", scenario), include]), [""; 0]);
    let alone = ("compose.yaml", "services: {a: {image: x}}\n");
    assert_eq!(problems(&[("x.yaml", scenario), alone]).len(), 1);
}
