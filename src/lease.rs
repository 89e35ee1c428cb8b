//! A stack shared by test processes: the first one brings it up, each holds a lease while it
//! lives, and a reaper takes it down when the test runner has ended and no lease is held.
//!
//! The kernel drops a lock with the process that holds it, however the process ends, so killed
//! tests and a killed runner need no further care. A plain count of users would not do: with one
//! test at a time there is no overlap, and the stack would be built again for each.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::engine::Endpoint;
use crate::run_id::RunId;
use crate::stack::reaper::clean_up;
use crate::stack::runs::{self, Alive};

/// What the reaper prints once it is ready.
const READY: &str = "ready";
/// How often the reaper looks whether the runner lives.
const LOOK: Duration = Duration::from_millis(200);

/// A share in a running stack, for as long as this value lives.
#[derive(Debug)]
pub struct Lease {
    folder: PathBuf,
    /// The run that brought the stack up.
    pub run: RunId,
    _using: File,
}

/// Whether a test may share the stack with others while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It only looks.
    Looking,
    /// It stresses, stops or kills, and needs the stack to itself.
    Acting,
}

/// Who runs the tests: the stack lives as long as this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// What all test processes of this session have in common.
    pub session: String,
    pid: i32,
    started: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    run: String,
    error: Option<String>,
}

impl Runner {
    /// The runner of this test process: nextest, found by the variable that it gives to all that
    /// it starts, or else the parent process.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn find() -> io::Result<Runner> {
        let parent = rustix::process::getppid().map_or(1, Pid::as_raw_pid);
        let Ok(id) = std::env::var("NEXTEST_RUN_ID") else {
            let started = start_time(parent)?;
            return Ok(Runner { session: format!("{parent}-{started}"), pid: parent, started });
        };
        // The test may have been started through a wrapper, so the runner is the nearest
        // ancestor to which the variable was not given.
        let given = format!("NEXTEST_RUN_ID={id}");
        let mut pid = parent;
        while pid > 1 && has_variable(pid, &given) {
            pid = parent_of(pid)?;
        }
        Ok(Runner { session: id, pid, started: start_time(pid)? })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn lives(&self) -> bool {
        // A number that was given again has another start time.
        start_time(self.pid).is_ok_and(|started| started == self.started)
    }
}

impl Lease {
    /// Takes a share in the stack called `name`; the first to come brings it up with `up`, and
    /// everybody learns whether that worked.
    ///
    /// # Errors
    /// When the stack did not come up, in the words of whoever tried, or the system fails.
    pub fn take(
        name: &str,
        runner: &Runner,
        program: &Path,
        endpoint: &Endpoint,
        up: impl FnOnce(&RunId) -> Result<(), String>,
    ) -> Result<Lease, String> {
        let system = |error: io::Error| format!("cannot share the stack {name}: {error}");
        let folder =
            runs::folder().map_err(system)?.join(format!("lease-{}-{name}", runner.session));
        fs::create_dir_all(&folder).map_err(system)?;
        let using = open(&folder.join("use")).map_err(system)?;
        using.lock_shared().map_err(system)?;
        let state_file = folder.join("state.json");
        let turn = open(&folder.join("turn")).map_err(system)?;
        turn.lock().map_err(system)?;
        let state = match fs::read_to_string(&state_file) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| format!("cannot read {}: {error}", state_file.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let run = RunId::fresh().map_err(|error| error.to_string())?;
                start_reaper(program, &run, endpoint, runner, &folder).map_err(system)?;
                let error = up(&run).err();
                let state = State { run: run.to_string(), error };
                let text = serde_json::to_string(&state).map_err(|error| error.to_string())?;
                fs::write(&state_file, text).map_err(system)?;
                state
            }
            Err(error) => return Err(system(error)),
        };
        match (RunId::parse(&state.run), state.error) {
            (Some(run), None) => Ok(Lease { folder, run, _using: using }),
            (_, Some(error)) => Err(error),
            (None, None) => Err(format!("{} names no run", state_file.display())),
        }
    }

    /// Waits until this process may look at the stack, or act on it. The permission lasts as
    /// long as the returned value.
    ///
    /// # Errors
    /// When the lock file fails.
    pub fn enter(&self, manner: Manner) -> io::Result<File> {
        let file = open(&self.folder.join("act"))?;
        match manner {
            Manner::Looking => file.lock_shared()?,
            Manner::Acting => file.lock()?,
        }
        Ok(file)
    }
}

fn start_reaper(
    program: &Path,
    run: &RunId,
    endpoint: &Endpoint,
    runner: &Runner,
    folder: &Path,
) -> io::Result<()> {
    let mut reaper = Command::new(program)
        .args(["reap-lease", run.as_str(), &endpoint.to_string()])
        .args([runner.pid.to_string(), runner.started.to_string()])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // An inherited stream would make the runner wait for the reaper.
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = reaper.stdout.take().ok_or_else(|| io::Error::other("the reaper has no pipe"))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim() == READY { Ok(()) } else { Err(io::Error::other("the reaper did not start")) }
}

/// The life of the reaper: waits for the runner's end and for the last lease, then cleans up.
///
/// # Errors
/// When something could not be removed.
pub async fn reap(
    run: &RunId,
    endpoint: Endpoint,
    pid: i32,
    started: u64,
    folder: &Path,
) -> Result<(), String> {
    // A runner kills the process group of a test that hangs; the reaper must not be in it.
    let _ = rustix::process::setsid();
    let system = |error: io::Error| format!("cannot watch over the stack: {error}");
    let _alive = Alive::declare(run).map_err(system)?;
    {
        let mut stdout = io::stdout();
        let _ = writeln!(stdout, "{READY}").and_then(|()| stdout.flush());
    }
    let runner = Runner { session: String::new(), pid, started };
    while runner.lives() {
        tokio::time::sleep(LOOK).await;
    }
    let using = open(&folder.join("use")).map_err(system)?;
    tokio::task::spawn_blocking(move || using.lock().map(|()| using))
        .await
        .map_err(|error| error.to_string())?
        .map_err(system)?;
    clean_up(run, endpoint).await?;
    // What is left of the folder is harmless: the session's name never comes again.
    let _ = fs::remove_dir_all(folder);
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

fn has_variable(pid: i32, given: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|var| var == given.as_bytes()))
}

fn parent_of(pid: i32) -> io::Result<i32> {
    field(pid, 1)?.try_into().map_err(io::Error::other)
}

/// In clock ticks since boot.
fn start_time(pid: i32) -> io::Result<u64> {
    field(pid, 19)
}

/// A number of proc(5), `stat`, counted from the field after the command's name.
fn field(pid: i32, index: usize) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name is in parentheses and may hold spaces and parentheses itself.
    stat.rsplit_once(") ")
        .and_then(|(_, fields)| fields.split(' ').nth(index)?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not understood")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_lives_until_its_process_ends() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().try_into().unwrap();
        let runner = Runner { session: String::new(), pid, started: start_time(pid).unwrap() };
        assert!(runner.lives());
        let successor = Runner { started: runner.started + 1, ..runner.clone() };
        assert!(!successor.lives());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!runner.lives());
    }

    #[test]
    fn the_runner_of_this_test_is_found_and_lives() {
        assert!(Runner::find().unwrap().lives());
    }
}
