//! Scenario files from disk, with the files that they name. The only reader of both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::check::Baseline;
use super::file::ScenarioFile;
use super::services::Services;
use super::validate::{unknown_baseline, unknown_services, validate};
use super::{CheckSpec, Scenario};
use crate::diagnostic::{Diagnostic, Problems, Sources, render, render_plain};
use crate::yaml::{Budget, Span, Spanned};

/// A scenario that can be run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The scenario, with what it takes over from others.
    pub scenario: Scenario,
    /// The files, for problems that are found later.
    pub sources: Sources,
    /// The folder of the scenario file, absolute, because subprocesses run in other folders. The
    /// paths in the scenario are relative to it.
    pub folder: PathBuf,
    /// The services as the text of the Compose files states them, with those of the overlays.
    pub services: Services,
    /// Further Compose files, absolute, to be merged last.
    pub overlays: Vec<PathBuf>,
}

/// A scenario that cannot be run, with every reason.
#[derive(Debug)]
pub struct Refused {
    /// The files that the problems are in.
    pub sources: Sources,
    /// The problems, at least one.
    pub diagnostics: Vec<Diagnostic>,
}

impl Refused {
    /// The problems in colour.
    #[must_use]
    pub fn render(&self, subject: &dyn Display) -> String {
        render(&self.sources, &self.diagnostics, subject)
    }

    /// The problems without colour.
    #[must_use]
    pub fn render_plain(&self, subject: &dyn Display) -> String {
        render_plain(&self.sources, &self.diagnostics, subject)
    }
}

/// Loads a scenario file, the files that it extends and the Compose files that it names.
///
/// # Errors
/// Every problem of all of these files.
pub fn load(path: &Path) -> Result<Loaded, Refused> {
    load_with(path, &[])
}

/// Loads a scenario file as [`load`] does, with further Compose files. Their paths are relative
/// to the current folder, because they come from the command line.
///
/// # Errors
/// Every problem of all of these files.
pub fn load_with(path: &Path, overlays: &[PathBuf]) -> Result<Loaded, Refused> {
    let mut loader = Loader::default();
    match loader.load(path, overlays) {
        Some(loaded) if loader.problems.is_empty() => {
            Ok(Loaded { sources: loader.sources, ..loaded })
        }
        _ => Err(Refused { sources: loader.sources, diagnostics: loader.problems.into_sorted() }),
    }
}

#[derive(Default)]
struct Loader {
    sources: Sources,
    problems: Problems,
    /// The files that extend each other, from the one that was asked for.
    chain: Vec<Link>,
}

/// A file in a chain of files that extend each other.
struct Link {
    /// The file, whatever way led to it.
    file: PathBuf,
    shown: String,
    /// Where it extends the next one.
    extends: Option<Span>,
}

impl Loader {
    fn load(&mut self, path: &Path, overlays: &[PathBuf]) -> Option<Loaded> {
        let scenario = self.file(path, None)?.resolve(&mut self.problems);
        validate(&scenario, &mut self.problems);
        let folder = folder_of(path);
        let mut services = self.services(&scenario.compose, &folder);
        for overlay in overlays {
            self.add_services(overlay, None, &mut services);
        }
        self.problems.extend(services.cycles());
        if services.complete {
            let known: BTreeSet<String> = services.names.keys().cloned().collect();
            self.problems.extend(unknown_services(&scenario, &known));
        }
        self.baselines(&scenario, &folder);
        let here = or_here(folder);
        // The file was just read from it; where it has no other name, this one will do.
        let folder = here.canonicalize().unwrap_or(here);
        // Only an empty path has no absolute form, and that one was reported as missing.
        let absolute =
            |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let overlays = overlays.iter().map(absolute).collect();
        Some(Loaded { scenario, sources: Sources::default(), folder, services, overlays })
    }

    /// Reads a scenario file, asked for at `asked` in another, with what it takes over from those
    /// that it extends.
    fn file(&mut self, path: &Path, asked: Option<Span>) -> Option<ScenarioFile> {
        let (text, shown) = self.text(path, asked)?;
        // The path was just read; where it cannot be resolved after all, it stands for itself.
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let (Some(span), Some(start)) =
            (asked, self.chain.iter().position(|link| link.file == canonical))
        {
            let circle = self.circle(start, &shown, span);
            self.problems.push(circle);
            return None;
        }
        let source = self.sources.add(shown.clone(), text.clone());
        let own = ScenarioFile::read(&text, source, &mut self.problems)?;
        let Some(extends) = own.extends.clone() else { return Some(own) };
        self.chain.push(Link { file: canonical, shown, extends: Some(extends.span) });
        let base = self.file(&folder_of(path).join(&extends.value), Some(extends.span));
        self.chain.pop();
        // Without the base the rest would look like a scenario that lacks everything.
        let base = base?.moved(&folder_of(Path::new(&extends.value)));
        Some(own.over(base, &mut self.problems))
    }

    /// The problem of a chain of which the last file extends the one at `start`.
    fn circle(&self, start: usize, shown: &str, span: Span) -> Diagnostic {
        let links = self.chain.get(start..).unwrap_or_default();
        let files: Vec<&str> =
            links.iter().map(|link| link.shown.as_str()).chain([shown]).collect();
        let message = format!("scenarios extend each other: {}", files.join(" -> "));
        let problem = Diagnostic::new("extends-cycle", message).at(span);
        let others = links.iter().filter_map(|link| link.extends).filter(|other| *other != span);
        others.fold(problem, |problem, other| problem.label(other, "extended here"))
    }

