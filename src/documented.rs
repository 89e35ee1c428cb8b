//! The document's own commands: run as they are written, and judged as their reader would.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;

use crate::engine::Endpoint;
use crate::interrupt::Interrupt;
use crate::record::DocumentedRecord;
use crate::run_id::RunId;
use crate::scenario::{Documented, Satisfied};
use crate::stack::command::Invocation;
use crate::stack::reaper::RUN_VARIABLE;
use crate::verdict::Verdict;

/// How long a documented command may take.
const WITHIN: Duration = Duration::from_secs(60);
/// What is kept of its output, in bytes.
const MAX_OUTPUT: usize = 16 << 10;

/// Where the documented commands run, and what they see.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The working folder: the scenario's.
    pub folder: PathBuf,
    /// The engine.
    pub endpoint: Endpoint,
    /// The Compose project.
    pub project: String,
    /// The project's files.
    pub files: Vec<PathBuf>,
    /// The run, where the stack is our own.
    pub run: RunId,
    /// The containers' names: as documented, and as they are in this run.
    pub names: BTreeMap<String, String>,
}

impl Reader {
    /// Runs a documented command and says what its reader would have concluded.
    pub async fn follow(&self, documented: &Documented, interrupt: &Interrupt) -> DocumentedRecord {
        let ran = with_names(&documented.command, &self.names);
        let result = self.invocation(&ran).run(interrupt, |_| {}).await;
        let (exit_code, output, ended) = match result {
            Ok(ended) => {
                let code = ended.status.and_then(|status| status.code());
                let output = ended.tail.join("\n");
                (code, output, ended.cut_short.is_none())
            }
            Err(error) => (None, format!("sh: {error}"), false),
        };
        let verdict = match exit_code {
            Some(code) if ended => conclude(&documented.satisfied_when, code, &output),
            _ => Verdict::Inconclusive,
        };
        DocumentedRecord {
            command: documented.command.clone(),
            ran,
            expected: documented.expected.clone(),
            exit_code,
            output,
            verdict,
        }
    }

    fn invocation(&self, command: &str) -> Invocation {
        let files: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        Invocation {
            argv: ["sh", "-c", command].map(OsString::from).to_vec(),
            folder: self.folder.clone(),
            set: vec![
                ("DOCKER_HOST".to_owned(), self.endpoint.to_string()),
                // `docker compose exec api …` in a document means this run's project.
                ("COMPOSE_PROJECT_NAME".to_owned(), self.project.clone()),
                ("COMPOSE_FILE".to_owned(), files.join(":")),
                (RUN_VARIABLE.to_owned(), self.run.to_string()),
            ],
            unset: vec!["DOCKER_CONTEXT"],
            within: WITHIN,
            max_stdout: MAX_OUTPUT,
        }
    }
}

/// Puts this run's container names into a command, where the documented ones stand as words.
#[must_use]
pub fn with_names(command: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = String::with_capacity(command.len());
    let mut rest = command;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        if word > 0 {
            let (name, after) = rest.split_at(word);
            text.push_str(names.get(name).map_or(name, String::as_str));
            rest = after;
        } else {
            let other = rest.find(is_name).unwrap_or(rest.len());
            text.push_str(&rest[..other]);
            rest = &rest[other..];
        }
    }
    text
}

/// The characters of a container's name.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// What a reader would conclude from an exit code and an output.
pub fn conclude(satisfied: &Satisfied, code: i32, output: &str) -> Verdict {
    let met = match satisfied {
        Satisfied::ExitsZero => code == 0,
        Satisfied::ExitsNonZero => code != 0,
        Satisfied::OutputIs(expected) => output.trim() == expected.trim(),
        Satisfied::OutputContains(expected) => output.contains(expected.as_str()),
        Satisfied::OutputMatches(pattern) => match Regex::new(pattern) {
            Ok(pattern) => pattern.is_match(output),
            Err(_) => return Verdict::Inconclusive,
        },
    };
    if met { Verdict::Held } else { Verdict::Broken }
}

/// The folder in which documented commands run: that of the scenario file.
#[must_use]
pub fn folder_of(scenario: &Path) -> PathBuf {
    scenario
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("docker exec otis-api docker ps", "docker exec run-api-1 docker ps")]
    #[case(
        "docker exec 'otis-api' id; docker stop otis-api-2",
        "docker exec 'run-api-1' id; docker stop otis-api-2"
    )]
    #[case("docker images | grep otis", "docker images | grep otis")]
    fn names_are_replaced_as_whole_words(#[case] command: &str, #[case] ran: &str) {
        let names = BTreeMap::from([("otis-api".to_owned(), "run-api-1".to_owned())]);
        assert_eq!(with_names(command, &names), ran);
    }

    #[rstest]
    #[case(Satisfied::ExitsZero, 0, "", Verdict::Held)]
    #[case(Satisfied::ExitsZero, 1, "", Verdict::Broken)]
    #[case(Satisfied::ExitsNonZero, 126, "", Verdict::Held)]
    #[case(Satisfied::ExitsNonZero, 0, "", Verdict::Broken)]
    #[case(Satisfied::OutputIs("otis".into()), 0, "otis\n", Verdict::Held)]
    #[case(Satisfied::OutputIs("otis".into()), 0, "root\n", Verdict::Broken)]
    #[case(Satisfied::OutputContains("a b".into()), 1, "x a b y", Verdict::Held)]
    #[case(Satisfied::OutputContains("a b".into()), 1, "x", Verdict::Broken)]
    fn a_reader_concludes_from_code_or_output(
        #[case] satisfied: Satisfied,
        #[case] code: i32,
        #[case] output: &str,
        #[case] verdict: Verdict,
    ) {
        assert_eq!(conclude(&satisfied, code, output), verdict);
    }
}
