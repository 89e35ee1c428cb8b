//! Staying there: so that another container can run us, and, in the control, as a relay from
//! TCP to the engine's socket.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, ExitCode};

use crate::filter;
use crate::json::{Json, object};
use crate::kernel;

/// Where our own containers have this program.
const PROGRAM: &str = "/probe";

const SIGTERM: i32 = 15;
const SIGPIPE: i32 = 13;

/// The calls that a lender needs, and those that format and print its one line: after that it
/// only waits for a signal. Numbers of getpid, write, futex, `rt_sigreturn`, exit, `exit_group`,
/// `restart_syscall`, brk, mmap and munmap.
#[cfg(target_arch = "x86_64")]
const LENDING: [u32; 10] = [39, 1, 202, 15, 60, 231, 219, 12, 9, 11];
#[cfg(target_arch = "aarch64")]
const LENDING: [u32; 10] = [172, 64, 98, 139, 93, 94, 128, 214, 222, 215];

/// Stays where a process of another container can execute our file through `/proc/PID/exe`.
///
/// The kernel lets others follow that link only while they may also trace us, so a process of
/// the container with our ids could make us execute a program of its own, which would then
/// answer for the probe. Our file cannot be read, so nobody can trace us from the first
/// instruction on; before we allow it, a filter takes from us, and from whoever traces us, every
/// call that could change what the link leads to.
///
/// `first` is asked before: nothing of it is there any more when the lending begins.
pub fn lend(first: &[&str]) -> ExitCode {
    kernel::exit_on(SIGTERM);
    ask(first);
    if let Err(error) = filter::allow_only(&LENDING).and_then(|()| kernel::set_dumpable(true)) {
        crate::say(&object([("error", Json::text(error))]));
        return ExitCode::FAILURE;
    }
    say_where();
    loop {
        std::thread::park();
    }
}

fn say_where() {
    crate::say(&object([
        ("stackproof", Json::from(crate::PROTOCOL)),
        ("hold", Json::from(u64::from(std::process::id()))),
    ]));
}

/// Lets another process of this program answer, on our standard output. What it cannot answer is
/// missing there, and whoever reads sees that.
fn ask(first: &[&str]) {
    if !first.is_empty() {
        let _ = Command::new(PROGRAM).arg("ask").args(first).status();
    }
}

/// Stays, and relays where that is asked for. `first` is asked before, once the relay is there.
pub fn hold(relay: Option<(&str, u16)>, first: &[&str]) -> ExitCode {
    kernel::exit_on(SIGTERM);
    kernel::ignore(SIGPIPE);
    let listener = match relay {
        None => None,
        // Loopback of our own network namespace: nobody else can reach it.
        Some((_, port)) => match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => Some(listener),
            Err(error) => {
                crate::say(&object([("error", Json::text(kernel::error_name(&error)))]));
                return ExitCode::FAILURE;
            }
        },
    };
    if let (Some((socket, _)), Some(listener)) = (relay, listener) {
        let socket = socket.to_owned();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let socket = socket.clone();
                // A connection that fails ends alone.
                std::thread::spawn(move || relay_one(connection, &socket));
            }
        });
    }
    ask(first);
    say_where();
    loop {
        std::thread::park();
    }
}

/// The weakness of a mutant: relays a socket to whoever comes, on a TCP port of every address or,
/// where `place` is a path, on a Unix socket that everybody may open.
pub fn relay_for_others(socket: &str, place: &str) -> ExitCode {
    kernel::exit_on(SIGTERM);
    kernel::ignore(SIGPIPE);
    let served = match place.parse::<u16>() {
        Ok(port) => TcpListener::bind(("0.0.0.0", port)).map(|listener| {
            for client in listener.incoming().flatten() {
                let socket = socket.to_owned();
                std::thread::spawn(move || relay_one(client, &socket));
            }
        }),
        Err(_) => UnixListener::bind(place)
            .and_then(|listener| {
                let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
                std::fs::set_permissions(place, all).map(|()| listener)
            })
            .map(|listener| {
                for client in listener.incoming().flatten() {
                    let socket = socket.to_owned();
                    std::thread::spawn(move || relay_one(client, &socket));
                }
            }),
    };
    if let Err(error) = served {
        crate::say(&object([("error", Json::text(kernel::error_name(&error)))]));
    }
    ExitCode::FAILURE
}

/// A connection that can be used from two threads at once, and closed in each direction.
trait Duplex: Read + Write + Send + Sized + 'static {
    fn twin(&self) -> std::io::Result<Self>;
    fn close(&self, how: Shutdown) -> std::io::Result<()>;
}

impl Duplex for TcpStream {
    fn twin(&self) -> std::io::Result<TcpStream> {
        self.try_clone()
    }
    fn close(&self, how: Shutdown) -> std::io::Result<()> {
        self.shutdown(how)
    }
}

impl Duplex for UnixStream {
    fn twin(&self) -> std::io::Result<UnixStream> {
        self.try_clone()
    }
    fn close(&self, how: Shutdown) -> std::io::Result<()> {
        self.shutdown(how)
    }
}

fn relay_one(mut client: impl Duplex, socket: &str) {
    let Ok(engine) = UnixStream::connect(socket) else { return };
    let (Ok(from_client), Ok(to_engine)) = (client.twin(), engine.try_clone()) else { return };
    let upward = std::thread::spawn(move || {
        copy(from_client, &to_engine);
        let _ = to_engine.shutdown(Shutdown::Write);
    });
    copy(engine, &mut client);
    let _ = client.close(Shutdown::Both);
    let _ = upward.join();
}

fn copy(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 8192];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
