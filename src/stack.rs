//! A running stack: brought up for this run and taken down after it, or somebody else's that is
//! only looked at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub mod command;
pub mod compose_tool;
pub mod leftover;
pub mod plugin;
pub mod reaper;
pub mod runs;

use crate::compose::Model;
use crate::compose::isolate::{Isolated, isolate, stack_tag};
use crate::engine::container::Container;
use crate::engine::{Engine, EngineError};
use crate::interrupt::Interrupt;
use crate::run_id::RunId;
use compose_tool::{ComposeError, ComposeTool};

/// The label by which Compose marks the project of a container.
pub(crate) const PROJECT: &str = "com.docker.compose.project";
/// The label with the service.
pub(crate) const SERVICE: &str = "com.docker.compose.service";
/// The label with the number of the container within its service.
const NUMBER: &str = "com.docker.compose.container-number";
/// The label of `docker compose run`, whose containers are no part of the stack.
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// A stack and how it was declared.
#[derive(Debug)]
pub struct Stack {
    /// The Compose project.
    pub project: String,
    /// What is declared, before anything was changed for isolation.
    pub model: Model,
    /// The change for isolation, where the stack is our own.
    pub isolated: Option<Isolated>,
    tool: ComposeTool,
}

/// The stack did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The Compose tool failed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine refuses a service's CPU limit, because its host has fewer.
    #[error(
        "cannot bring up the stack, because the engine refuses a CPU limit: {0}\n\
         `stackproof doctor SCENARIO` names each service with a limit that is too large for this \
         host, and proposes an overlay for `stackproof run SCENARIO --overlay FILE`"
    )]
    LimitRefused(String),
    /// Services are not healthy.
    #[error("the stack did not become healthy within {} s: {why}", within.as_secs())]
    NotHealthy {
        /// How long we waited.
        within: Duration,
        /// Which service is in which state, and what its health check or its log said last.
        why: String,
        /// Whether a container exists that could not be started.
        not_startable: bool,
    },
    /// There is no such project.
    #[error("no container of a project `{0}` exists; `docker compose ls --all` lists the projects")]
    NoSuchProject(String),
    /// The model of the run could not be written.
    #[error("cannot write {path}: {cause}")]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
}

impl Stack {
    /// Prepares a stack of our own: the model, resolved as `project`, is changed to keep the run
    /// apart and written to the run's folder. Nothing is made in the engine.
    ///
    /// # Errors
    /// When the run's folder cannot be written.
    pub fn prepare(
        tool: ComposeTool,
        model: Model,
        project: String,
        run: &RunId,
    ) -> Result<Stack, StackError> {
        let isolated = isolate(&model.raw, &project, run, &stack_tag(run));
        Stack::of(tool, model, project, run, isolated)
    }

    /// A stack of our own whose model was changed for the run already. It replaces the one of the
    /// same run that was prepared before.
    ///
    /// # Errors
    /// When the run's folder cannot be written.
    pub fn of(
        tool: ComposeTool,
        model: Model,
        project: String,
        run: &RunId,
        isolated: Isolated,
    ) -> Result<Stack, StackError> {
        let file = write_model(run, &isolated)?;
        let tool = ComposeTool { files: vec![file], profiles: vec![], ..tool };
        Ok(Stack { project, model, isolated: Some(isolated), tool })
    }

    /// Looks at somebody else's stack: the files say what is declared, the project is what runs.
    ///
    /// # Errors
    /// When no container of the project exists.
    pub async fn attach(
        tool: ComposeTool,
        model: Model,
        engine: &Engine,
        project: &str,
    ) -> Result<Stack, StackError> {
        if engine.containers(&[format!("{PROJECT}={project}")]).await?.is_empty() {
            return Err(StackError::NoSuchProject(project.to_owned()));
        }
        Ok(Stack { project: project.to_owned(), model, isolated: None, tool })
    }

    /// Builds the images that the model builds.
    ///
    /// # Errors
    /// When a build fails.
    pub async fn build(
        &self,
        within: Duration,
        interrupt: &Interrupt,
        line: impl FnMut(&str),
    ) -> Result<(), StackError> {
        if self.model.services.values().all(|service| service.build.is_none()) {
            return Ok(());
        }
        Ok(self.tool.build(&self.project, &[], within, interrupt, line).await?)
    }

    /// Brings the stack up and waits until it is healthy.
    ///
    /// # Errors
    /// When it does not get there: the error names the services and says what they last said.
    pub async fn up(
        &self,
        engine: &Engine,
        within: Duration,
        interrupt: &Interrupt,
        line: impl FnMut(&str),
    ) -> Result<(), StackError> {
        let Err(error) = self.tool.up(&self.project, within, interrupt, line).await else {
            return Ok(());
        };
        if matches!(error, ComposeError::Interrupted) {
            return Err(error.into());
        }
        // The other services are only made by then, and what is said of them would hide this.
        if let Some(refused) = refused_limit(&error) {
            return Err(StackError::LimitRefused(refused));
        }
        let (why, not_startable) = self.what_is_wrong(engine).await.unwrap_or_default();
        if why.is_empty() {
            return Err(error.into());
        }
        Err(StackError::NotHealthy { within, why, not_startable })
    }

