//! What a project declares that it needs.

use std::collections::BTreeMap;
use std::str::FromStr;

use pep508_rs::{Requirement, VerbatimUrl, VersionOrUrl};
use serde::Deserialize;

use crate::image::dependencies::{leading_name, normalise_name};

/// The longest requirement that is parsed, in bytes.
const MAX_REQUIREMENT: usize = 1_000;
/// How many `and` and `or` a requirement that is parsed may have. The parser makes a decision
/// diagram of its marker, which can double with every two of them.
const MAX_CONNECTIVES: usize = 24;

/// The dependencies that one file declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The project's own name, normalised; `None` in a list of requirements.
    pub project: Option<String>,
    /// What it always needs.
    pub requirements: Vec<Requirement<VerbatimUrl>>,
    /// What it needs for each of its extras, by normalised name.
    pub extras: BTreeMap<String, Vec<Requirement<VerbatimUrl>>>,
    /// Requirements that could not be parsed.
    pub unread: Vec<String>,
    /// Ways in which the file sends its reader elsewhere, a sentence each: it is then not the one
    /// source.
    pub elsewhere: Vec<String>,
}

/// Why a file could not be read as a declaration.
#[derive(Debug, thiserror::Error)]
pub enum DeclaredError {
    /// It is not TOML, or the tables have not the form of PEP 621.
    #[error("failed to parse pyproject.toml: {0}")]
    Toml(String),
    /// It says nothing about dependencies.
    #[error("pyproject.toml has neither [project] nor [tool.poetry.dependencies]")]
    Nothing,
}

#[derive(Deserialize)]
struct Pyproject {
    project: Option<Project>,
    tool: Option<toml::Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Project {
    name: Option<String>,
    dependencies: Option<Vec<String>>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    dynamic: Vec<String>,
}

impl Declared {
    /// Reads `[project]` of a pyproject.toml. A Poetry project without it declares names, without
    /// versions: Poetry's own version syntax is not PEP 440.
    pub fn from_pyproject(text: &str) -> Result<Declared, DeclaredError> {
        let pyproject: Pyproject = toml::from_str(text)
            .map_err(|error| DeclaredError::Toml(error.message().to_owned()))?;
        let mut declared = Declared::default();
        let table = |path: &[&str]| {
            let mut table = pyproject.tool.as_ref()?;
            for key in path {
                table = table.get(*key)?.as_table()?;
            }
            Some(table)
        };
        let poetry = table(&["poetry", "dependencies"]);
        let Some(project) = &pyproject.project else {
            let poetry = poetry.ok_or(DeclaredError::Nothing)?;
            let name = table(&["poetry"]).and_then(|poetry| poetry.get("name")?.as_str());
            declared.project = name.map(normalise_name);
            for name in poetry.keys().filter(|name| *name != "python") {
                declared.require(name);
            }
            return Ok(declared);
        };
        declared.project = project.name.as_deref().map(normalise_name);
        for requirement in project.dependencies.iter().flatten() {
            declared.require(requirement);
        }
        for (extra, requirements) in &project.optional_dependencies {
            let parsed: Vec<_> =
                requirements.iter().filter_map(|text| declared.parse(text)).collect();
            declared.extras.insert(normalise_name(extra), parsed);
        }
        for field in ["dependencies", "optional-dependencies"] {
            if project.dynamic.iter().any(|dynamic| dynamic == field) {
                declared
                    .elsewhere
                    .push(format!("[project] leaves `{field}` to the build backend (`dynamic`)"));
            }
        }
        if poetry.is_some_and(|poetry| poetry.keys().any(|name| name != "python")) {
            declared
                .elsewhere
                .push("[tool.poetry.dependencies] stands beside [project]".to_owned());
        }
        Ok(declared)
    }

    /// Reads a list of requirements as pip does: options are passed over, other files are not
    /// followed but noted.
    #[must_use]
    pub fn from_requirements(text: &str) -> Declared {
        let mut declared = Declared::default();
        for line in requirement_lines(text) {
            if let Some(option) = line.strip_prefix('-') {
                if option.starts_with(['r', 'c', 'e', 'f'])
                    || ["-requirement", "-constraint", "-editable", "-find-links"]
                        .iter()
                        .any(|long| option.starts_with(long))
                {
                    declared.elsewhere.push(format!("the list leads elsewhere: `{line}`"));
                }
                continue;
            }
            declared.require(line.split(" --").next().unwrap_or(&line));
        }
        declared
    }

    /// Declared requirements that do not fix one version. Without a lock beside them the image
    /// differs from build to build.
    #[must_use]
    pub fn unpinned(&self) -> Vec<String> {
        self.requirements
            .iter()
            .filter(|requirement| match &requirement.version_or_url {
                Some(VersionOrUrl::VersionSpecifier(versions)) => !versions.iter().any(|one| {
                    matches!(
                        one.operator(),
                        pep440_rs::Operator::Equal | pep440_rs::Operator::ExactEqual
                    )
                }),
                Some(VersionOrUrl::Url(_)) => false,
                None => true,
            })
            .map(ToString::to_string)
            .collect()
    }

    fn require(&mut self, text: &str) {
        if let Some(requirement) = self.parse(text) {
            self.requirements.push(requirement);
        }
    }

