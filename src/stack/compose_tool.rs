//! The real Compose tool: it resolves, builds and starts. `docker compose`, version 2.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::command::{CutShort, Ended, Invocation};
use super::plugin;
use super::reaper::RUN_VARIABLE;
use crate::compose::{Model, NotUnderstood};
use crate::engine::Endpoint;
use crate::interrupt::Interrupt;
use crate::run_id::RunId;

/// How long resolving the files may take.
const RESOLVE: Duration = Duration::from_secs(60);
/// The largest resolved model that is read, in bytes.
const MAX_MODEL: usize = 16 << 20;
/// Variables of the caller's shell that would make the tool work on another project.
const FOREIGN: [&str; 4] =
    ["COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"];

/// The tool with the files and the environment of one scenario.
#[derive(Debug, Clone)]
pub struct ComposeTool {
    /// The engine that the tool must talk to.
    pub endpoint: Endpoint,
    /// The Compose files, absolute, in the order in which they are merged.
    pub files: Vec<PathBuf>,
    /// The profiles to enable.
    pub profiles: Vec<String>,
    /// Variables for interpolation.
    pub env: Vec<(String, String)>,
    /// The folder from which relative paths of the command line count.
    pub folder: PathBuf,
    /// The run on whose behalf it works; none where nothing is made.
    pub run: Option<RunId>,
}

/// The tool could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ComposeError {
    /// There is no `docker compose`.
    #[error(
        "cannot run `docker compose`: {0}; install Docker's Compose plugin, version 2 \
         (https://docs.docker.com/compose/install/linux/)"
    )]
    Missing(String),
    /// It is too old.
    #[error("Compose {0} is too old: version 2 is needed; `docker-compose` 1 will not do")]
    TooOld(String),
    /// The Compose files are invalid.
    #[error("the Compose files are invalid: {0}")]
    Invalid(String),
    /// The tool printed what we do not understand.
    #[error(transparent)]
    NotUnderstood(#[from] NotUnderstood),
    /// It failed.
    #[error("cannot {doing} the stack: {how}\n{tail}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// How the tool ended.
        how: String,
        /// The last lines that it printed.
        tail: String,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl ComposeTool {
    /// The tool's version, such as `2.40.3`.
    ///
    /// # Errors
    /// When there is none, or one before version 2.
    pub async fn version(&self) -> Result<String, ComposeError> {
        let arguments = ["version", "--short"].map(OsString::from).to_vec();
        let ended = self.call(arguments, RESOLVE, &Interrupt::never(), |_| {}).await?;
        let version =
            String::from_utf8_lossy(&ended.stdout).trim().trim_start_matches('v').to_owned();
        if !ended.succeeded() || version.is_empty() {
            return Err(ComposeError::Missing(last_line(&ended)));
        }
        let major: u32 = version.split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if major < 2 { Err(ComposeError::TooOld(version)) } else { Ok(version) }
    }

    /// Merges and interpolates the files into one model, as project `project`.
    ///
    /// # Errors
    /// When the files are invalid, in the tool's words.
    pub async fn resolve(
        &self,
        project: &str,
        interrupt: &Interrupt,
    ) -> Result<Model, ComposeError> {
        let mut arguments = self.selection(project);
        for profile in &self.profiles {
            arguments.extend(["--profile".into(), profile.into()]);
        }
        arguments.extend(["config", "--format", "json"].map(OsString::from));
        let ended = self.call(arguments, RESOLVE, interrupt, |_| {}).await?;
        if !ended.succeeded() {
            return Err(ComposeError::Invalid(complaint(&ended)));
        }
        Ok(Model::parse(&String::from_utf8_lossy(&ended.stdout))?)
    }

    /// Builds what the model builds.
    ///
    /// # Errors
    /// When a build fails; the last lines of its output are in the error.
    pub async fn build(
        &self,
        project: &str,
        services: &[String],
        within: Duration,
        interrupt: &Interrupt,
        line: impl FnMut(&str),
    ) -> Result<(), ComposeError> {
        let mut arguments = self.selection(project);
        arguments.push("build".into());
        arguments.extend(services.iter().map(OsString::from));
        self.act("build", arguments, within, interrupt, line).await
    }

    /// Starts the stack and waits until every service is healthy, or runs where it has no health
    /// check.
    ///
    /// # Errors
    /// When a service does not get there.
    pub async fn up(
        &self,
        project: &str,
        within: Duration,
        interrupt: &Interrupt,
        line: impl FnMut(&str),
    ) -> Result<(), ComposeError> {
        let mut arguments = self.selection(project);
        arguments.extend(["up", "--detach", "--no-build", "--wait"].map(OsString::from));
        arguments.extend(["--wait-timeout".into(), within.as_secs().max(1).to_string().into()]);
        // The tool's own bound does not cover the start of the containers.
        self.act("bring up", arguments, within + RESOLVE, interrupt, line).await
    }

    async fn act(
        &self,
        doing: &'static str,
        arguments: Vec<OsString>,
        within: Duration,
        interrupt: &Interrupt,
        line: impl FnMut(&str),
    ) -> Result<(), ComposeError> {
        let ended = self.call(arguments, within, interrupt, line).await?;
        if ended.succeeded() {
            return Ok(());
        }
        let tail = ended.tail.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>();
        Err(ComposeError::Failed { doing, how: ended.how(), tail: tail.join("\n") })
    }

    fn selection(&self, project: &str) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            ["--ansi", "never", "--progress", "plain", "--project-name"]
                .map(OsString::from)
                .to_vec();
        arguments.push(project.into());
        for file in &self.files {
            arguments.extend(["--file".into(), file.into()]);
        }
        arguments
    }

    async fn call(
        &self,
        arguments: Vec<OsString>,
        within: Duration,
        interrupt: &Interrupt,
        line: impl FnMut(&str),
    ) -> Result<Ended, ComposeError> {
        let mut argv = plugin::words();
        let program = argv[0].to_string_lossy().into_owned();
        argv.extend(arguments);
        let mut set = self.env.clone();
        set.push(("DOCKER_HOST".to_owned(), self.endpoint.to_string()));
        if let Some(run) = &self.run {
            set.push((RUN_VARIABLE.to_owned(), run.to_string()));
        }
        let invocation = Invocation {
            argv,
            folder: self.folder.clone(),
            set,
            // A context would win over the host that we resolved.
            unset: FOREIGN.into_iter().chain(["DOCKER_CONTEXT"]).collect(),
            within,
            max_stdout: MAX_MODEL,
        };
        let ended = invocation
            .run(interrupt, line)
            .await
            .map_err(|error| ComposeError::Missing(format!("{program}: {error}")))?;
        if ended.cut_short == Some(CutShort::Interrupted) {
            return Err(ComposeError::Interrupted);
        }
        Ok(ended)
    }
}

fn last_line(ended: &Ended) -> String {
    ended.tail.iter().rev().find(|line| !line.is_empty()).cloned().unwrap_or_else(|| ended.how())
}

/// What the tool complained about, without the lines of its log that are only warnings.
fn complaint(ended: &Ended) -> String {
    let lines: Vec<&str> = ended
        .tail
        .iter()
        .map(String::as_str)
        .filter(|line| !line.is_empty() && !line.contains("level=warning"))
        .collect();
    if lines.is_empty() { ended.how() } else { lines.join("\n") }
}