    /// The containers of the stack by service, in the order of their numbers.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn containers(
        &self,
        engine: &Engine,
    ) -> Result<BTreeMap<String, Vec<Container>>, EngineError> {
        let labels = [format!("{PROJECT}={}", self.project), format!("{ONE_OFF}=False")];
        let listed = engine.containers(&labels).await?;
        let inspections = listed.iter().map(|container| engine.inspect(&container.id));
        let mut services: BTreeMap<String, Vec<Container>> = BTreeMap::new();
        for container in futures_util::future::try_join_all(inspections).await? {
            let service = container.label(SERVICE).unwrap_or_default().to_owned();
            services.entry(service).or_default().push(container);
        }
        for containers in services.values_mut() {
            containers.sort_by_key(|container| {
                container.label(NUMBER).and_then(|number| number.parse::<u32>().ok())
            });
        }
        Ok(services)
    }

    /// A sentence for each service that is not as it should be.
    async fn what_is_wrong(&self, engine: &Engine) -> Result<(String, bool), EngineError> {
        let mut sentences = Vec::new();
        let mut not_startable = false;
        let services = self.containers(engine).await?;
        for (service, containers) in &services {
            for container in containers {
                let error = container.state.error.as_deref().unwrap_or_default();
                not_startable |= !error.is_empty();
                if let Some(state) = complaint(container) {
                    let log = engine.last_lines(&container.id, 5).await.unwrap_or_default();
                    sentences.push(format!("service {service} {state}{}", quoted(&log)));
                }
            }
        }
        Ok((sentences.join("; "), not_startable))
    }

    /// The Compose files that the documented commands should see: those of this run.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.tool.files
    }
}

/// The line in which the engine refuses a CPU limit. It has no code of its own for that, and newer
/// engines begin in lower case.
fn refused_limit(error: &ComposeError) -> Option<String> {
    let ComposeError::Failed { tail, .. } = error else { return None };
    let line = tail.lines().find(|line| line.contains("ange of CPUs is from"))?;
    Some(line.trim().to_owned())
}

/// What is wrong with a container's state, if anything is.
fn complaint(container: &Container) -> Option<String> {
    let state = &container.state;
    let status = state.status.as_deref().unwrap_or("in an unknown state");
    if let Some(error) = state.error.as_deref().filter(|error| !error.is_empty()) {
        return Some(format!("could not be started: {error}"));
    }
    if status != "running" {
        let code =
            state.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
        let verb = if status == "exited" { "has" } else { "is" };
        return Some(format!("{verb} {status}{code}"));
    }
    let health = state.health.as_ref()?;
    let status = health.status.as_deref().filter(|status| *status != "healthy")?;
    let last = health.log.as_ref().and_then(|log| log.last());
    let said = last
        .map(|run| {
            let code = run.exit_code.unwrap_or(-1);
            let output = run.output.as_deref().unwrap_or_default().trim();
            format!(" (the last health check exited with {code}: {output})")
        })
        .unwrap_or_default();
    Some(format!("is {status}{said}"))
}

fn quoted(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!(", its log ends: {}", log.join(" | ")) }
}

fn write_model(run: &RunId, isolated: &Isolated) -> Result<PathBuf, StackError> {
    let write = || {
        let folder = runs::folder_of(run)?;
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("compose.json");
        std::fs::write(&path, isolated.raw.to_string())?;
        Ok(path)
    };
    write().map_err(|cause| StackError::Folder {
        path: runs::folder_of(run).unwrap_or_default().join("compose.json"),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::of_an_old_engine(
        "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"
    )]
    #[case::of_a_new_engine(
        "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"
    )]
    fn the_refusal_of_a_cpu_limit_is_found_with_its_container(#[case] said: &str) {
        let tail = format!(
            " Container p-b-1  Created\n Container p-a-1  Error response from daemon: {said}\n{said}"
        );
        let error =
            ComposeError::Failed { doing: "bring up", how: "exit status: 1".to_owned(), tail };
        let found = refused_limit(&error).unwrap();
        assert_eq!(found, format!("Container p-a-1  Error response from daemon: {said}"));
    }

    #[test]
    fn another_failure_is_no_refusal_of_a_limit() {
        let tail = "Container p-a-1  Error response from daemon: no space left".to_owned();
        let error =
            ComposeError::Failed { doing: "bring up", how: "exit status: 1".to_owned(), tail };
        assert_eq!(refused_limit(&error), None);
    }
}
