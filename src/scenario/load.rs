//! Loading a scenario: the only reader of scenario files and of the Compose files' text.

use std::path::{Path, PathBuf};

use super::{Claim, Scenario, ScenarioFile, Seconds, stack_file, validate};
use crate::diagnostic::{Diagnostic, Sources};
use crate::yaml::{self, Span, Spanned, Tags};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// A scenario that is valid as far as can be told without an engine.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The scenario.
    pub scenario: Scenario,
    /// The files that it was read from.
    pub sources: Sources,
    /// The folder of the scenario file, which its relative paths count from.
    pub folder: PathBuf,
}

/// A scenario that is not valid, with every problem that was found.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The files that the problems are in.
    pub sources: Sources,
    /// The problems, at least one.
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads a scenario file and the files that it extends.
///
/// # Errors
/// Every problem of all of them at once.
pub fn load(path: &Path) -> Result<Loaded, Refused> {
    let mut loader = Loader { sources: Sources::default(), problems: Vec::new() };
    let scenario = loader.scenario(path, &mut Vec::new(), None);
    let folder = folder_of(path);
    if let Some(scenario) = &scenario {
        loader.problems.extend(validate::problems(scenario));
        loader.stack_files(scenario, &folder);
    }
    match scenario {
        Some(scenario) if loader.problems.is_empty() => {
            // Subprocesses have other working folders, so from here on the folder is absolute.
            let folder = folder.canonicalize().unwrap_or(folder);
            Ok(Loaded { scenario, sources: loader.sources, folder })
        }
        _ => Err(Refused { sources: loader.sources, diagnostics: loader.problems }),
    }
}

struct Loader {
    sources: Sources,
    problems: Vec<Diagnostic>,
}

impl Loader {
    /// Reads one file with all that it extends. `asked` is where its path stands.
    fn scenario(
        &mut self,
        path: &Path,
        open: &mut Vec<PathBuf>,
        asked: Option<Span>,
    ) -> Option<Scenario> {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if open.contains(&canonical) {
            let chain: Vec<String> =
                open.iter().chain([&canonical]).map(|path| name_of(path)).collect();
            let message = format!("the scenarios extend each other: {}", chain.join(" -> "));
            self.note(Diagnostic::new("extends-cycle", message), asked);
            return None;
        }
        let source = self.read(path, asked)?;
        let text = self.sources.text(source).to_owned();
        let node = yaml::read(&text, source, Tags::Refused, &mut self.problems)?;
        let file: ScenarioFile = yaml::deserialize(&node, &mut self.problems)?;
        let base = match &file.extends {
            None => None,
            Some(extends) => {
                open.push(canonical);
                let base_path = folder_of(path).join(&extends.value);
                let base = self.scenario(&base_path, open, Some(extends.span));
                open.pop();
                let mut base = base?;
                rebase(&mut base, &folder_of(Path::new(&extends.value)));
                Some(base)
            }
        };
        Some(self.merged(file, base))
    }

    /// What a file states, on top of what it extends.
    fn merged(&mut self, file: ScenarioFile, base: Option<Scenario>) -> Scenario {
        let mut scenario = base.unwrap_or_else(|| Scenario {
            name: file.name.clone(),
            document: None,
            compose: vec![],
            profiles: vec![],
            env: std::collections::BTreeMap::new(),
            prepare: vec![],
            build_within: Seconds::for_build(),
            healthy_within: Seconds::for_up(),
            claims: vec![],
        });
        for id in &file.without {
            let before = scenario.claims.len();
            scenario.claims.retain(|claim| claim.id.value != id.value);
            if scenario.claims.len() == before {
                let message = format!("there is no inherited claim `{}` to leave out", id.value);
                self.problems.push(Diagnostic::new("unknown-claim", message).at(id.span));
            }
        }
        let inherited: Vec<String> =
            scenario.claims.iter().map(|claim| claim.id.value.clone()).collect();
        for claim in file.claims {
            let same = |known: &Spanned<Claim>| known.id.value == claim.id.value;
            // Only an inherited claim is replaced; two of the same file are a mistake.
            match scenario.claims.iter_mut().find(|known| same(known)) {
                Some(known) if inherited.contains(&claim.id.value) => *known = claim,
                _ => scenario.claims.push(claim),
            }
        }
        scenario.name = file.name;
        scenario.document = file.document.or(scenario.document);
        if !file.compose.is_empty() {
            scenario.compose = file.compose;
        }
        if !file.profiles.is_empty() {
            scenario.profiles = file.profiles;
        }
        if !file.prepare.is_empty() {
            scenario.prepare = file.prepare;
        }
        scenario.env.extend(file.env);
        scenario.build_within = file.build_within.unwrap_or(scenario.build_within);
        scenario.healthy_within = file.healthy_within.unwrap_or(scenario.healthy_within);
        scenario
    }

