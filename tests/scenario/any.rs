//! Whatever a file holds, it is loaded or refused with places, and quickly.

use std::time::Duration;

use proptest::prelude::*;
use stackproof::scenario::load::load;

use super::written::{COMPOSE, HEAD, computed, folder};

const WHOLE: &str = include_str!("../fixtures/scenario/whole.yaml");

/// Loads a scenario with a Compose file and shows what is said of it.
fn survives(scenario: &str, compose: &str) {
    let start = computed();
    let folder = folder(&[("x.yaml", scenario), ("compose.yaml", compose)]);
    if let Err(refused) = load(&folder.path().join("x.yaml")) {
        assert!(!refused.diagnostics.is_empty());
        for diagnostic in &refused.diagnostics {
            if let Some(span) = diagnostic.span {
                assert!(refused.sources.slice(span).is_some(), "{diagnostic:?}");
            }
        }
        let shown = refused.render_plain(&"x.yaml");
        assert!(shown.ends_with("problem\n") || shown.ends_with("problems\n"));
    }
    assert!(computed() - start < Duration::from_secs(5), "{:?}", computed() - start);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_scenario_with_a_piece_replaced_is_survived(
        start in 0..WHOLE.len(),
        length in 0..60_usize,
        piece in prop::sample::select(vec!["", "\n", ": ", "- ", "[", "{", "}", "\"", "&a ", "*a", "<<: ", "~", "\t", "é", "!x "]),
    ) {
        let start = WHOLE.floor_char_boundary(start);
        let end = WHOLE.floor_char_boundary(start + length);
        survives(&format!("{}{piece}{}", &WHOLE[..start], &WHOLE[end..]), COMPOSE.1);
    }

    #[test]
    fn any_compose_file_is_survived(compose in any::<String>()) {
        survives(&format!("{HEAD}  []\n"), &compose);
    }
}

#[test]
fn a_problem_in_every_line_is_cut_short() {
    let mistake =
        "  - {id: A_, text: '', severity: low, source: s, checks: [secomp: {services: [x]}]}\n";
    survives(&format!("{HEAD}{}", mistake.repeat(5_000)), COMPOSE.1);
    let names: String = (0..20_000).map(|n| format!("service-{n}, ")).collect();
    let check = format!("checks: [seccomp: {{services: [{names}]}}]");
    let services: String = (0..20_000).map(|n| format!("  other-{n}: {{}}\n")).collect();
    survives(
        &format!("{HEAD}  - {{id: a, text: t, severity: low, source: s, {check}}}\n"),
        &format!("services:\n{services}"),
    );
    survives(&format!("{HEAD}  []\n{}", "x: 1\n".repeat(20_000)), COMPOSE.1);
    survives(&format!("{HEAD}  []\nx: {{{}}}\n", "x: 1, ".repeat(20_000)), COMPOSE.1);
}
