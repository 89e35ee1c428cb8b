//! Reading the files that an image is built from.

use std::collections::BTreeMap;
use std::path::Path;

use crate::compose::Build;
use crate::world::{Blind, Source};

/// How many files of a build context are listed at most.
const MAX_FILES: usize = 20_000;
/// The largest file whose text is read, in bytes.
const MAX_TEXT: u64 = 1 << 20;
/// Endings and names of files that can list dependencies; others are only listed.
const TELLING: [&str; 9] = ["txt", "in", "toml", "cfg", "py", "lock", "yml", "yaml", "pip"];

/// The Dockerfile and the build context of a service.
pub(super) fn read(build: &Build) -> Result<Source, Blind> {
    let path = build.context.join(&build.dockerfile);
    let dockerfile = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut files = BTreeMap::new();
    list(&build.context, &build.context, &mut files)?;
    Ok(Source { folder: build.context.display().to_string(), dockerfile, files })
}

fn list(
    top: &Path,
    folder: &Path,
    files: &mut BTreeMap<String, Option<String>>,
) -> Result<(), Blind> {
    let failed = |error: std::io::Error| format!("cannot list {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            if entry.file_name() != ".git" {
                list(top, &path, files)?;
            }
            continue;
        }
        if files.len() == MAX_FILES {
            return Err(format!("{} holds more than {MAX_FILES} files", top.display()));
        }
        let relative = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
        let text = if kind.is_file() && tells(&path) { text(&path) } else { None };
        files.insert(relative, text);
    }
    Ok(())
}

fn tells(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    TELLING.contains(&ending)
        || path.file_name().is_some_and(|name| name.to_string_lossy().contains("Pipfile"))
}

/// None where the file is large or no text; the check then says that it was not read.
fn text(path: &Path) -> Option<String> {
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.len() <= MAX_TEXT);
    if small { std::fs::read_to_string(path).ok() } else { None }
}
