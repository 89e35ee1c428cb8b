//! Saying one thing to many at once: every connection is made, spoken on and listened to in one
//! loop, so that however many stay silent, there is one wait for all of them.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::kernel;

/// What is listened to of one answer at most, in bytes.
const MAX_ANSWER: usize = 256 << 10;
/// Connections that are open at once: three exchanges may be under way, which together stay below
/// the usual limit on descriptors.
const AT_ONCE: usize = 300;
/// The longest path that an address holds, without its final zero: unix(7).
const SUN_PATH: usize = 107;

/// Where somebody may listen.
#[derive(Clone)]
pub enum Address {
    Tcp(SocketAddr),
    Path(PathBuf),
    /// An abstract name, without its leading zero.
    Abstract(Vec<u8>),
}

/// What is said, and when enough has been heard.
pub struct Attempt<'a> {
    pub to: &'a Address,
    pub say: Vec<u8>,
    pub enough: fn(&[u8]) -> bool,
    pub start: Start,
    /// How long an answer may take.
    pub answer: Duration,
}

/// When an attempt is made. The other attempt is named by its place and stands before this one;
/// `is_answer` tells whether what it heard is an answer.
#[derive(Clone, Copy)]
pub enum Start {
    Now,
    /// Once the other was answered.
    Answered(usize, fn(&[u8]) -> bool),
    /// Once the other has ended without an answer, or has waited for one for so long.
    Unanswered(usize, fn(&[u8]) -> bool, Duration),
}

/// How an attempt ended.
pub enum End {
    /// There was no connection, and why: an errno, or `time-out`.
    NoConnection(String),
    /// As much was heard as was wanted, or more than is kept.
    Enough,
    /// The other side closed the connection.
    Closed,
    /// The connection broke, with an errno.
    Broke(String),
    /// The other side still had the connection open when the time was over.
    Waiting,
    /// Another attempt left nothing to try.
    NotTried,
}

/// What was heard.
pub struct Heard {
    pub bytes: Vec<u8>,
    pub end: End,
    /// When the connection was made or refused.
    pub connected_after: Duration,
}

impl Heard {
    /// Whether the connection was made at all.
    pub fn is_connected(&self) -> bool {
        !matches!(self.end, End::NoConnection(_) | End::NotTried)
    }

    /// Whether more came than is kept.
    pub fn is_truncated(&self) -> bool {
        self.bytes.len() > MAX_ANSWER
    }
}

struct Open {
    index: usize,
    stream: File,
    spoken: bool,
    deadline: Instant,
}

/// The attempts under way.
struct Exchange<'e> {
    attempts: &'e [Attempt<'e>],
    started: Instant,
    connect: Duration,
    open: Vec<Open>,
    heard: Vec<Heard>,
    ended: Vec<bool>,
    /// When each began to wait for an answer.
    spoken: Vec<Option<Instant>>,
}

/// Whether an attempt can be made.
enum Ready {
    Yes,
    Never,
    Later(Option<Instant>),
}

/// Makes every attempt. A connection may take `connect`.
pub fn exchange(attempts: &[Attempt], connect: Duration) -> Vec<Heard> {
    let started = Instant::now();
    let nothing = || Heard { bytes: vec![], end: End::NotTried, connected_after: Duration::ZERO };
    let mut exchange = Exchange {
        attempts,
        started,
        connect,
        open: Vec::new(),
        heard: attempts.iter().map(|_| nothing()).collect(),
        ended: vec![false; attempts.len()],
        spoken: vec![None; attempts.len()],
    };
    let mut waiting: Vec<usize> = (0..attempts.len()).collect();
    loop {
        let wake = exchange.begin_ready(&mut waiting);
        let deadlines = exchange.open.iter().map(|one| one.deadline);
        let Some(next) = deadlines.chain(wake).min() else { break };
        exchange.advance_until(next);
    }
    exchange.heard
}

