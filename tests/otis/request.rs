//! Requests to the socket proxy, byte for byte, sent from the runner's container.

use serde_json::{Value, json};

use super::stack::{Otis, docker};

/// Sends each request on a connection of its own and collects all that comes back. Python's HTTP
/// client would tidy up what is odd about them, hence the plain sockets.
const SEND: &str = r#"
import json, socket, sys
answers = []
for request in json.load(sys.stdin):
    answer, silent = b"", False
    with socket.create_connection(("socket-proxy", 2375), timeout=10) as proxy:
        try:
            proxy.sendall(bytes.fromhex(request))
            while chunk := proxy.recv(65536):
                answer += chunk
        except TimeoutError:
            silent = True
        except ConnectionError:
            pass
    answers.append({"text": answer[:65536].decode("latin-1"), "silent": silent})
json.dump(answers, sys.stdout)
"#;

/// What the proxy answers when it denies by its rules.
const DENIED: &str = "{\"message\":\"denied by the socket proxy\"}";

/// All that a refusal of the proxy may say. The pages are HAProxy's own; the engine writes no
/// HTML.
const REFUSALS: [&str; 3] =
    [DENIED, "<html><body><h1>400 Bad request</h1>", "<html><body><h1>403 Forbidden</h1>"];

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    what: String,
    raw: Vec<u8>,
}

impl Request {
    /// Without a body. The connection is closed after the answer, so the answer is all there is.
    pub(crate) fn new(method: &str, target: &str) -> Request {
        let raw = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Request::raw(format!("{method} {target}"), raw)
    }

    /// With a body in JSON.
    pub(crate) fn with_body(method: &str, target: &str, what: &str, body: &[u8]) -> Request {
        let mut raw = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        raw.extend_from_slice(body);
        Request::raw(format!("{method} {target} with {what}"), raw)
    }

    /// These bytes.
    pub(crate) fn raw(what: impl Into<String>, raw: impl Into<Vec<u8>>) -> Request {
        Request { what: what.into(), raw: raw.into() }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    text: String,
    silent: bool,
}

impl Answer {
    /// The first status; none where there was no answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.text.split(' ').nth(1)?.parse().ok()
    }

    /// Whether the engine has answered it and said which version it is.
    pub(crate) fn is_of_the_engine(&self) -> bool {
        self.text.contains("\r\nApi-Version: ") || self.text.contains("\r\napi-version: ")
    }

    /// The id of the container that was created.
    pub(crate) fn created(&self) -> Option<String> {
        let (_, rest) = self.text.split_once("{\"Id\":\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    }

    /// How many answers came, and how many of them are a list of images.
    pub(crate) fn answers_and_images(&self) -> (usize, usize) {
        (self.text.matches("HTTP/1.").count(), self.text.matches("\"RepoTags\"").count())
    }

    /// Whether it was refused by the proxy: by its rules, or as no HTTP that it understands. An
    /// answer of the engine is neither, whatever its status.
    fn is_refused_by_the_proxy(&self, head: bool) -> bool {
        let answers = self.text.matches("HTTP/1.").count();
        let refusals = if head {
            // No body comes with it, but what would have come is as long as the proxy's.
            let length = format!("\r\ncontent-length: {}\r\n", DENIED.len());
            usize::from(self.status() == Some(403) && self.text.contains(&length))
        } else {
            REFUSALS.iter().map(|refusal| self.text.matches(refusal).count()).sum()
        };
        !self.silent && answers > 0 && answers == refusals && !self.is_of_the_engine()
    }
}

/// Sends requests from the runner's container, one after another.
pub(crate) fn ask(otis: &Otis, requests: &[Request]) -> Vec<Answer> {
    let hex = |raw: &[u8]| raw.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let input: Vec<String> = requests.iter().map(|request| hex(&request.raw)).collect();
    let output = otis.python_in_runner(SEND, &json!(input).to_string());
    let answers: Vec<Value> = serde_json::from_str(&output).unwrap();
    assert_eq!(answers.len(), requests.len());
    answers
        .iter()
        .map(|answer| Answer {
            text: answer["text"].as_str().unwrap().to_owned(),
            silent: answer["silent"].as_bool().unwrap(),
        })
        .collect()
}

/// Sends requests that must all be refused by the proxy, and says which were not. `mark` is in
/// the command of every container that they could create; what was created is removed.
pub(crate) fn must_all_be_refused(otis: &Otis, requests: &[Request], mark: &str) {
    let answers = ask(otis, requests);
    let mut through: Vec<String> = requests
        .iter()
        .zip(&answers)
        .filter(|(request, answer)| {
            !answer.is_refused_by_the_proxy(request.what.starts_with("HEAD "))
        })
        .map(|(request, answer)| {
            let start: String = answer.text.chars().take(600).collect();
            format!("{}\n    was answered {start:?}, silent: {}", request.what, answer.silent)
        })
        .collect();
    let created = otis.further_containers().into_iter();
    for (id, command) in created.filter(|(_, command)| command.contains(mark)) {
        docker(&["rm", "--force", &id]);
        through.push(format!("container {id} was created: {command}"));
    }
    assert!(
        through.is_empty(),
        "{} of {} requests were not refused:\n{}",
        through.len(),
        requests.len(),
        through.join("\n")
    );
}
