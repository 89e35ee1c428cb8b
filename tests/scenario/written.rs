//! Scenarios that a test writes, and what is said of them.

use std::path::Path;
use std::time::Duration;

use stackproof::scenario::load::{Loaded, load};
use tempfile::TempDir;

/// Writes files into a folder of their own.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Loads one of them; the problems are lines of code and place, relative to the folder.
pub(crate) fn loaded(folder: &Path, file: &str) -> Result<Loaded, Vec<String>> {
    load(&folder.join(file)).map_err(|refused| {
        let prefix = format!("{}/", folder.display());
        let lines = refused.diagnostics.iter().map(|diagnostic| {
            let line = diagnostic.line(&refused.sources).replace(&prefix, "");
            format!("{} {line}", diagnostic.code)
        });
        lines.collect()
    })
}

/// The problems of files of which the first is the scenario.
pub(crate) fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    loaded(folder.path(), files[0].0).err().unwrap_or_default()
}

/// A stack with three services.
pub(crate) const COMPOSE: (&str, &str) =
    ("compose.yaml", "services: {web: {image: a}, db: {image: b}, proxy: {image: c}}\n");

/// The beginning of a scenario, up to its claims.
pub(crate) const HEAD: &str = "name: x\ncompose: [compose.yaml]\nclaims:\n";

/// The time that this thread has spent computing: a busy machine must not fail a test.
pub(crate) fn computed() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