impl Exchange<'_> {
    /// Begins what can be begun, and tells when something that waits can be next.
    fn begin_ready(&mut self, waiting: &mut Vec<usize>) -> Option<Instant> {
        let mut wake: Option<Instant> = None;
        let mut later = Vec::new();
        for index in std::mem::take(waiting) {
            // What is not begun for want of room is begun when something has ended.
            if self.open.len() >= AT_ONCE {
                later.push(index);
                continue;
            }
            match self.ready(self.attempts[index].start) {
                Ready::Yes => self.begin(index),
                Ready::Never => self.ended[index] = true,
                Ready::Later(when) => {
                    wake = wake.into_iter().chain(when).min();
                    later.push(index);
                }
            }
        }
        *waiting = later;
        wake
    }

    fn ready(&self, start: Start) -> Ready {
        let (other, is_answer, patience) = match start {
            Start::Now => return Ready::Yes,
            Start::Answered(other, is_answer) => (other, is_answer, None),
            Start::Unanswered(other, is_answer, patience) => (other, is_answer, Some(patience)),
        };
        let heard = &self.heard[other];
        if self.ended[other] {
            let answered = is_answer(&heard.bytes);
            let wanted = answered == patience.is_none();
            return if wanted && heard.is_connected() { Ready::Yes } else { Ready::Never };
        }
        let Some(patience) = patience else { return Ready::Later(None) };
        match self.spoken[other].map(|spoken| spoken + patience) {
            Some(over) if over <= Instant::now() => Ready::Yes,
            over => Ready::Later(over),
        }
    }

    fn begin(&mut self, index: usize) {
        match begin(self.attempts[index].to) {
            Ok(stream) => {
                let deadline = Instant::now() + self.connect;
                self.open.push(Open { index, stream, spoken: false, deadline });
            }
            Err(errno) => {
                self.heard[index].end = End::NoConnection(errno);
                self.ended[index] = true;
            }
        }
    }

    /// Waits until something happens, but not longer than to `next`, and goes on with it.
    fn advance_until(&mut self, next: Instant) {
        let mut polled: Vec<kernel::PollFd> = self
            .open
            .iter()
            .map(|one| kernel::PollFd {
                fd: one.stream.as_raw_fd(),
                events: if one.spoken { kernel::POLLIN } else { kernel::POLLOUT },
                revents: 0,
            })
            .collect();
        // Rounded up, so that a rest of less than a millisecond does not make the loop spin.
        let left = next.saturating_duration_since(Instant::now()).as_millis() + 1;
        kernel::poll(&mut polled, i32::try_from(left).unwrap_or(i32::MAX));
        let now = Instant::now();
        let mut still = Vec::new();
        for (mut one, polled) in std::mem::take(&mut self.open).into_iter().zip(&polled) {
            let index = one.index;
            let attempt = &self.attempts[index];
            let heard = &mut self.heard[index];
            let end = if polled.revents != 0 {
                let was_spoken = one.spoken;
                let end = advance(&mut one, attempt, heard, self.started, now + attempt.answer);
                if one.spoken && !was_spoken {
                    self.spoken[index] = Some(now);
                }
                end
            } else if now < one.deadline {
                None
            } else if one.spoken {
                Some(End::Waiting)
            } else {
                heard.connected_after = self.started.elapsed();
                Some(End::NoConnection("time-out".to_owned()))
            };
            match end {
                Some(end) => {
                    heard.end = end;
                    self.ended[index] = true;
                }
                None => still.push(one),
            }
        }
        self.open = still;
    }
}

/// Goes on with a connection that is ready, and says how it ended if it did.
fn advance(
    one: &mut Open,
    attempt: &Attempt,
    heard: &mut Heard,
    started: Instant,
    deadline: Instant,
) -> Option<End> {
    if !one.spoken {
        heard.connected_after = started.elapsed();
        if let Err(errno) = kernel::connected(one.stream.as_raw_fd()) {
            return Some(End::NoConnection(errno));
        }
        one.spoken = true;
        one.deadline = deadline;
        // What is said fits into the empty buffer of a fresh connection.
        return one.stream.write_all(&attempt.say).err().map(|e| End::Broke(kernel::error_name(&e)));
    }
    let mut buffer = [0; 8192];
    match one.stream.read(&mut buffer) {
        Ok(0) => Some(End::Closed),
        Ok(count) => {
            heard.bytes.extend_from_slice(&buffer[..count]);
            (heard.is_truncated() || (attempt.enough)(&heard.bytes)).then_some(End::Enough)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            None
        }
        Err(error) => Some(End::Broke(kernel::error_name(&error))),
    }
}

fn begin(address: &Address) -> Result<File, String> {
    match address {
        Address::Tcp(SocketAddr::V4(v4)) => {
            // struct sockaddr_in: family, port, address, padding.
            let mut name = vec![];
            name.extend(v4.port().to_be_bytes());
            name.extend(v4.ip().octets());
            name.extend([0; 8]);
            kernel::connect_without_waiting(kernel::AF_INET, &name)
        }
        Address::Tcp(SocketAddr::V6(v6)) => {
            // struct sockaddr_in6: family, port, flow, address, scope.
            let mut name = vec![];
            name.extend(v6.port().to_be_bytes());
            name.extend([0; 4]);
            name.extend(v6.ip().octets());
            name.extend(v6.scope_id().to_ne_bytes());
            kernel::connect_without_waiting(kernel::AF_INET6, &name)
        }
        Address::Abstract(name) => {
            let name: Vec<u8> = std::iter::once(0).chain(name.iter().copied()).collect();
            kernel::connect_without_waiting(kernel::AF_UNIX, &name)
        }
        Address::Path(path) => begin_at(path),
    }
}

fn begin_at(path: &Path) -> Result<File, String> {
    let connect = |path: &Path| {
        let mut name = path.as_os_str().as_bytes().to_vec();
        name.push(0);
        kernel::connect_without_waiting(kernel::AF_UNIX, &name)
    };
    if path.as_os_str().len() <= SUN_PATH {
        return connect(path);
    }
    // A path too long for an address: the kernel follows the link of a descriptor as well.
    let place = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(kernel::O_PATH)
        .open(path)
        .map_err(|error| kernel::error_name(&error))?;
    connect(Path::new(&format!("/proc/self/fd/{}", place.as_raw_fd())))
}
