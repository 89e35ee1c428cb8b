//! The socket proxy lets through what a sandbox needs and denies everything else, seen from the
//! runner's network against the real proxy in front of the real engine.
//!
//! Every request that must be refused is harmless if it is not: it names what does not exist or
//! lacks what the engine needs, and containers are at most created, with the run's label.

use super::request::{Answer, Request, ask, must_all_be_refused};
use super::sandbox_body::SandboxBody;
use super::stack::{Otis, docker};

const CREATE: &str = "/v1.41/containers/create";
/// An id in full that no container has.
const NOBODY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// What HTTP knows, what WebDAV adds, and what only looks like a method.
const METHODS: [&str; 12] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND",
    "get", "POSTX",
];

/// A container that was created through the proxy.
fn create(otis: &Otis, body: &SandboxBody) -> String {
    let request = Request::with_body("POST", CREATE, "the sandbox's body", body.text.as_bytes());
    let answer = ask(otis, &[request]).remove(0);
    assert_eq!(answer.status(), Some(201), "{answer:?}");
    answer.created().unwrap()
}

#[test]
fn what_a_sandbox_needs_gets_through() {
    let otis = Otis::share();
    let targets: Vec<(&str, String)> = ["", "/v1.25", "/v1.41"]
        .iter()
        .flat_map(|version| {
            [
                ("GET", format!("{version}/_ping")),
                ("HEAD", format!("{version}/_ping")),
                ("GET", format!("{version}/version")),
                ("GET", format!("{version}/containers/json")),
                ("GET", format!("{version}/containers/json?all=1")),
            ]
        })
        .collect();
    let requests: Vec<Request> =
        targets.iter().map(|(method, target)| Request::new(method, target)).collect();
    for ((method, target), answer) in targets.iter().zip(ask(&otis, &requests)) {
        assert_eq!(answer.status(), Some(200), "{method} {target}: {answer:?}");
        assert!(answer.is_of_the_engine(), "{method} {target}: {answer:?}");
    }

    // A create, and all that may be done with what was created.
    let body = SandboxBody::of(&otis.run);
    let id = create(&otis, &body);
    let at = |rest: &str| format!("/v1.41/containers/{id}{rest}");
    let requests =
        [Request::new("POST", &at("/start")), Request::new("POST", &at("/wait?condition=removed"))];
    let answers: Vec<Option<u16>> = ask(&otis, &requests).iter().map(Answer::status).collect();
    // The sandbox may be gone before it can be waited for.
    assert!(answers == [Some(204), Some(200)] || answers == [Some(204), Some(404)], "{answers:?}");
    let id = create(&otis, &body);
    let delete = Request::new("DELETE", &format!("/v1.41/containers/{id}?force=1"));
    assert_eq!(ask(&otis, &[delete]).remove(0).status(), Some(204));
    let left = otis.further_containers();
    assert!(!left.iter().any(|(_, command)| command.contains(&body.mark)), "{left:?}");
}

