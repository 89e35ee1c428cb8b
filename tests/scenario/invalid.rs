//! Every file of scenarios/invalid has the exact problems that its `.stderr` says.
//! `STACKPROOF_BLESS=1` writes them anew.

use std::path::{Path, PathBuf};

use stackproof::scenario::load::load;

fn mistakes() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("scenarios/invalid").unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut mistakes: Vec<_> =
        paths.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    mistakes.sort();
    mistakes
}

#[test]
fn every_mistake_is_told_exactly() {
    let bless = std::env::var_os("STACKPROOF_BLESS").is_some();
    let mut wrong = Vec::new();
    for path in mistakes() {
        let told = load(&path).err().map(|refused| refused.render_plain(&path.display()));
        let Some(told) = told else {
            wrong.push(format!("{}: accepted", path.display()));
            continue;
        };
        let expected_path = path.with_extension("stderr");
        if bless {
            std::fs::write(&expected_path, &told).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if told != expected {
            wrong.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_expectation_has_its_mistake() {
    for entry in std::fs::read_dir("scenarios/invalid").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            assert!(path.with_extension("yaml").exists(), "{}", path.display());
        }
    }
    assert!(mistakes().len() >= 30);
}

#[test]
fn paths_are_shown_as_they_were_given() {
    let absolute = std::env::current_dir().unwrap().join("scenarios/invalid/unknown-key.yaml");
    for given in [Path::new("./scenarios/invalid/unknown-key.yaml"), &absolute] {
        let refused = load(given).unwrap_err();
        let shown = given.strip_prefix(".").unwrap_or(given).display().to_string();
        let line = refused.diagnostics[0].line(&refused.sources);
        assert!(line.starts_with(&format!("{shown}:10:11: ")), "{line}");
    }
}