    /// The services that Compose files state, merged.
    fn services(&mut self, files: &[Spanned<String>], folder: &Path) -> Services {
        // Without any file nothing is known of the services, not even that there are none.
        let mut services = if files.is_empty() { Services::default() } else { Services::none() };
        for file in files {
            self.add_services(&folder.join(&file.value), Some(file.span), &mut services);
        }
        services
    }

    /// Adds what one Compose file states.
    fn add_services(&mut self, path: &Path, asked: Option<Span>, services: &mut Services) {
        let Some((text, shown)) = self.text(path, asked) else {
            services.complete = false;
            return;
        };
        let source = self.sources.add(shown, text.clone());
        services.add(&text, source, &mut self.problems);
    }

    /// Looks for the services that images are compared with.
    fn baselines(&mut self, scenario: &Scenario, folder: &Path) {
        let mut by_file: BTreeMap<&str, Vec<&Baseline>> = BTreeMap::new();
        for check in scenario.claims.iter().flat_map(|claim| &claim.checks) {
            if let CheckSpec::ImageSize(size) = &check.value
                && let Some(baseline) = &size.baseline
            {
                by_file.entry(&baseline.compose.value).or_default().push(baseline);
            }
        }
        for baselines in by_file.values() {
            let Some(first) = baselines.first() else { continue };
            let services = self.services(std::slice::from_ref(&first.compose), folder);
            if services.complete {
                let known: BTreeSet<String> = services.names.keys().cloned().collect();
                let unknown = baselines.iter().filter_map(|b| unknown_baseline(b, &known));
                self.problems.extend(unknown.collect::<Vec<_>>());
            }
        }
    }

    /// The text of a file and the path under which it is shown. A file that cannot be read is a
    /// problem at the place that asks for it.
    fn text(&mut self, path: &Path, asked: Option<Span>) -> Option<(String, String)> {
        let shown = shown(path);
        let (code, why) = match read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some((text, shown)),
                Err(error) => {
                    self.not_utf8(shown, &error);
                    return None;
                }
            },
            Err(Unreadable::Missing) => ("missing-file", format!("there is no file `{shown}`")),
            Err(Unreadable::NoFile) => ("unreadable-file", format!("`{shown}` is not a file")),
            Err(Unreadable::TooLarge) => {
                let most = Budget::USUAL.bytes;
                ("file-too-large", format!("`{shown}` has more than {most} bytes"))
            }
            Err(Unreadable::System(error)) => {
                ("unreadable-file", format!("cannot read `{shown}`: {error}"))
            }
        };
        let problem = Diagnostic::new(code, why);
        self.problems.push(match asked {
            Some(span) => problem.at(span),
            None => problem,
        });
        None
    }

    /// Shows where a file stops being text.
    fn not_utf8(&mut self, shown: String, error: &std::string::FromUtf8Error) {
        let start = error.utf8_error().valid_up_to();
        // Up to there the replaced text is the same, byte for byte.
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let message = format!("`{shown}` is not text in UTF-8");
        let source = self.sources.add(shown, text);
        let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
        self.problems.push(Diagnostic::new("not-utf8", message).at(Span { source, start, end }));
    }
}

/// Why there is no text.
enum Unreadable {
    Missing,
    /// A folder, or something that would never end.
    NoFile,
    TooLarge,
    System(std::io::Error),
}

fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let refuse = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::System(error),
    };
    // The kind is asked for first: opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(refuse)?.is_file() {
        return Err(Unreadable::NoFile);
    }
    let mut bytes = Vec::new();
    let most = Budget::USUAL.bytes;
    let file = std::fs::File::open(path).map_err(refuse)?;
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() > most { Err(Unreadable::TooLarge) } else { Ok(bytes) }
}

/// The folder of a file; empty for a file in the current one, so that paths stay as the user
/// writes them.
fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// A folder that can be changed into.
fn or_here(folder: PathBuf) -> PathBuf {
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

/// A path as it is shown: `a/../b` as `b`. It is not what is opened, because a link may lead `..`
/// elsewhere.
fn shown(path: &Path) -> String {
    let mut shown = PathBuf::new();
    for component in path.components() {
        let into_folder = matches!(shown.components().next_back(), Some(Component::Normal(_)));
        match component {
            Component::ParentDir if into_folder => {
                shown.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_)
            | Component::RootDir
            | Component::ParentDir
            | Component::Normal(_) => shown.push(component),
        }
    }
    shown.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a/b.yaml", "a/b.yaml")]
    #[case("./a/b.yaml", "a/b.yaml")]
    #[case("a/../b.yaml", "b.yaml")]
    #[case("a/b/../../c.yaml", "c.yaml")]
    #[case("../a.yaml", "../a.yaml")]
    #[case("../../a/../b.yaml", "../../b.yaml")]
    #[case("/a/../b.yaml", "/b.yaml")]
    fn paths_are_shown_without_detours(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(shown(Path::new(path)), expected);
    }

    #[rstest]
    #[case("a.yaml", ".")]
    #[case("a/b.yaml", "a")]
    #[case("/a.yaml", "/")]
    fn folders_can_be_changed_into(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(or_here(folder_of(Path::new(path))), Path::new(expected));
    }
}
