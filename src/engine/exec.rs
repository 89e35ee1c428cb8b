//! Running a program in a container that runs already.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Engine, EngineError};

/// What is kept of each output stream, in bytes. More is counted and thrown away.
const MAX_OUTPUT: usize = 8 << 20;
/// How often the engine is asked whether an exec has ended, once its output has.
const POLL: Duration = Duration::from_millis(5);

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
        let failed = |error: &bollard::errors::Error| {
            EngineError::of("run the probe in container", container, error)
        };
        let deadline = Instant::now() + within;
        let options = CreateExecOptions {
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
            .map_err(|_| EngineError::silent("run the probe in container", container, within))?
            .map_err(|error| failed(&error))?;
        let mut output =
            ExecOutput { stdout: vec![], stderr: vec![], exit_code: None, truncated: false };
        if let StartExecResults::Attached { output: mut stream, .. } = results {
            loop {
                match tokio::time::timeout_at(deadline, stream.next()).await {
                    Err(_) => return Ok(output),
                    Ok(None) => break,
                    Ok(Some(Err(error))) => return Err(failed(&error)),
                    Ok(Some(Ok(chunk))) => output.take(chunk),
                }
            }
        }
        while Instant::now() < deadline {
            let state = self.docker.inspect_exec(&id).await.map_err(|error| failed(&error))?;
            if state.running == Some(false) {
                output.exit_code = state.exit_code;
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(output)
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
