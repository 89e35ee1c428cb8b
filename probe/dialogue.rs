//! Who listens: every protocol in which an engine would answer is tried on a connection of its
//! own, and what came is told.

use std::time::Duration;

use crate::exchange::{Address, Attempt, End, Heard, exchange};
use crate::json::{Json, object};
use crate::{grpc, http, tls, ttrpc};

/// How long an accepted connection may take to answer.
pub const ANSWER: Duration = Duration::from_millis(1500);
/// How long each further protocol may take, where HTTP got no answer: the listener has had the
/// time for HTTP already.
const FURTHER: Duration = Duration::from_millis(1000);
/// What is shown of a body or of a message that nobody asked for, in bytes.
const HEAD: usize = 200;
/// What an engine's API is asked for, the first question first.
const PATHS: [&str; 3] = ["/_ping", "/version", "/containers/json?limit=1"];
/// What a proxy puts before the first byte where its upstream expects it: a listener that waits
/// for this is silent to everything else. HAProxy, `proxy-protocol.txt`, section 2.1.
const PROXY_HEADER: &[u8] = b"PROXY UNKNOWN\r\n";

/// A protocol that is tried where HTTP got no answer.
#[derive(Clone, Copy)]
enum Further {
    Grpc,
    Ttrpc,
    Tls,
    Proxied,
}

/// Asks at every address, and tells for each what the connection came to and who answered.
pub fn ask(addresses: &[&Address], connect: Duration) -> Vec<(Heard, Vec<(String, Json)>)> {
    let first: Vec<Attempt> = addresses.iter().map(|to| get(to, PATHS[0])).collect();
    let first = exchange(&first, connect, ANSWER);
    let mut second = Vec::new();
    let mut of = Vec::new();
    for (index, heard) in first.iter().enumerate().filter(|(_, heard)| heard.is_connected()) {
        let to = addresses[index];
        if http::parse(&heard.bytes).is_some() {
            for path in &PATHS[1..] {
                second.push(get(to, path));
                of.push((index, Ok(*path)));
            }
        } else {
            for protocol in [Further::Grpc, Further::Ttrpc, Further::Tls, Further::Proxied] {
                second.push(protocol.attempt(to));
                of.push((index, Err(protocol)));
            }
        }
    }
    let second = exchange(&second, connect, FURTHER);
    let mut told: Vec<(Vec<Json>, Vec<Json>)> = first
        .iter()
        .map(|heard| match http::parse(&heard.bytes) {
            Some(_) => (vec![answer(PATHS[0], heard)], vec![]),
            None => (vec![], vec![tried("http", outcome(heard), &heard.bytes)]),
        })
        .collect();
    for ((index, what), heard) in of.into_iter().zip(second) {
        let (answers, further) = &mut told[index];
        match what {
            Ok(path) => answers.push(answer(path, &heard)),
            Err(protocol) => {
                if matches!(protocol, Further::Proxied) && http::parse(&heard.bytes).is_some() {
                    answers.push(answer(PATHS[0], &heard));
                }
                further.push(protocol.told(&heard));
            }
        }
    }
    first
        .into_iter()
        .zip(told)
        .map(|(heard, (answers, further))| {
            let told = if heard.is_connected() {
                vec![
                    ("http".to_owned(), Json::List(answers)),
                    ("tried".to_owned(), Json::List(further)),
                ]
            } else {
                vec![]
            };
            (heard, told)
        })
        .collect()
}

impl Further {
    fn attempt<'a>(self, to: &'a Address) -> Attempt<'a> {
        let (say, enough): (Vec<u8>, fn(&[u8]) -> bool) = match self {
            Further::Grpc => (grpc::request(), grpc::complete),
            Further::Ttrpc => (ttrpc::request(), ttrpc::complete),
            Further::Tls => (tls::request(), tls::complete),
            Further::Proxied => {
                ([PROXY_HEADER, &http::request(PATHS[0])].concat(), http::complete)
            }
        };
        Attempt { to, say, enough }
    }

    fn told(self, heard: &Heard) -> Json {
        let bytes = heard.bytes.as_slice();
        match self {
            Further::Grpc => match grpc::answered(bytes) {
                Some((call, message)) => {
                    tried("grpc", "reply", &[call.as_bytes(), b": ", message].concat())
                }
                None if grpc::is_server(bytes) => tried("grpc", "no such service", b""),
                None => tried("grpc", outcome(heard), bytes),
            },
            Further::Ttrpc => match ttrpc::answered(bytes) {
                Some(message) => tried("ttrpc", "reply", message),
                None => tried("ttrpc", outcome(heard), bytes),
            },
            Further::Tls => match tls::answered(bytes) {
                Some(kind) => tried("tls", "reply", kind.as_bytes()),
                None => tried("tls", outcome(heard), bytes),
            },
            Further::Proxied => match http::parse(bytes) {
                Some(_) => tried("http after a PROXY header", "reply", b""),
                None => tried("http after a PROXY header", outcome(heard), bytes),
            },
        }
    }
}

fn get<'a>(to: &'a Address, path: &str) -> Attempt<'a> {
    Attempt { to, say: http::request(path), enough: http::complete }
}

fn answer(path: &str, heard: &Heard) -> Json {
    match http::parse(&heard.bytes) {
        Some(answer) => http::told(path, &answer, HEAD, heard.is_truncated()),
        None => http::unanswered(path, outcome(heard)),
    }
}

fn tried(protocol: &str, outcome: &str, bytes: &[u8]) -> Json {
    object([
        ("protocol", Json::text(protocol)),
        ("outcome", Json::text(outcome)),
        ("said", Json::text(readable(&bytes[..bytes.len().min(HEAD)]))),
    ])
}

/// What an attempt came to that got no answer in its protocol.
pub fn outcome(heard: &Heard) -> &str {
    match &heard.end {
        End::NoConnection(why) | End::Broke(why) if heard.bytes.is_empty() => why,
        End::Waiting if heard.bytes.is_empty() => "silent",
        End::Closed if heard.bytes.is_empty() => "closed",
        _ => "another protocol",
    }
}

/// The bytes as text, with a dot for each that is none.
fn readable(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
        .collect()
}
