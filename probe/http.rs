//! HTTP/1.1 without a connection: a request as bytes, and an answer from bytes.

use crate::json::{Json, object};

/// One answer.
pub struct Answer {
    pub status: u64,
    pub server: String,
    pub api_version: String,
    pub body: Vec<u8>,
}

/// A GET after which the server closes the connection.
pub fn request(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: stackproof\r\n\
         Connection: close\r\n\r\n"
    )
    .into_bytes()
}

/// Whether nothing more is to come, or nothing that will ever be an answer.
pub fn complete(bytes: &[u8]) -> bool {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]);
    match header(&head, "content-length").parse::<usize>() {
        Ok(length) => bytes.len() >= (end + 4).saturating_add(length),
        Err(_) => {
            header(&head, "transfer-encoding").eq_ignore_ascii_case("chunked")
                && bytes.ends_with(b"0\r\n\r\n")
        }
    }
}

/// The answer that the bytes are, if they are one.
pub fn parse(bytes: &[u8]) -> Option<Answer> {
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
    })
}

/// An answer to `path`, with its body up to `keep` bytes.
pub fn told(path: &str, answer: &Answer, keep: usize, truncated: bool) -> Json {
    let kept = answer.body.len().min(keep);
    object([
        ("path", Json::text(path)),
        ("class", Json::text("open")),
        ("status", Json::from(answer.status)),
        ("server", Json::text(&answer.server)),
        ("api_version", Json::text(&answer.api_version)),
        ("body", Json::lossy(&answer.body[..kept])),
        ("truncated", Json::Bool(truncated || kept < answer.body.len())),
    ])
}

/// That `path` got no answer, and why.
pub fn unanswered(path: &str, class: &str) -> Json {
    object([("path", Json::text(path)), ("class", Json::text(class))])
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
