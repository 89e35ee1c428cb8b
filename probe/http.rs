//! One HTTP/1.1 request over a connection that is open already, and whether an engine answers.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::json::{Json, object};

/// What is read of one answer at most, in bytes.
const MAX_ANSWER: usize = 256 << 10;
/// What is shown of a body that nobody asked for, in bytes.
const HEAD: usize = 200;

/// One answer.
pub struct Answer {
    pub status: u64,
    pub server: String,
    pub api_version: String,
    pub body: Vec<u8>,
    pub truncated: bool,
}

/// Sends a GET and reads the answer.
pub fn get(
    connection: &mut (impl Read + Write),
    path: &str,
    within: Duration,
) -> Result<Answer, String> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: stackproof\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).map_err(|error| crate::kernel::error_name(&error))?;
    let deadline = Instant::now() + within;
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let mut truncated = false;
    while Instant::now() < deadline && !complete(&bytes) {
        match connection.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if bytes.is_empty() => return Err(crate::kernel::error_name(&error)),
            Err(_) => break,
        }
        if bytes.len() > MAX_ANSWER {
            truncated = true;
            break;
        }
    }
    parse(&bytes, truncated).ok_or_else(|| {
        if bytes.is_empty() {
            "silent".to_owned()
        } else {
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).into_owned();
            format!("not HTTP: {head}")
        }
    })
}

/// Asks what an engine would answer, on a fresh connection each, and tells what came.
pub fn identify<C: Read + Write>(
    mut connect: impl FnMut() -> Result<C, String>,
    within: Duration,
) -> Json {
    let mut answers = Vec::new();
    for path in ["/_ping", "/version", "/containers/json?limit=1"] {
        let answer = connect().and_then(|mut connection| get(&mut connection, path, within));
        let silent = answer.is_err();
        let told = match answer {
            Ok(answer) => vec![
                ("path".to_owned(), Json::text(path)),
                ("status".to_owned(), Json::from(answer.status)),
                ("server".to_owned(), Json::text(answer.server)),
                ("api_version".to_owned(), Json::text(answer.api_version)),
                (
                    "head".to_owned(),
                    Json::lossy(&answer.body[..answer.body.len().min(HEAD)]),
                ),
            ],
            Err(error) => vec![
                ("path".to_owned(), Json::text(path)),
                ("error".to_owned(), Json::text(error)),
            ],
        };
        answers.push(Json::Object(told));
        if silent {
            // What does not answer the first question in HTTP does not answer the next ones.
            break;
        }
    }
    Json::List(answers)
}

/// Sends the preface of HTTP/2 and tells whether a server of it answers, as containerd does.
pub fn speaks_http2(connection: &mut (impl Read + Write)) -> bool {
    // The preface and an empty SETTINGS frame: RFC 9113, sections 3.4 and 6.5.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const SETTINGS: u8 = 4;
    let mut frame = [0; 9];
    connection.write_all(PREFACE).is_ok()
        && connection.read_exact(&mut frame).is_ok()
        && frame[3] == SETTINGS
}

fn complete(bytes: &[u8]) -> bool {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]);
    match header(&head, "content-length").parse::<usize>() {
        Ok(length) => bytes.len() >= end + 4 + length,
        Err(_) => {
            header(&head, "transfer-encoding").eq_ignore_ascii_case("chunked")
                && bytes.ends_with(b"0\r\n\r\n")
        }
    }
}

fn parse(bytes: &[u8], truncated: bool) -> Option<Answer> {
    let end = find(bytes, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let first = head.lines().next()?;
    let status = first.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
    let body = &bytes[end + 4..];
    let chunked = header(&head, "transfer-encoding").eq_ignore_ascii_case("chunked");
    Some(Answer {
        status,
        server: header(&head, "server"),
        api_version: header(&head, "api-version"),
        body: if chunked { unchunk(body) } else { body.to_vec() },
        truncated,
    })
}

fn header(head: &str, name: &str) -> String {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().chars().take(200).collect())
        .unwrap_or_default()
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = find(body, b"\r\n") {
        let size = String::from_utf8_lossy(&body[..end]);
        let Ok(size) = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16) else {
            break;
        };
        let Some(chunk) = body.get(end + 2..(end + 2).saturating_add(size)) else { break };
        if size == 0 {
            break;
        }
        whole.extend_from_slice(chunk);
        body = body.get(end + 2 + size + 2..).unwrap_or_default();
    }
    whole
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A whole answer for a question that was about it.
pub fn told(answer: Answer) -> Json {
    object([
        ("class", Json::text("open")),
        ("status", Json::from(answer.status)),
        ("server", Json::text(answer.server)),
        ("api_version", Json::text(answer.api_version)),
        ("body", Json::lossy(&answer.body)),
        ("truncated", Json::Bool(answer.truncated)),
    ])
}
