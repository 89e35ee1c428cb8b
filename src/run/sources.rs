//! Reading the files that an image is built from.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::compose::Build;
use crate::world::{Blind, Source};

/// How many files of a build context are listed at most.
const MAX_FILES: usize = 20_000;
/// The largest file whose text is read, in bytes.
const MAX_TEXT: u64 = 1 << 20;
/// How much text of one build context is read at most, in bytes.
const MAX_TEXTS: u64 = 64 << 20;
/// How many folders may lie in one another.
const MAX_DEPTH: usize = 64;
/// Endings and names of files that can list dependencies; others are only listed.
const TELLING: [&str; 9] = ["txt", "in", "toml", "cfg", "py", "lock", "yml", "yaml", "pip"];

/// The Dockerfile and the build context of a service.
pub(super) fn read(build: &Build) -> Result<Source, Blind> {
    let path = build.context.join(&build.dockerfile);
    let dockerfile = text(&path).map_err(|why| format!("cannot read {}: {why}", path.display()))?;
    let mut listing = Listing { top: &build.context, files: BTreeMap::new(), left: MAX_TEXTS };
    listing.folder(&build.context, 0)?;
    Ok(Source { folder: build.context.display().to_string(), dockerfile, files: listing.files })
}

/// A build context as far as it was listed.
struct Listing<'a> {
    top: &'a Path,
    files: BTreeMap<String, Option<String>>,
    /// Bytes of text that may still be read.
    left: u64,
}

impl Listing<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), Blind> {
        let failed = |error: io::Error| format!("cannot list {}: {error}", folder.display());
        if depth > MAX_DEPTH {
            let top = self.top.display();
            return Err(format!("{top} holds folders more than {MAX_DEPTH} deep"));
        }
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                if entry.file_name() != ".git" {
                    self.folder(&path, depth + 1)?;
                }
                continue;
            }
            if self.files.len() == MAX_FILES {
                return Err(format!("{} holds more than {MAX_FILES} files", self.top.display()));
            }
            let relative = path.strip_prefix(self.top).unwrap_or(&path);
            // None is a file that was not read, and the check then says so.
            let text = if kind.is_file() && tells(&path) && self.left > 0 {
                text(&path).ok()
            } else {
                None
            };
            self.left = self.left.saturating_sub(text.as_ref().map_or(0, |text| text.len() as u64));
            self.files.insert(relative.to_string_lossy().into_owned(), text);
        }
        Ok(())
    }
}

fn tells(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    TELLING.contains(&ending)
        || path.file_name().is_some_and(|name| name.to_string_lossy().contains("Pipfile"))
}

/// The text of a regular file. A pipe would keep the run waiting for ever.
fn text(path: &Path) -> Result<String, Blind> {
    let about = fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_TEXT {
        return Err(format!("it is longer than {MAX_TEXT} bytes"));
    }
    String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A context with a Dockerfile.
    fn context() -> (tempfile::TempDir, Build) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        let context = folder.path().to_owned();
        (folder, Build { context, dockerfile: PathBuf::from("Dockerfile"), ..Build::default() })
    }

    #[test]
    fn texts_that_can_list_dependencies_are_read_and_others_listed() {
        let (folder, build) = context();
        fs::create_dir(folder.path().join("lib")).unwrap();
        fs::write(folder.path().join("lib/reqs.txt"), "redis\n").unwrap();
        fs::write(folder.path().join("logo.png"), "x").unwrap();
        let source = read(&build).unwrap();
        assert_eq!(source.files["lib/reqs.txt"].as_deref(), Some("redis\n"));
        assert_eq!(source.files["logo.png"], None);
    }

    #[test]
    fn a_text_over_the_bound_is_listed_and_not_read() {
        let (folder, build) = context();
        let length = usize::try_from(MAX_TEXT).unwrap();
        fs::write(folder.path().join("just.txt"), "a".repeat(length)).unwrap();
        fs::write(folder.path().join("over.txt"), "a".repeat(length + 1)).unwrap();
        let source = read(&build).unwrap();
        assert!(source.files["just.txt"].is_some());
        assert_eq!(source.files["over.txt"], None);
    }

    #[test]
    fn a_dockerfile_that_is_no_regular_file_is_not_waited_for() {
        let (folder, build) = context();
        let path = folder.path().join("Dockerfile");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let why = read(&build).unwrap_err();
        assert!(why.ends_with("Dockerfile: it is no regular file"), "{why}");
    }

    #[test]
    fn a_context_of_too_many_folders_in_one_another_is_refused() {
        let (folder, build) = context();
        fs::create_dir_all(folder.path().join("a/".repeat(MAX_DEPTH))).unwrap();
        read(&build).unwrap();
        fs::create_dir_all(folder.path().join("a/".repeat(MAX_DEPTH + 1))).unwrap();
        assert!(read(&build).unwrap_err().contains("64 deep"));
    }
}