    fn parse(&mut self, text: &str) -> Option<Requirement<VerbatimUrl>> {
        let parsed = parse(text);
        if parsed.is_none() {
            self.unread.push(text.chars().take(200).collect());
        }
        parsed
    }
}

/// Parses a PEP 508 requirement. What is overlong or too intricate is not parsed.
pub(crate) fn parse(text: &str) -> Option<Requirement<VerbatimUrl>> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '\'' | '"'));
    let connectives = words.filter(|word| matches!(*word, "and" | "or")).count();
    if text.len() > MAX_REQUIREMENT || connectives > MAX_CONNECTIVES {
        return None;
    }
    Requirement::from_str(text.trim()).ok()
}

/// Whether a text is a list of requirements whatever it is called: every line is an option or a
/// requirement, and one at least fixes or bounds a version.
pub(crate) fn reads_as_requirements(text: &str) -> bool {
    let lines: Vec<String> = requirement_lines(text).take(2_000).collect();
    let is_requirement = |line: &String| {
        line.starts_with("-r ")
            || line.starts_with("-c ")
            || line.starts_with("--")
            || leading_name(line).is_some() && parse(without_options(line)).is_some()
    };
    let bounds = |line: &String| ["==", ">=", "~=", "<="].iter().any(|sign| line.contains(sign));
    !lines.is_empty() && lines.iter().all(is_requirement) && lines.iter().any(bounds)
}

/// Whether every entry of a list fixes one version and names its digest, as a lock does.
pub(crate) fn is_pinned_with_digests(text: &str) -> bool {
    let mut entries = requirement_lines(text).filter(|line| !line.starts_with('-')).peekable();
    entries.peek().is_some()
        && entries.all(|line| without_options(&line).contains("==") && line.contains("--hash="))
}

/// The lines of a list: continuations joined, comments and empty lines left out.
fn requirement_lines(text: &str) -> impl Iterator<Item = String> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines: Vec<String> = joined
        .lines()
        .map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    lines.into_iter()
}

fn without_options(line: &str) -> &str {
    line.split(" --").next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_dependencies_and_extras_are_read() {
        let declared = Declared::from_pyproject(
            "[project]\nname = 'My.App'\ndependencies = ['fastapi>=0.1', 'redis==5.0']\n\
             [project.optional-dependencies]\nDev = ['pytest']\n",
        )
        .unwrap();
        assert_eq!(declared.project.as_deref(), Some("my-app"));
        assert_eq!(declared.requirements.len(), 2);
        assert_eq!(declared.extras["dev"].len(), 1);
        assert_eq!(declared.unpinned(), ["fastapi>=0.1"]);
        assert!(declared.elsewhere.is_empty());
    }

    #[test]
    fn dynamic_dependencies_and_poetrys_beside_the_project_lead_elsewhere() {
        let declared = Declared::from_pyproject(
            "[project]\nname='a'\ndynamic=['dependencies']\n\
             [tool.poetry.dependencies]\npython='^3.11'\nrequests='^2'\n",
        )
        .unwrap();
        assert_eq!(declared.elsewhere.len(), 2);
    }

    #[test]
    fn a_poetry_project_declares_names() {
        let declared = Declared::from_pyproject(
            "[tool.poetry]\nname='a'\n[tool.poetry.dependencies]\npython='^3.11'\nRequests='^2'\n",
        )
        .unwrap();
        let names: Vec<_> = declared.requirements.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["requests"]);
    }

    #[test]
    fn what_is_no_pyproject_is_an_error() {
        assert!(matches!(Declared::from_pyproject("[["), Err(DeclaredError::Toml(_))));
        assert!(matches!(Declared::from_pyproject(""), Err(DeclaredError::Nothing)));
    }

    #[test]
    fn a_requirement_that_cannot_be_parsed_is_said_so() {
        let declared =
            Declared::from_pyproject("[project]\nname='a'\ndependencies=['b =! 1']\n").unwrap();
        assert_eq!(declared.unread, ["b =! 1"]);
    }

    #[test]
    fn a_marker_that_would_take_all_memory_is_not_parsed() {
        // Pairs whose halves are far apart in the order of names double a decision diagram.
        let marker = |pairs: usize| {
            let pairs = (0..pairs).map(|at| format!("extra=='a{at}' and extra=='b{at}'"));
            format!("x; {}", pairs.collect::<Vec<_>>().join(" or "))
        };
        assert!(parse(&marker(12)).is_some());
        assert!(marker(25).len() < MAX_REQUIREMENT);
        assert!(parse(&marker(25)).is_none());
        assert!(parse("x; extra=='and' or extra=='or'").is_some());
    }

    #[test]
    fn a_list_of_requirements_is_read_as_pip_reads_it() {
        let declared = Declared::from_requirements(
            "# c\nrequests==2.0 \\\n    --hash=sha256:aa\n-r other.txt\n--index-url x\nredis # d\n",
        );
        assert_eq!(declared.requirements.len(), 2);
        assert_eq!(declared.elsewhere.len(), 1);
    }

    #[test]
    fn a_renamed_list_is_known_by_its_lines() {
        assert!(reads_as_requirements("requests>=2\nredis\n"));
        assert!(!reads_as_requirements("User-agent: *\nDisallow: /\n"));
        assert!(!reads_as_requirements("word\nlist\n"));
        assert!(!reads_as_requirements(""));
    }

    #[test]
    fn a_lock_pins_every_entry_with_its_digest() {
        assert!(is_pinned_with_digests("a==1 --hash=sha256:x\nb==2 \\\n --hash=sha256:y\n"));
        assert!(!is_pinned_with_digests("a==1 --hash=sha256:x\nb>=2\n"));
        assert!(!is_pinned_with_digests("# nothing\n"));
    }
}
