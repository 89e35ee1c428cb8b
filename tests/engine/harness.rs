//! Mutants of the harness itself: an engine that keeps the probe from answering, lets it lie or cuts
//! it off, tells no events, or puts it into another container. Whatever needs what is missing is
//! inconclusive, and the gate is red.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Output;

use rstest::rstest;
use serde_json::Value;

use super::stack::{Small, docker, left_of, stackproof};

/// What is wrong with the harness.
#[derive(Debug, Clone)]
enum Fault {
    /// The probe is executed and says nothing.
    NoProbe,
    /// The probe dies after so much of its reply.
    HalfWay,
    /// Every digit 1 of the reply has become a 2.
    Lies,
    /// Nobody hears of what happens.
    NoEvents,
    /// The probe is executed in this container instead of the one that is asked for.
    Elsewhere(String),
}

/// Where the saboteur sits between stackproof and the engine.
fn sabotage(socket: &Path, fault: Fault) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let fault = fault.clone();
            std::thread::spawn(move || relay(client, &fault));
        }
    });
}

fn relay(client: UnixStream, fault: &Fault) {
    let Ok(engine) = UnixStream::connect("/var/run/docker.sock") else { return };
    let (mut from_client, mut to_engine) =
        (client.try_clone().unwrap(), engine.try_clone().unwrap());
    let (mut from_engine, mut to_client) = (engine, client);
    let started = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let executing = started.clone();
    let upward = fault.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 16384];
        while let Ok(count) = from_client.read(&mut buffer) {
            let mut chunk = buffer[..count].to_vec();
            let line = String::from_utf8_lossy(&chunk).into_owned();
            if line.starts_with("POST ") && line.contains("/exec/") && line.contains("/start") {
                executing.store(true, std::sync::atomic::Ordering::SeqCst);
            }
            if matches!(upward, Fault::NoEvents) && line.contains("/events") {
                // It is never passed on, and never answered.
                continue;
            }
            if let Fault::Elsewhere(other) = &upward
                && let Some(at) = line.find("/containers/").map(|at| at + "/containers/".len())
                && line[at..].len() > 70
                && line[at + 64..].starts_with("/exec")
            {
                chunk.splice(at..at + 64, other.bytes());
            }
            if count == 0 || to_engine.write_all(&chunk).is_err() {
                break;
            }
        }
        let _ = to_engine.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 16384];
    let mut told = 0;
    while let Ok(count) = from_engine.read(&mut buffer) {
        let mut chunk = buffer[..count].to_vec();
        if started.load(std::sync::atomic::Ordering::SeqCst) {
            match fault {
                Fault::NoProbe => break,
                Fault::HalfWay if told + count > 600 => {
                    let _ = to_client.write_all(&chunk[..chunk.len().min(600 - told.min(600))]);
                    break;
                }
                // The head of the answer, and the frames' lengths below ten thousand, stay.
                Fault::Lies if !chunk.starts_with(b"HTTP/1.1 ") => {
                    let text = |byte: &mut u8| {
                        if *byte == b'1' {
                            *byte = b'2';
                        }
                    };
                    chunk.iter_mut().skip(8).for_each(text);
                }
                _ => {}
            }
        }
        told += count;
        if count == 0 || to_client.write_all(&chunk).is_err() {
            break;
        }
    }
    let _ = to_client.shutdown(Shutdown::Both);
    let _ = from_engine.shutdown(Shutdown::Both);
}

const SERVICE: &str = "    user: \"1234:1234\"
    read_only: true
    cap_drop: [ALL]
    security_opt: [\"no-new-privileges:true\"]
    mem_limit: 64m
    memswap_limit: 64m
    pids_limit: 32
    restart: always
";

fn claims() -> String {
    let claim = |code: &str, parameters: &str| {
        format!(
            "  - id: {code}-claim\n    text: t\n    severity: high\n    source: s\n    checks:\n      - {code}: {{services: [web]{parameters}}}\n"
        )
    };
    let looking = [
        "runs-as",
        "no-docker-access",
        "capabilities",
        "no-new-privileges",
        "seccomp",
        "read-only-root",
        "namespaces",
        "memory-limit",
        "pids-limit",
    ];
    let acting = ["oom-contained", "pids-limit-enforced"];
    looking.iter().chain(&acting).map(|code| claim(code, "")).collect()
}

/// Every claim with its verdict, from a run through a saboteur.
fn verdicts(small: &Small, fault: Option<Fault>) -> (Option<i32>, Vec<(String, String)>) {
    let mut command = stackproof(small, &["--json", "r.json"]);
    if let Some(fault) = fault {
        let socket = small.folder.path().join("engine.sock");
        sabotage(&socket, fault);
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    }
    let Output { status, stderr, .. } = command.output().unwrap();
    let text = std::fs::read(small.folder.path().join("r.json")).unwrap();
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    let record: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(left_of(record["run_id"].as_str().unwrap()), Vec::<String>::new());
    let claims = record["claims"].as_array().unwrap().iter().map(|claim| {
        let text = |key: &str| claim[key].as_str().unwrap().to_owned();
        (text("id"), text("verdict"))
    });
    (status.code(), claims.collect())
}

#[rstest]
#[case::is_never_heard(Fault::NoProbe)]
#[case::dies_half_way(Fault::HalfWay)]
#[case::lies(Fault::Lies)]
fn a_probe_that_holds_nothing(#[case] fault: Fault) {
    let small = Small::new(SERVICE, &claims());
    let (code, verdicts) = verdicts(&small, Some(fault));
    let held: Vec<_> = verdicts.iter().filter(|(_, verdict)| verdict != "inconclusive").collect();
    assert_eq!((code, held), (Some(2), vec![]));
}

#[test]
fn a_probe_in_another_container_says_nothing_of_this_one() {
    let other = Small::new("", "");
    let name = format!("harness-{}", std::process::id());
    let image = &other.image.0;
    let label = format!("{}=harness", super::stack::LABEL);
    let id = docker(&["run", "-d", "--name", &name, "--label", &label, image, "/probe", "hold"]);
    let small = Small::new(SERVICE, &claims());
    let (code, verdicts) = verdicts(&small, Some(Fault::Elsewhere(id.clone())));
    docker(&["rm", "--force", &id]);
    let held: Vec<_> = verdicts.iter().filter(|(_, verdict)| verdict != "inconclusive").collect();
    assert_eq!((code, held), (Some(2), vec![]));
}

#[test]
fn what_needs_the_engines_events_is_inconclusive_without_them() {
    let small = Small::new(SERVICE, &claims());
    let (code, verdicts) = verdicts(&small, Some(Fault::NoEvents));
    let oom = verdicts.iter().find(|(id, _)| id == "oom-contained-claim").unwrap();
    assert_eq!((code, oom.1.as_str()), (Some(2), "inconclusive"));
}

/// Without a saboteur all of it holds: what the others show is the saboteurs' doing.
#[test]
fn the_same_stack_holds_where_the_harness_is_whole() {
    let small = Small::new(SERVICE, &claims());
    let (code, verdicts) = verdicts(&small, None);
    let not_held: Vec<_> = verdicts.iter().filter(|(_, verdict)| verdict != "held").collect();
    assert_eq!((code, not_held), (Some(0), vec![]));
}
