//! What a scenario takes over from the one that it extends.

use std::path::Path;
use std::time::Duration;

use stackproof::scenario::CheckSpec;
use stackproof::scenario::load::load;

use super::written::{COMPOSE, folder, loaded, problems};

const BASE: &str = "name: base\ncompose: [compose.yaml]\nclaims:\n  - {id: a, text: t, severity: low, source: s, pending: p}\n  - {id: b, text: t, severity: low, source: s, pending: p}\n";

#[test]
fn a_twin_states_only_what_differs() {
    let loaded = load(Path::new("tests/fixtures/scenario/twin/weak.yaml")).unwrap();
    let scenario = &loaded.scenario;
    assert_eq!(scenario.name.value, "weak");
    assert_eq!(scenario.document.as_deref(), Some("Hardening guide, 2nd edition"));
    let compose: Vec<_> = scenario.compose.iter().map(|file| file.value.as_str()).collect();
    assert_eq!(compose, ["../stack/compose.yaml", "weak-compose.yaml"]);
    assert_eq!(scenario.profiles, ["secure"]);
    let env: Vec<_> = scenario.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(env, ["PORT=9090", "SOCKET=${engine.socket}", "WEAK=yes"]);
    assert_eq!(scenario.build_within.0, Duration::from_secs(1200));
    let ids: Vec<_> = scenario.claims.iter().map(|claim| claim.id.value.as_str()).collect();
    assert_eq!(ids, ["users", "engine", "kernel", "limits", "images", "extra"]);
    assert_eq!(scenario.claims[2].text, "The kernel confines the web service");
}

#[test]
fn paths_stay_with_the_file_that_states_them() {
    let loaded = load(Path::new("tests/fixtures/scenario/twin/weak.yaml")).unwrap();
    let folder = std::env::current_dir().unwrap().join("tests/fixtures/scenario/twin");
    assert_eq!(loaded.folder, folder.canonicalize().unwrap());
    assert_eq!(
        loaded.scenario.prepare,
        [vec!["../stack/fetch", "x"], vec!["docker", "pull", "alpine"]]
    );
    let baseline = loaded.scenario.claims.iter().flat_map(|claim| &claim.checks).find_map(
        |check| match &check.value {
            CheckSpec::ImageSize(size) => size.baseline.as_ref(),
            _ => None,
        },
    );
    let compose = &baseline.unwrap().compose.value;
    assert_eq!(compose, "../stack/baseline.yaml");
    assert!(loaded.folder.join(compose).exists());
}

#[test]
fn a_twin_of_a_twin_takes_over_from_both() {
    let loaded = load(Path::new("tests/fixtures/scenario/twin/weaker.yaml")).unwrap();
    assert_eq!(loaded.scenario.name.value, "weaker");
    assert_eq!(loaded.scenario.claims.len(), 6);
    assert_eq!(loaded.scenario.prepare, [[""; 0]; 0]);
}

#[test]
fn every_key_can_be_taken_over() {
    let folder = folder(&[("x.yaml", "extends: base.yaml\n"), ("base.yaml", BASE), COMPOSE]);
    let loaded = loaded(folder.path(), "x.yaml").unwrap();
    assert_eq!(loaded.scenario.name.value, "base");
    assert_eq!(loaded.scenario.claims.len(), 2);
}

#[test]
fn what_neither_states_is_missing() {
    let problems =
        problems(&[("x.yaml", "extends: base.yaml\nname: x\n"), ("base.yaml", "document: d\n")]);
    let expected = [
        "missing-key x.yaml:1:1: missing key `compose`",
        "missing-key x.yaml:1:1: missing key `claims`",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn an_inherited_problem_is_told_where_it_is() {
    let base =
        BASE.replace("pending: p}\n  -", "pendign: p}\n  -").replace("compose.yaml", "no.yaml");
    let problems =
        problems(&[("x.yaml", "extends: base.yaml\nwithout: [a]\n"), ("base.yaml", &base)]);
    let expected = [
        "missing-file base.yaml:2:11: there is no file `no.yaml`",
        "unknown-key base.yaml:4:48: unknown key `pendign` in an entry of `claims`",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn a_dropped_claim_must_be_there_to_be_dropped() {
    let twin = "extends: base.yaml\nwithout: [a, c]\n";
    let problems = problems(&[("x.yaml", twin), ("base.yaml", BASE), COMPOSE]);
    assert_eq!(problems, ["unknown-claim x.yaml:2:14: no claim `c` is taken over"]);
}

#[test]
fn a_base_without_claims_has_none_to_drop() {
    let twin = "extends: base.yaml\nwithout: [a]\nclaims:\n  - {id: a, text: t, severity: low, source: s, pending: p}\n";
    let base = "name: x\ncompose: [compose.yaml]\n";
    let problems = problems(&[("x.yaml", twin), ("base.yaml", base), COMPOSE]);
    assert_eq!(problems, ["unknown-claim x.yaml:2:11: no claim `a` is taken over"]);
}

#[test]
fn a_dropped_claim_can_be_stated_anew() {
    let twin = "extends: base.yaml\nwithout: [a]\nclaims:\n  - {id: a, text: new, severity: low, source: s, pending: p}\n";
    let folder = folder(&[("x.yaml", twin), ("base.yaml", BASE), COMPOSE]);
    let loaded = loaded(folder.path(), "x.yaml").unwrap();
    let claims: Vec<_> = loaded.scenario.claims.iter().map(|claim| claim.text.as_str()).collect();
    assert_eq!(claims, ["t", "new"]);
}

#[test]
fn dropping_every_claim_leaves_nothing_to_prove() {
    let twin = "extends: base.yaml\nwithout: [a, b]\n";
    let problems = problems(&[("x.yaml", twin), ("base.yaml", BASE), COMPOSE]);
    assert_eq!(problems, ["empty-list base.yaml:1:7: a scenario without claims proves nothing"]);
}

#[test]
fn the_same_new_id_twice_is_a_mistake() {
    let claim = "  - {id: a, text: t, severity: low, source: s, pending: p}\n";
    let twin = format!("extends: base.yaml\nclaims:\n{claim}{claim}");
    let problems = problems(&[("x.yaml", &twin), ("base.yaml", BASE), COMPOSE]);
    assert_eq!(problems, ["duplicate-id x.yaml:4:10: two claims have the id `a`"]);
}

#[test]
fn a_scenario_that_extends_itself_is_told_so() {
    let problems = problems(&[("x.yaml", "extends: x.yaml\n")]);
    assert_eq!(
        problems,
        ["extends-cycle x.yaml:1:10: scenarios extend each other: x.yaml -> x.yaml"]
    );
}

#[test]
fn another_way_to_the_same_file_is_still_a_circle() {
    let problems = problems(&[("x.yaml", "extends: a/../x.yaml\n"), ("a/y.yaml", "")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("extends-cycle"), "{problems:?}");
}

#[test]
fn two_that_extend_a_third_are_no_circle() {
    let files = [
        ("x.yaml", "extends: y.yaml\n"),
        ("y.yaml", "extends: base.yaml\n"),
        ("base.yaml", BASE),
        COMPOSE,
    ];
    assert_eq!(problems(&files), [""; 0]);
}