#[test]
fn every_other_route_of_the_engine_is_denied() {
    let otis = Otis::share();
    let routes: Vec<(&str, &str)> = include_str!("routes.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let requests: Vec<Request> = ["", "/v1.25", "/v1.41"]
        .iter()
        .flat_map(|version| routes.iter().map(move |(method, path)| (version, method, path)))
        .map(|(version, method, path)| Request::new(method, &format!("{version}{path}")))
        .collect();
    must_all_be_refused(&otis, &requests, "nothing");
}

#[test]
fn an_allowed_path_is_denied_to_every_other_method() {
    let otis = Otis::share();
    let paths = [
        ("/_ping", &["GET", "HEAD"][..]),
        ("/version", &["GET"]),
        ("/containers/json", &["GET"]),
        ("/containers/create", &["POST"]),
    ];
    let requests: Vec<Request> = paths
        .iter()
        .flat_map(|(path, allowed)| {
            let others = METHODS.iter().filter(|method| !allowed.contains(method));
            others.flat_map(move |method| {
                [Request::new(method, path), Request::new(method, &format!("/v1.41{path}"))]
            })
        })
        .collect();
    must_all_be_refused(&otis, &requests, "nothing");
}

#[test]
fn another_spelling_of_an_allowed_path_is_denied() {
    let otis = Otis::share();
    let targets = [
        "//version",
        "/./version",
        "/version/",
        "/version/.",
        "/version//",
        "/Version",
        "/VERSION",
        "/%76ersion",
        "/version%00",
        "/version%20",
        "/version;x",
        "/version#x",
        "/x/../version",
        "/%2e%2e/version",
        "/..%2fversion",
        "/versionx",
        "/xversion",
        "/version%0a",
        "/_pingx",
        "/_ping/../info",
        "/_ping%2f..%2finfo",
        "/version/../images/json",
        "/containers/../images/json",
        "/containers/json/../../images/json",
        "/containers%2fjson",
        "/containers//json",
        "/containers/./json",
        "/containers/json/",
        "/Containers/json",
        "/containersx/json",
        "/containers/jsonx",
        "/containers/json%3fall=1",
        "/v1.41//version",
        "/v1.41/./version",
        "/v1.41/../version",
        "/v1.41/v1.41/version",
        "/v1.41",
        "/v1.41/",
        "/v1/version",
        "/v1.9/version",
        "/v1.23/version",
        "/v1.24/version",
        "/v1.041/version",
        "/v01.41/version",
        "/v1.41.0/version",
        "/v1.41.0.0/version",
        "/V1.41/version",
        "/v1.100/version",
        "/v2.41/version",
        "/v1.4/version",
        "/v1.%34%31/version",
        "/v1,41/version",
        "/v1.41x/version",
        "/v-1.41/version",
        "http://x/version",
        "http://x/images/json",
        "HTTP://x/version",
        "x:2375",
        "version",
        "*",
        "http://socket-proxy:2375/containers/json",
    ];
    let requests: Vec<Request> = targets.iter().map(|target| Request::new("GET", target)).collect();
    must_all_be_refused(&otis, &requests, "nothing");
}

#[test]
fn a_container_that_was_not_created_through_the_proxy_cannot_be_used() {
    let otis = Otis::share();
    let label = format!("dev.stackproof.run={}", otis.run);
    let image = "stackproof-base/debian:bookworm-slim";
    let foreign = docker(&["create", "--label", &label, image, "true", "made-by-somebody-else"]);
    let name = docker(&["inspect", "--format", "{{.Name}}", &foreign]);
    let proxy = otis.container("socket-proxy");
    let names = [
        foreign.as_str(),
        &foreign[..12],
        &foreign[..3],
        name.trim_start_matches('/'),
        &name,
        &proxy,
        &proxy[..12],
        "otis-socket-proxy",
        NOBODY,
        &NOBODY.to_uppercase(),
    ];
    let requests: Vec<Request> = names
        .iter()
        .flat_map(|name| {
            let uses = [
                ("POST", "/start"),
                ("POST", "/attach?stream=1&stdout=1"),
                ("POST", "/wait"),
                ("DELETE", ""),
                ("GET", "/json"),
                ("GET", "/logs?stdout=1"),
                ("GET", "/top"),
                ("GET", "/archive?path=/etc/hostname"),
                ("GET", "/attach/ws"),
                ("GET", "/export"),
                ("POST", "/exec"),
                ("POST", "/stop"),
                ("POST", "/rename?name=x"),
            ];
            uses.map(|(method, rest)| {
                Request::new(method, &format!("/v1.41/containers/{name}{rest}"))
            })
        })
        .collect();
    must_all_be_refused(&otis, &requests, "nothing");
    // It is still there and was never started, so nothing of the above reached it.
    let state = docker(&["inspect", "--format", "{{.State.Status}}", &foreign]);
    docker(&["rm", "--force", &foreign]);
    assert_eq!(state, "created");
}

#[test]
fn a_container_of_the_runners_own_cannot_be_used_beyond_what_a_sandbox_needs() {
    let otis = Otis::share();
    let body = SandboxBody::of(&otis.run);
    let id = create(&otis, &body);
    let at = |rest: &str| format!("/v1.41/containers/{id}{rest}");
    let settings = br#"{"Binds":["/nonexistent:/h"]}"#;
    let mut requests = vec![
        Request::with_body("POST", &at("/start"), "host settings", settings),
        Request::with_body("POST", &format!("/v1.23/containers/{id}/start"), "settings", settings),
        Request::new("POST", &format!("/v1.23/containers/{id}/start")),
        Request::raw(
            "a start with settings in chunks",
            format!(
                "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Transfer-Encoding: chunked\r\n\r\n1d\r\n{{\"Binds\":[\"/nonexistent:/h\"]}}\r\n0\r\n\r\n",
                at("/start")
            ),
        ),
        // A checkpoint may come from any folder of the host.
        Request::new("POST", &at("/start?checkpoint=x&checkpoint-dir=/nonexistent")),
        Request::new("POST", &format!("/v1.41/containers/{}/start", id.to_uppercase())),
        Request::new("POST", &format!("/v1.41/containers/{}/start", &id[..12])),
        Request::new("POST", &format!("/v1.41/containers/{}/start", &id[..63])),
        Request::new("POST", &format!("/v1.41/containers/{id}0/start")),
        Request::new("POST", &format!("/v1.41/containers//{id}/start")),
        Request::new("POST", &format!("/v1.41/containers/x/../{id}/start")),
        Request::new("POST", &at("/start/")),
        Request::new("POST", &at("/start/x")),
        Request::new("POST", &at("/startx")),
        Request::new("POST", &at("//start")),
        Request::new("POST", &at("/%73tart")),
    ];
    for (method, rest) in [
        ("POST", "/exec"),
        ("POST", "/update"),
        ("POST", "/rename?name=x"),
        ("POST", "/restart"),
        ("POST", "/pause"),
        ("POST", "/copy"),
        ("POST", "/checkpoints"),
        ("POST", "/resize"),
        ("POST", "/kill"),
        ("POST", "/stop"),
        ("PUT", "/archive?path=/"),
        ("GET", "/archive?path=/"),
        ("HEAD", "/archive?path=/"),
        ("GET", "/attach/ws?stream=1&stdin=1"),
        ("GET", "/attach"),
        ("GET", "/json"),
        ("GET", "/export"),
        ("GET", "/logs?stdout=1"),
        ("GET", "/changes"),
        ("GET", "/start"),
        ("PUT", "/start"),
        ("GET", ""),
        ("POST", ""),
        ("DELETE", "/start"),
    ] {
        requests.push(Request::new(method, &at(rest)));
    }
    must_all_be_refused(&otis, &requests, "nothing");
    // It is the runner's own all the while, else all of that would have been refused anyway.
    let state = docker(&["inspect", "--format", "{{.State.Status}}", &id]);
    let answer = ask(&otis, &[Request::new("DELETE", &at(""))]).remove(0);
    assert_eq!((state.as_str(), answer.status()), ("created", Some(204)), "{answer:?}");
}

#[test]
fn a_create_with_any_other_body_is_denied() {
    let otis = Otis::share();
    let body = SandboxBody::of(&otis.run);
    // The body of which all others are made is good.
    let good = create(&otis, &body);
    let answer = ask(&otis, &[Request::new("DELETE", &format!("/containers/{good}"))]).remove(0);
    assert_eq!(answer.status(), Some(204), "{answer:?}");
    let requests: Vec<Request> = body
        .others()
        .iter()
        .map(|(what, other)| Request::with_body("POST", CREATE, what, other))
        .collect();
    must_all_be_refused(&otis, &requests, &body.mark);
}

#[test]
fn a_create_that_is_sent_in_any_other_way_is_denied() {
    let otis = Otis::share();
    let body = SandboxBody::of(&otis.run);
    let text = &body.text;
    let length = text.len();
    let head = |headers: &str| {
        format!("POST {CREATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
    };
    let chunk = format!("{length:x}\r\n{text}\r\n0\r\n\r\n");
    let sent = |what: &str, headers: &str, body: &str| {
        Request::raw(what, format!("{}{body}", head(headers)))
    };
    let at = |target: &str| Request::with_body("POST", target, "the body", text.as_bytes());
    let requests = [
        // The engine ignores the wish for removal of clients before 1.25.
        at("/v1.24/containers/create"),
        at("/v1.23/containers/create"),
        at("/v1.41/containers/create?name=x"),
        at("/v1.41/containers/create?"),
        at("/v1.41/containers/create?platform=x"),
        at("/v1.41/containers/create/"),
        at("/v1.41/containers/creat%65"),
        at("/v1.41/containers/create%3fname=x"),
        at("/v1.41/containers/x/../create"),
        sent("no length", "", text),
        sent("a length of nothing", "Content-Length: 0\r\n", ""),
        sent("chunks", "Transfer-Encoding: chunked\r\n", &chunk),
        sent("chunks in capitals", "Transfer-Encoding: CHUNKED\r\n", &chunk),
        sent("chunks twice", "Transfer-Encoding: chunked, chunked\r\n", &chunk),
        sent(
            "chunks and a length of nothing",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            &chunk,
        ),
        sent("chunks behind a blank", "Transfer-Encoding : chunked\r\n", &chunk),
        sent("chunks behind a tab", "Transfer-Encoding:\tchunked\r\n", &chunk),
        sent("another coding", "Transfer-Encoding: identity\r\n", text),
        sent("two lengths", &format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), text),
        sent("two lengths in one", &format!("Content-Length: {length}, 0\r\n"), text),
        sent("a negative length", "Content-Length: -1\r\n", text),
        sent("a length with a sign", &format!("Content-Length: +{length}\r\n"), text),
        sent("a length that is too short", &format!("Content-Length: {}\r\n", length - 1), text),
        sent("an upgrade", &format!("Upgrade: tcp\r\nContent-Length: {length}\r\n"), text),
        sent(
            "an upgrade to HTTP/2",
            &format!("Upgrade: h2c\r\nContent-Length: {length}\r\n"),
            text,
        ),
        sent(
            "headers that leave no room for the body",
            &format!("X: {}\r\nContent-Length: {length}\r\n", "x".repeat(14_000)),
            text,
        ),
    ];
    must_all_be_refused(&otis, &requests, &body.mark);
}

#[test]
fn a_request_that_hides_another_gets_nothing_through() {
    let otis = Otis::share();
    let hidden = "GET /images/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let behind = |what: &str, headers: &str| {
        let raw = format!("GET /_ping HTTP/1.1\r\nHost: x\r\n{headers}\r\n{hidden}");
        Request::raw(format!("a request behind a ping with {what}"), raw)
    };
    let refused = [
        Request::raw("HTTP/0.9", "GET /images/json\r\n"),
        Request::raw("HTTP/1.0", "GET /images/json HTTP/1.0\r\n\r\n"),
        Request::raw("bare line ends", "GET /images/json HTTP/1.1\nHost: x\nConnection: close\n\n"),
        Request::raw("HTTP/2 at once", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Request::raw("a header without a name", "GET /version HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n"),
        Request::raw("a blank in the target", "GET /version /x HTTP/1.1\r\nHost: x\r\n\r\n"),
        Request::raw(
            "another method in a header",
            "POST /version HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: GET\r\nConnection: close\r\n\r\n",
        ),
        Request::raw(
            "a body with a GET",
            format!(
                "GET /version HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            ),
        ),
        Request::raw(
            "a GET in chunks",
            format!(
                "GET /version HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        behind("an upgrade", "Connection: upgrade\r\nUpgrade: tcp\r\n"),
        behind("an upgrade to a web socket", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
        behind(
            "an upgrade to HTTP/2",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
    ];
    must_all_be_refused(&otis, &refused, "nothing");

    // Behind a request that is allowed, the hidden one is judged by itself.
    let first = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer =
        ask(&otis, &[Request::raw("a ping and more", format!("{first}{hidden}"))]).remove(0);
    assert_eq!(answer.answers_and_images(), (2, 0), "{answer:?}");
}

#[test]
fn what_was_refused_is_in_the_proxys_log() {
    let otis = Otis::share();
    let mark = SandboxBody::of(&otis.run).mark;
    let target = format!("/v1.41/images/{mark}/json");
    must_all_be_refused(&otis, &[Request::new("GET", &target)], "nothing");
    let wanted = format!("\"GET {target} HTTP/1.1\" 403");
    let log = otis.log("socket-proxy");
    let line = log.lines().find(|line| line.contains(&wanted));
    assert!(line.is_some_and(|line| line.ends_with("\"denied\"")), "{line:?}");
}
