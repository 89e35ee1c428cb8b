//! One subprocess: in a process group of its own, bounded in time, its output passed on line by
//! line.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::interrupt::Interrupt;

/// How long a subprocess may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How many of the last lines are kept for an error message.
const TAIL: usize = 60;
/// The longest line that is passed on, in bytes; the rest of it is dropped.
const MAX_LINE: usize = 4096;

/// What to run.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// The working folder.
    pub folder: PathBuf,
    /// Variables set on top of the environment.
    pub set: Vec<(String, String)>,
    /// Variables taken out of the environment.
    pub unset: Vec<&'static str>,
    /// How long it may take.
    pub within: Duration,
    /// The largest standard output that is kept, in bytes.
    pub max_stdout: usize,
}

/// How a subprocess ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit status; none when it was ended by us.
    pub status: Option<ExitStatus>,
    /// Why it was ended by us.
    pub cut_short: Option<CutShort>,
    /// Standard output, up to the bound.
    pub stdout: Vec<u8>,
    /// The last lines of both streams.
    pub tail: Vec<String>,
}

/// Why a subprocess was ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutShort {
    /// Its time was over.
    TimeOut,
    /// The run was interrupted.
    Interrupted,
}

impl Ended {
    /// Whether it ended by itself with 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// How it ended, in words.
    #[must_use]
    pub fn how(&self) -> String {
        match (self.cut_short, self.status) {
            (Some(CutShort::TimeOut), _) => "it took too long and was ended".to_owned(),
            (Some(CutShort::Interrupted), _) => "it was interrupted".to_owned(),
            (None, Some(status)) => status.to_string(),
            (None, None) => "it vanished".to_owned(),
        }
    }
}

impl Invocation {
    /// Runs it to its end, to its deadline or to the interrupt, whichever comes first. `line` is
    /// called with each line of either stream.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub async fn run(
        &self,
        interrupt: &Interrupt,
        mut line: impl FnMut(&str),
    ) -> std::io::Result<Ended> {
        let mut child = self.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (sender, mut chunks) = mpsc::channel(64);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(pump(stdout, true, sender.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(pump(stderr, false, sender.clone()));
        }
        drop(sender);
        let mut ended = Ended { status: None, cut_short: None, stdout: vec![], tail: vec![] };
        let mut lines = Lines::default();
        let deadline = tokio::time::sleep(self.within);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                chunk = chunks.recv() => match chunk {
                    None => break,
                    Some((is_stdout, bytes)) => {
                        if is_stdout {
                            let room = self.max_stdout.saturating_sub(ended.stdout.len());
                            ended.stdout.extend_from_slice(&bytes[..room.min(bytes.len())]);
                        }
                        lines.feed(is_stdout, &bytes, &mut line);
                    }
                },
                status = child.wait(), if ended.status.is_none() => {
                    ended.status = Some(status?);
                    // A grandchild may keep the pipes open; what is in them now is enough.
                    deadline.as_mut().reset(tokio::time::Instant::now() + GRACE);
                }
                () = &mut deadline => {
                    if ended.status.is_none() {
                        ended.cut_short = Some(CutShort::TimeOut);
                        end(&mut child, group).await;
                    }
                    break;
                }
                () = interrupt.wait(), if ended.status.is_none() => {
                    ended.cut_short = Some(CutShort::Interrupted);
                    end(&mut child, group).await;
                    break;
                }
            }
        }
        if ended.status.is_none() && ended.cut_short.is_none() {
            ended.status = Some(child.wait().await?);
        }
        ended.tail = lines.finish(&mut line);
        Ok(ended)
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let [program, arguments @ ..] = self.argv.as_slice() else {
            return Err(std::io::Error::other("there is no program to run"));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .envs(self.set.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C must reach us and not the tool, which would otherwise
            // stop half-way while we are still deciding.
            .process_group(0)
            .kill_on_drop(true);
        for name in &self.unset {
            command.env_remove(name);
        }
        command.spawn()
    }
}

async fn end(child: &mut Child, group: Option<Pid>) {
    let Some(group) = group else { return };
    let _ = kill_process_group(group, Signal::TERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait().await;
    }
}

async fn pump(
    mut stream: impl AsyncRead + Unpin,
    is_stdout: bool,
    sender: mpsc::Sender<(bool, Vec<u8>)>,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 || sender.send((is_stdout, buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}

/// Cuts two byte streams into lines and keeps the last of them.
#[derive(Debug, Default)]
struct Lines {
    open: [Vec<u8>; 2],
    tail: VecDeque<String>,
}

impl Lines {
    fn feed(&mut self, is_stdout: bool, bytes: &[u8], line: &mut impl FnMut(&str)) {
        for byte in bytes {
            let open = &mut self.open[usize::from(is_stdout)];
            if *byte == b'\n' {
                let whole = std::mem::take(open);
                self.close(&whole, line);
            } else if open.len() < MAX_LINE {
                open.push(*byte);
            }
        }
    }

    fn close(&mut self, whole: &[u8], line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(whole).trim_end().to_owned();
        line(&text);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
    }

    fn finish(mut self, line: &mut impl FnMut(&str)) -> Vec<String> {
        for open in std::mem::take(&mut self.open) {
            if !open.is_empty() {
                self.close(&open, line);
            }
        }
        self.tail.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, within: Duration) -> Invocation {
        Invocation {
            argv: ["sh", "-c", script].map(OsString::from).to_vec(),
            folder: PathBuf::from("/"),
            set: vec![("GREETING".to_owned(), "hello".to_owned())],
            unset: vec!["HOME"],
            within,
            max_stdout: 1 << 20,
        }
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn output_and_status_of_a_command_are_collected() {
        let mut seen = Vec::new();
        let ended = shell("echo $GREETING ${HOME:-homeless}; echo oops >&2; exit 3", LONG)
            .run(&Interrupt::never(), |line| seen.push(line.to_owned()))
            .await
            .unwrap();
        assert_eq!(ended.status.and_then(|status| status.code()), Some(3));
        assert_eq!(ended.stdout, b"hello homeless\n");
        seen.sort();
        assert_eq!(seen, ["hello homeless", "oops"]);
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_ended_with_its_children() {
        let start = std::time::Instant::now();
        let ended = shell("sleep 1000 & wait", Duration::from_millis(200))
            .run(&Interrupt::never(), |_| {})
            .await
            .unwrap();
        assert_eq!(ended.cut_short, Some(CutShort::TimeOut));
        assert!(start.elapsed() < LONG);
    }

    #[tokio::test]
    async fn a_program_that_does_not_exist_is_an_error() {
        let mut invocation = shell("", LONG);
        invocation.argv = vec!["/nonexistent/program".into()];
        let result = invocation.run(&Interrupt::never(), |_| {}).await;
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    }
}
