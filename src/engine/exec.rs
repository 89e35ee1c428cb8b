//! Running a program in a container that runs already.

use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::{Engine, EngineError};

/// What is kept of each output stream, in bytes. More is counted and thrown away.
const MAX_OUTPUT: usize = 8 << 20;
/// How often the engine is asked whether an exec has ended, once its output has.
const POLL: Duration = Duration::from_millis(5);
/// What is being done, for errors.
const DOING: &str = "run the probe in container";

/// What an exec printed and how it ended.
#[derive(Debug, Clone)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, where the engine also puts why the program could not start.
    pub stderr: Vec<u8>,
    /// The exit code: 126 or 127 when the program could not be started, 128 plus the signal when
    /// it was killed by one. None when the deadline came first.
    pub exit_code: Option<i64>,
    /// Whether output was thrown away.
    pub truncated: bool,
}

impl ExecOutput {
    /// Standard output as text, whatever bytes it has.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, whatever bytes it has.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

impl Engine {
    /// Runs `argv` in a running container, as `user` or as the container's own user, and collects
    /// what it prints until it ends or `within` has passed. The engine cannot end an exec: what
    /// runs past the deadline must end by itself.
    ///
    /// # Errors
    /// When the container does not run or is paused, or the engine does not answer.
    pub async fn exec(
        &self,
        container: &str,
        argv: &[String],
        user: Option<&str>,
        within: Duration,
    ) -> Result<ExecOutput, EngineError> {
        self.exec_heard(container, argv, user, within, 0, || {}).await
    }

    /// The same, and `heard` is called as soon as so many lines were printed, or when no more can
    /// come.
    ///
    /// # Errors
    /// When the container does not run or is paused, or the engine does not answer.
    pub async fn exec_heard(
        &self,
        container: &str,
        argv: &[String],
        user: Option<&str>,
        within: Duration,
        lines: usize,
        heard: impl FnOnce(),
    ) -> Result<ExecOutput, EngineError> {
        let mut started = self.start(container, argv, user, within, false).await?;
        let mut more = Some(true);
        while more == Some(true) && started.lines() < lines {
            more = started.take().await?;
        }
        heard();
        if started.take_all().await? {
            started.wait(self).await?;
        }
        Ok(started.output)
    }

    /// The same for a program that has something to hold: once it has printed its first line,
    /// `meanwhile` is done, and then it is told by a line on its standard input. Gives what
    /// `meanwhile` came to, or none where the program ended without a line.
    ///
    /// # Errors
    /// When the container does not run or is paused, or the engine does not answer.
    pub async fn exec_meanwhile<T>(
        &self,
        container: &str,
        argv: &[String],
        user: Option<&str>,
        within: Duration,
        meanwhile: impl Future<Output = T>,
    ) -> Result<(ExecOutput, Option<T>), EngineError> {
        let mut started = self.start(container, argv, user, within, true).await?;
        let mut done = None;
        if started.take_line().await? {
            done = tokio::time::timeout_at(started.deadline, meanwhile).await.ok();
            started.tell().await;
        }
        if started.take_all().await? {
            started.wait(self).await?;
        }
        Ok((started.output, done))
    }

    async fn start(
        &self,
        container: &str,
        argv: &[String],
        user: Option<&str>,
        within: Duration,
        input: bool,
    ) -> Result<Started, EngineError> {
        let deadline = Instant::now() + within;
        let options = CreateExecOptions {
            attach_stdin: Some(input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.to_vec()),
            user: user.map(str::to_owned),
            ..Default::default()
        };
        let started = async {
            let exec = self.docker.create_exec(container, options).await?;
            let results = self.docker.start_exec(&exec.id, None::<StartExecOptions>).await?;
            Ok::<_, bollard::errors::Error>((exec.id, results))
        };
        let (id, results) = tokio::time::timeout_at(deadline, started)
            .await
            .map_err(|_| EngineError::silent(DOING, container, within))?
            .map_err(|error| EngineError::of(DOING, container, &error))?;
        let streams = match results {
            StartExecResults::Attached { output, input } => Some((output, input)),
            StartExecResults::Detached => None,
        };
        let output =
            ExecOutput { stdout: vec![], stderr: vec![], exit_code: None, truncated: false };
        Ok(Started { container: container.to_owned(), id, deadline, streams, output })
    }
}

type Printed = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// An exec that was started, and what it has printed so far.
struct Started {
    container: String,
    id: String,
    deadline: Instant,
    streams: Option<(Printed, Input)>,
    output: ExecOutput,
}

impl Started {
    /// Takes the next piece of what is printed: whether there may be more, or none when the
    /// deadline came first.
    async fn take(&mut self) -> Result<Option<bool>, EngineError> {
        let Some((printed, _)) = &mut self.streams else { return Ok(Some(false)) };
        match tokio::time::timeout_at(self.deadline, printed.next()).await {
            Err(_) => Ok(None),
            Ok(None) => Ok(Some(false)),
            Ok(Some(Err(error))) => Err(EngineError::of(DOING, &*self.container, &error)),
            Ok(Some(Ok(chunk))) => {
                self.output.take(chunk);
                Ok(Some(true))
            }
        }
    }

    /// How many whole lines were printed.
    fn lines(&self) -> usize {
        self.output.stdout.iter().filter(|byte| **byte == b'\n').count()
    }

    /// Whether a whole line was printed before the end and before the deadline.
    async fn take_line(&mut self) -> Result<bool, EngineError> {
        while self.lines() == 0 {
            if self.take().await? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes all that is printed: whether it came to its end before the deadline.
    async fn take_all(&mut self) -> Result<bool, EngineError> {
        loop {
            match self.take().await? {
                Some(true) => {}
                Some(false) => return Ok(true),
                None => return Ok(false),
            }
        }
    }

    /// Writes a line to the program. One that has ended meanwhile says so by what it printed.
    async fn tell(&mut self) {
        let Some((_, input)) = &mut self.streams else { return };
        if input.write_all(b"\n").await.is_ok() {
            let _ = input.flush().await;
        }
    }

    /// Waits for the exit code until the deadline.
    async fn wait(&mut self, engine: &Engine) -> Result<(), EngineError> {
        while Instant::now() < self.deadline {
            let state = engine
                .docker
                .inspect_exec(&self.id)
                .await
                .map_err(|error| EngineError::of(DOING, &*self.container, &error))?;
            if state.running == Some(false) {
                self.output.exit_code = state.exit_code;
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

impl ExecOutput {
    fn take(&mut self, chunk: LogOutput) {
        let (kept, message) = match chunk {
            LogOutput::StdErr { message } => (&mut self.stderr, message),
            LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message } => (&mut self.stdout, message),
        };
        let room = MAX_OUTPUT.saturating_sub(kept.len()).min(message.len());
        self.truncated |= room < message.len();
        kept.extend_from_slice(&message[..room]);
    }
}
