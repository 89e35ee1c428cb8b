//! Files that cannot be read.

use std::path::Path;

use stackproof::scenario::load::{load, load_with};

use super::written::{COMPOSE, HEAD, folder, loaded, problems};

const CLAIM: &str = "  - {id: a, text: t, severity: low, source: s, pending: p}\n";

#[test]
fn a_missing_scenario_has_no_place() {
    let refused = load(Path::new("scenarios/no.yaml")).unwrap_err();
    assert_eq!(
        refused.render_plain(&"scenarios/no.yaml"),
        "error[missing-file]: there is no file `scenarios/no.yaml`\n\nerror: scenarios/no.yaml: 1 problem\n"
    );
    assert!(refused.render(&"scenarios/no.yaml").contains('\u{1b}'));
}

#[test]
fn a_folder_is_no_scenario() {
    let refused = load(Path::new("scenarios")).unwrap_err();
    assert_eq!(refused.diagnostics[0].message, "`scenarios` is not a file");
}

#[test]
fn something_that_never_ends_is_not_read() {
    let refused = load(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(refused.diagnostics[0].message, "`/dev/zero` is not a file");
}

#[test]
fn a_large_file_is_not_read_whole() {
    let text = format!("{HEAD}{CLAIM}# {}", "x".repeat(1 << 20));
    let problems = problems(&[("x.yaml", &text), COMPOSE]);
    assert_eq!(problems, ["file-too-large `x.yaml` has more than 1048576 bytes"]);
}

#[test]
fn a_file_that_is_no_text_is_shown_where_it_stops_being_one() {
    let folder = folder(&[COMPOSE]);
    let path = folder.path().join("x.yaml");
    std::fs::write(&path, b"name: x\ncompose: \xc3\xa9\xff\xfe\n").unwrap();
    let problems = loaded(folder.path(), "x.yaml").unwrap_err();
    assert_eq!(problems, ["not-utf8 x.yaml:2:11: `x.yaml` is not text in UTF-8"]);
}

#[test]
fn a_compose_file_that_is_a_folder_is_told_at_its_name() {
    let text = format!("name: x\ncompose: [folder]\nclaims:\n{CLAIM}");
    let problems = problems(&[("x.yaml", &text), ("folder/a", "")]);
    assert_eq!(problems, ["unreadable-file x.yaml:2:11: `folder` is not a file"]);
}

#[test]
fn a_whole_scenario_is_loaded() {
    let loaded = load(Path::new("tests/fixtures/scenario/whole.yaml")).unwrap();
    assert_eq!(loaded.scenario.claims.len(), 7);
    assert!(loaded.folder.is_absolute());
    assert!(loaded.folder.join("whole.yaml").exists());
    let services: Vec<_> = loaded.services.names.keys().map(String::as_str).collect();
    assert_eq!(services, ["db", "mail", "web"]);
}

#[test]
fn every_check_is_in_the_whole_scenario() {
    let loaded = load(Path::new("tests/fixtures/scenario/whole.yaml")).unwrap();
    let checks = loaded.scenario.claims.iter().flat_map(|claim| &claim.checks);
    let codes: std::collections::BTreeSet<_> = checks.map(|check| check.code()).collect();
    assert_eq!(codes.len(), 32, "{codes:?}");
}

#[test]
fn a_service_of_an_overlay_is_known_and_its_path_is_absolute() {
    let claim = "  - id: a\n    text: t\n    severity: low\n    source: s\n    checks:\n      - runs-as: {services: [extra]}\n";
    let text = format!("{HEAD}{claim}");
    let overlay = ("over/extra.yaml", "services: {extra: {image: d}}\n");
    let folder = folder(&[("x.yaml", &text), COMPOSE, overlay]);
    let (scenario, overlay) = (folder.path().join("x.yaml"), folder.path().join(overlay.0));
    assert_eq!(load(&scenario).unwrap_err().diagnostics[0].code, "unknown-service");
    let loaded = load_with(&scenario, std::slice::from_ref(&overlay)).unwrap();
    assert_eq!(loaded.overlays, [overlay]);
}

#[test]
fn a_missing_overlay_is_told() {
    let text = format!("{HEAD}{CLAIM}");
    let folder = folder(&[("x.yaml", &text), COMPOSE]);
    let refused = load_with(&folder.path().join("x.yaml"), &["no.yaml".into()]).unwrap_err();
    assert_eq!(refused.diagnostics[0].message, "there is no file `no.yaml`");
}
