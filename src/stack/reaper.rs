//! The reaper: a process of its own that outlives the run and cleans up if the run is killed.
//!
//! It reads its standard input, a pipe from the run. At the end the run says that all is clean.
//! If the pipe ends without that word, the run has died: the reaper kills the run's subprocesses
//! and removes everything with the run's label.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::leftover;
use super::runs::{self, Alive};
use crate::engine::{Endpoint, Engine};
use crate::run_id::RunId;

/// The variable in the environment of each subprocess of a run, by which the reaper finds it and
/// everything that it has started. Compose files may use it too.
pub const RUN_VARIABLE: &str = "STACKPROOF_RUN";
/// What the reaper prints once it is ready.
const READY: &str = "ready";
/// What the run says when nothing is left to do.
const DONE: &str = "done";
/// The pause between two looks for subprocesses that were killed.
const PAUSE: Duration = Duration::from_millis(10);
/// How many looks are taken at most.
const LOOKS: usize = 1000;

/// The run's end of the pipe.
#[derive(Debug)]
pub struct Reaper {
    process: Child,
    pipe: ChildStdin,
}

impl Reaper {
    /// Starts the reaper of `run` and waits until it is ready. Nothing is made in the engine
    /// before that.
    ///
    /// # Errors
    /// When the process cannot be started or does not become ready.
    pub fn start(program: &Path, run: &RunId, endpoint: &Endpoint) -> std::io::Result<Reaper> {
        let mut process = Command::new(program)
            .args(["reap", run.as_str(), &endpoint.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // An inherited stream would keep a CI step or a test waiting for the reaper.
            .stderr(Stdio::null())
            .spawn()?;
        let no_pipe = || std::io::Error::other("the reaper has no pipe");
        let pipe = process.stdin.take().ok_or_else(no_pipe)?;
        let stdout = process.stdout.take().ok_or_else(no_pipe)?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim() != READY {
            let message = format!("the reaper said {line:?} instead of {READY}");
            return Err(std::io::Error::other(message));
        }
        Ok(Reaper { process, pipe })
    }

    /// Tells the reaper that nothing is left, and waits for its end.
    pub fn done(self) {
        let Reaper { mut process, mut pipe } = self;
        // A reaper that was killed cannot be told; the run has cleaned up by itself.
        let _ = writeln!(pipe, "{DONE}").and_then(|()| pipe.flush());
        // The reaper reads to the end of the pipe.
        drop(pipe);
        let _ = process.wait();
    }
}

/// The life of the reaper process: returns when the run has ended, or all that it left is gone.
///
/// # Errors
/// When the run died and something could not be removed.
pub async fn reap(run: &RunId, endpoint: Endpoint) -> Result<(), String> {
    // A session of its own: no Ctrl-C, no hang-up and no kill of the run's group gets here.
    let _ = rustix::process::setsid();
    let _alive = Alive::declare(run).map_err(|error| format!("cannot lock the run: {error}"))?;
    {
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{READY}").and_then(|()| stdout.flush());
    }
    let mut said = String::new();
    let _ = std::io::stdin().lock().read_to_string(&mut said);
    if said.trim() != DONE {
        clean_up(run, endpoint).await?;
    }
    Ok(())
}

/// Removes all that a dead run has left: its subprocesses, its objects in the engine, its files.
///
/// # Errors
/// When something could not be removed, or the engine does not answer.
pub async fn clean_up(run: &RunId, endpoint: Endpoint) -> Result<(), String> {
    kill_subprocesses(run);
    let engine = Engine::connect(endpoint).await.map_err(|error| error.to_string())?;
    let left = leftover::remove_all(&engine, run, true).await.map_err(|error| error.to_string())?;
    if !left.is_empty() {
        return Err(left.join("\n"));
    }
    runs::forget(run);
    Ok(())
}

/// Kills every process that carries the run's variable, and looks again until there is none: a
/// process may have started another between the look and the kill.
fn kill_subprocesses(run: &RunId) {
    for _ in 0..LOOKS {
        let found = subprocesses(run);
        if found.is_empty() {
            return;
        }
        for pid in found {
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(PAUSE);
    }
}

fn subprocesses(run: &RunId) -> Vec<Pid> {
    let wanted = format!("{RUN_VARIABLE}={run}");
    let Ok(processes) = std::fs::read_dir("/proc") else { return vec![] };
    processes
        .flatten()
        .filter_map(|entry| {
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            // Processes of other users cannot be read and are not ours.
            let environment = std::fs::read(entry.path().join("environ")).ok()?;
            let ours = environment.split(|byte| *byte == 0).any(|var| var == wanted.as_bytes());
            (ours && pid != rustix::process::getpid()).then_some(pid)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subprocess_is_found_and_killed_with_what_it_started() {
        let run = RunId::fresh().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "sleep 1000 & echo started; wait"])
            .env(RUN_VARIABLE, run.as_str())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(subprocesses(&run).len(), 2);
        let reaped = std::thread::spawn(move || child.wait());
        kill_subprocesses(&run);
        assert!(subprocesses(&run).is_empty());
        reaped.join().unwrap().unwrap();
    }
}
