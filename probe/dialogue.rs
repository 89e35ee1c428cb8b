//! Who listens: every protocol in which an engine would answer is tried on a connection of its
//! own, and what came is told.

use std::time::Duration;

use crate::exchange::{Address, Attempt, End, Heard, Start, exchange};
use crate::json::{Json, object};
use crate::{grpc, http, tls, ttrpc};

/// How long an accepted connection may take to answer.
pub const ANSWER: Duration = Duration::from_millis(1500);
/// How long HTTP is waited for before the further protocols are tried beside it. An engine on the
/// same host answers within a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long each further protocol may take, so that all is over when HTTP's own time is.
const ANSWER_FURTHER: Duration = Duration::from_millis(1250);
/// What is shown of a body or of a message that nobody asked for, in bytes.
const HEAD: usize = 200;
/// What an engine's API is asked for, the first question first.
const PATHS: [&str; 3] = ["/_ping", "/version", "/containers/json?limit=1"];
/// What a proxy puts before the first byte where its upstream expects it: a listener that waits
/// for this is silent to everything else. HAProxy, `proxy-protocol.txt`, section 2.1.
const PROXY_HEADER: &[u8] = b"PROXY UNKNOWN\r\n";

/// The protocols that are tried where HTTP got no answer.
const FURTHER: [Further; 4] = [Further::Grpc, Further::Ttrpc, Further::Tls, Further::Proxied];

/// One of them.
#[derive(Clone, Copy)]
enum Further {
    Grpc,
    Ttrpc,
    Tls,
    Proxied,
}

/// Asks at every address, and tells for each what the connection came to and who answered.
pub fn ask(addresses: &[&Address], connect: Duration) -> Vec<(Heard, Vec<(String, Json)>)> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for to in addresses {
        let first = attempts.len();
        attempts.push(get(to, PATHS[0]));
        let start = Start::Answered(first, is_http);
        attempts.extend(PATHS[1..].iter().map(|path| Attempt { start, ..get(to, path) }));
        let start = Start::Unanswered(first, is_http, PATIENCE);
        attempts.extend(FURTHER.iter().map(|protocol| protocol.attempt(to, start)));
    }
    let mut heard = exchange(&attempts, connect).into_iter();
    let mut told = Vec::new();
    for _ in addresses {
        let Some(first) = heard.next() else { break };
        let others: Vec<Heard> = heard.by_ref().take(PATHS.len() - 1 + FURTHER.len()).collect();
        let further = tell(&first, &others);
        told.push((first, further));
    }
    told
}

/// What one address said: to the first question in HTTP, and to whatever followed it.
fn tell(first: &Heard, others: &[Heard]) -> Vec<(String, Json)> {
    if !first.is_connected() {
        return vec![];
    }
    let (paths, protocols) = others.split_at(PATHS.len() - 1);
    let (mut answers, mut further) = (vec![], vec![]);
    if is_http(&first.bytes) {
        answers.push(answer(PATHS[0], first));
        answers.extend(PATHS[1..].iter().zip(paths).map(|(path, heard)| answer(path, heard)));
    } else {
        further.push(tried("http", outcome(first), &first.bytes));
        for (protocol, heard) in FURTHER.iter().zip(protocols) {
            if matches!(protocol, Further::Proxied) && is_http(&heard.bytes) {
                answers.push(answer(PATHS[0], heard));
            }
            further.push(protocol.told(heard));
        }
    }
    vec![("http".to_owned(), Json::List(answers)), ("tried".to_owned(), Json::List(further))]
}

fn is_http(bytes: &[u8]) -> bool {
    http::parse(bytes).is_some()
}

impl Further {
    fn attempt<'a>(self, to: &'a Address, start: Start) -> Attempt<'a> {
        let (say, enough): (Vec<u8>, fn(&[u8]) -> bool) = match self {
            Further::Grpc => (grpc::request(), grpc::complete),
            Further::Ttrpc => (ttrpc::request(), ttrpc::complete),
            Further::Tls => (tls::request(), tls::complete),
            Further::Proxied => {
                ([PROXY_HEADER, &http::request(PATHS[0])].concat(), http::complete)
            }
        };
        Attempt { to, say, enough, start, answer: ANSWER_FURTHER }
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

/// One GET in HTTP.
pub fn get<'a>(to: &'a Address, path: &str) -> Attempt<'a> {
    Attempt {
        to,
        say: http::request(path),
        enough: http::complete,
        start: Start::Now,
        answer: ANSWER,
    }
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
        End::NotTried => "not tried",
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
