//! A way to the engine that passes everything on, but may cut an export off.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tempfile::TempDir;

use super::project::ENGINE;

/// A socket that leads to the engine for as long as the test runs.
pub(crate) struct Relay {
    folder: TempDir,
}

impl Relay {
    /// Of the answer to a request for an export, `length` bytes are passed on.
    pub(crate) fn start(length: u64) -> Relay {
        let folder = tempfile::tempdir().unwrap();
        let relay = Relay { folder };
        let listener = UnixListener::bind(relay.socket()).unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                serve(client.unwrap(), length);
            }
        });
        relay
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }
}

fn serve(client: UnixStream, length: u64) {
    let engine = UnixStream::connect(Path::new(ENGINE)).unwrap();
    // How much of the engine's answers may still be passed on.
    let left = Arc::new(AtomicU64::new(u64::MAX));
    let requests = (client.try_clone().unwrap(), engine.try_clone().unwrap(), Arc::clone(&left));
    thread::spawn(move || {
        let (mut client, mut engine, left) = requests;
        pass(&mut client, &mut engine, |chunk| {
            if chunk.windows(12).any(|window| window == b"/images/get?") {
                left.store(length, Ordering::SeqCst);
            }
            chunk.len()
        });
    });
    thread::spawn(move || {
        let (mut client, mut engine) = (client, engine);
        pass(&mut engine, &mut client, |chunk| {
            let before = left.load(Ordering::SeqCst);
            let count = before.min(chunk.len() as u64);
            if before != u64::MAX {
                left.store(before - count, Ordering::SeqCst);
            }
            usize::try_from(count).unwrap()
        });
    });
}

/// Passes on as much of each chunk as `allowed` says, and ends where that is not all.
fn pass(from: &mut UnixStream, to: &mut UnixStream, allowed: impl Fn(&[u8]) -> usize) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let passed = allowed(&buffer[..count]);
        if to.write_all(&buffer[..passed]).is_err() || passed < count {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
