//! The probe: a static program that looks at the kernel from inside a container and says what it
//! sees. It observes and never judges, and it uses nothing of the image that it runs in.
//!
//! `lend` keeps the program in a pid namespace so that another container can run it; `hold` just
//! stays; `ask` answers questions, a line of JSON each, and may follow the two to be answered
//! first; `hog`, `spin`, `breed` and `pause` act.

mod breed;
mod cgroup;
mod descriptors;
mod dialogue;
mod disk;
mod dns;
mod environ;
mod exchange;
mod filter;
mod grpc;
mod hog;
mod hold;
mod host;
mod http;
mod json;
mod kernel;
mod mounts;
mod pause;
mod privileges;
mod processes;
mod sockets;
mod spin;
mod syscalls;
mod tcp;
mod tls;
mod ttrpc;
mod writes;

use std::io::Write;
use std::process::ExitCode;

use json::{Json, object};

/// The version of the questions and answers.
const PROTOCOL: u64 = 1;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lend"] => hold::lend(&[]),
        ["lend", "ask", first @ ..] => hold::lend(first),
        ["hold", "--listen", socket, port] => relay(socket, port, &[]),
        ["hold", "--listen", socket, port, "ask", first @ ..] => relay(socket, port, first),
        ["hold"] => hold::hold(None, &[]),
        ["hold", "ask", first @ ..] => hold::hold(None, first),
        ["relay", socket, place] => hold::relay_for_others(socket, place),
        ["ask", nonce, deadline, lender, questions @ ..] => {
            match (deadline.parse(), lender.parse()) {
                (Ok(deadline), Ok(lender)) => ask(nonce, deadline, lender, questions),
                _ => ExitCode::from(64),
            }
        }
        ["hog", nonce, bytes, deadline] => match (bytes.parse(), deadline.parse()) {
            (Ok(bytes), Ok(deadline)) => hog::hog(nonce, bytes, deadline),
            _ => ExitCode::from(64),
        },
        ["spin", nonce, threads, time] => match (threads.parse(), time.parse()) {
            (Ok(threads), Ok(time)) => spin::spin(nonce, threads, time),
            _ => ExitCode::from(64),
        },
        ["breed", nonce, most, hold] => match (most.parse(), hold.parse()) {
            (Ok(most), Ok(hold)) => breed::breed(nonce, most, hold),
            _ => ExitCode::from(64),
        },
        ["pause", nonce, deadline, pids @ ..] => match deadline.parse() {
            Ok(deadline) => pause::pause(nonce, deadline, pids),
            Err(_) => ExitCode::from(64),
        },
        ["euid"] => {
            say(&privileges::own_ids());
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(64),
    }
}

fn relay(socket: &str, port: &str, first: &[&str]) -> ExitCode {
    match port.parse() {
        Ok(port) => hold::hold(Some((socket, port)), first),
        Err(_) => ExitCode::from(64),
    }
}

/// Writes one line. A reader that went away ends the program: nobody is left to answer.
fn say(line: &Json) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(1);
    }
}

fn ask(nonce: &str, deadline_ms: u64, lender: u32, questions: &[&str]) -> ExitCode {
    // A process of the same user must not be able to trace us and change what we say. Where our
    // file cannot be read this holds from the first instruction on: execve(2).
    if let Err(error) = kernel::set_dumpable(false) {
        say(&object([("error", Json::text(error))]));
        return ExitCode::FAILURE;
    }
    // The engine cannot end an exec, so the probe ends itself.
    kernel::alarm(deadline_ms / 1000 + 2);
    say(&header(nonce));
    match questions {
        // Both spend their time waiting: the one for the file system, the other for connections.
        [first @ .., sockets @ "sockets", tcp] if tcp.starts_with("tcp=") => {
            for question in first {
                say(&answered(question, nonce, lender));
            }
            std::thread::scope(|scope| {
                let beside = std::thread::Builder::new();
                let beside = beside.spawn_scoped(scope, || answered(tcp, nonce, lender));
                say(&answered(sockets, nonce, lender));
                // A container that allows no further thread is asked one after the other.
                let waited = beside.ok().and_then(|thread| thread.join().ok());
                say(&waited.unwrap_or_else(|| answered(tcp, nonce, lender)));
            });
        }
        _ => {
            for question in questions {
                say(&answered(question, nonce, lender));
            }
        }
    }
    say(&object([
        ("end", Json::Bool(true)),
        ("nonce", Json::text(nonce)),
        ("answers", Json::from(questions.len() as u64)),
    ]));
    ExitCode::SUCCESS
}

/// The line that answers a question.
fn answered(question: &str, nonce: &str, lender: u32) -> Json {
    let began = std::time::Instant::now();
    let answer = match mounts::covered(question) {
        Ok(()) => answer(question, nonce, lender),
        Err(why) => Err(why),
    };
    let ms = Json::from(began.elapsed().as_millis() as u64);
    let question = Json::text(question);
    match answer {
        Ok(answer) => object([("q", question), ("ms", ms), ("a", answer)]),
        Err(error) => object([("q", question), ("ms", ms), ("error", Json::text(error))]),
    }
}

fn header(nonce: &str) -> Json {
    let me = std::process::id();
    object([
        ("stackproof", Json::from(PROTOCOL)),
        ("nonce", Json::text(nonce)),
        ("pid", Json::from(u64::from(me))),
        ("status", processes::status("/proc/self").map_or_else(Json::text, |status| status)),
        ("ns", processes::namespaces("/proc/self")),
        ("proc", mounts::proc_is_genuine(me).map_or_else(Json::text, |()| Json::text("ok"))),
    ])
}

/// A question is its name, or its name, an equals sign and what it is about.
fn answer(question: &str, nonce: &str, lender: u32) -> Result<Json, String> {
    let (name, about) = question.split_once('=').unwrap_or((question, ""));
    match name {
        "processes" => processes::processes(lender),
        "environ" => environ::environ(lender),
        "mounts" => mounts::mounts(),
        "sockets" => sockets::sockets(),
        "descriptors" => descriptors::descriptors(lender),
        "tcp" => tcp::tcp(about),
        "get" => tcp::get(about),
        "cgroup" => cgroup::cgroup(about),
        "syscalls" => Ok(syscalls::battery()),
        "privileges" => privileges::privileges(),
        "write" => Ok(writes::writes(about, nonce)),
        "host" => host::host(),
        "listeners" => Ok(host::listeners(about)),
        "disk" => disk::disk(),
        _ => Err("this probe does not know the question".to_owned()),
    }
}
