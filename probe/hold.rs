//! Staying there: so that another container can run us, and, in the control, as a relay from
//! TCP to the engine's socket.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use crate::json::{Json, object};
use crate::kernel;

const SIGTERM: i32 = 15;
const SIGPIPE: i32 = 13;

pub fn hold(relay: Option<(&str, u16)>) -> ExitCode {
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
    crate::say(&object([
        ("stackproof", Json::from(crate::PROTOCOL)),
        ("hold", Json::from(u64::from(std::process::id()))),
    ]));
    if let (Some((socket, _)), Some(listener)) = (relay, listener) {
        for connection in listener.incoming().flatten() {
            let socket = socket.to_owned();
            // A connection that fails ends alone.
            std::thread::spawn(move || relay_one(connection, &socket));
        }
    }
    loop {
        std::thread::park();
    }
}

fn relay_one(client: TcpStream, socket: &str) {
    let Ok(engine) = UnixStream::connect(socket) else { return };
    let (Ok(from_client), Ok(to_engine)) = (client.try_clone(), engine.try_clone()) else { return };
    let upward = std::thread::spawn(move || {
        copy(from_client, &to_engine);
        let _ = to_engine.shutdown(Shutdown::Write);
    });
    copy(engine, &client);
    let _ = client.shutdown(Shutdown::Both);
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