    /// Looks at the text of the Compose files: whether they are there, which services they have,
    /// and whether those wait for each other in a circle. The Compose tool finds this out too,
    /// but later and without a position.
    fn stack_files(&mut self, scenario: &Scenario, folder: &Path) {
        let mut known = Some(std::collections::BTreeSet::new());
        for file in &scenario.compose {
            let Some(names) = self.stack_file(file, folder) else { return };
            known = known.zip(names).map(|(mut known, names)| {
                known.extend(names);
                known
            });
        }
        if let Some(known) = known {
            self.problems.extend(validate::unknown_services(scenario, &known));
        }
        for baseline in validate::baselines(scenario) {
            if let Some(Some(names)) = self.stack_file(&baseline.compose, folder) {
                self.problems.extend(validate::unknown_baseline(baseline, &names));
            }
        }
    }

    /// The services of one Compose file; the inner none where it includes others.
    fn stack_file(&mut self, file: &Spanned<String>, folder: &Path) -> Option<Option<Vec<String>>> {
        let source = self.read(&folder.join(&file.value), Some(file.span))?;
        let text = self.sources.text(source).to_owned();
        let node = yaml::read(&text, source, Tags::Ignored, &mut self.problems)?;
        self.problems.extend(stack_file::depends_cycle(&node));
        Some(stack_file::services(&node))
    }

    fn read(&mut self, path: &Path, asked: Option<Span>) -> Option<usize> {
        let shown = tidy(path);
        let failed = |why: String| {
            Diagnostic::new("missing-file", format!("cannot read {shown}: {why}"))
                .hint("paths count from the folder of the file in which they stand")
        };
        let length = match std::fs::metadata(path) {
            Ok(meta) => meta.len(),
            Err(error) => {
                self.note(failed(error.to_string()), asked);
                return None;
            }
        };
        if length > MAX_FILE {
            self.note(failed(format!("it is larger than {MAX_FILE} bytes")), asked);
            return None;
        }
        match std::fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => Some(self.sources.add(shown, text)),
            Ok(Err(_)) => {
                self.note(failed("it is not UTF-8".to_owned()), asked);
                None
            }
            Err(error) => {
                self.note(failed(error.to_string()), asked);
                None
            }
        }
    }

    fn note(&mut self, diagnostic: Diagnostic, at: Option<Span>) {
        self.problems.push(match at {
            Some(span) => diagnostic.at(span),
            None => diagnostic,
        });
    }
}

/// Makes the relative paths of an inherited scenario count from the folder of the heir.
fn rebase(base: &mut Scenario, folder: &Path) {
    let moved = |path: &str| tidy(&folder.join(path));
    for file in &mut base.compose {
        file.value = moved(&file.value);
    }
    for command in &mut base.prepare {
        if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
            *program = moved(program);
        }
    }
    for claim in &mut base.claims {
        for check in &mut claim.value.checks {
            if let super::CheckSpec::ImageSize(size) = &mut check.value
                && let Some(baseline) = &mut size.baseline
            {
                baseline.compose.value = moved(&baseline.compose.value);
            }
        }
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The path without `.` and without folders that are left again at once, by text alone.
fn tidy(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir
                if parts.file_name().is_some() && !parts.ends_with("..") =>
            {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.to_string_lossy().into_owned()
}
