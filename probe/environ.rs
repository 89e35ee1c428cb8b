//! The environments of the processes: names, and the values of those that lead to an engine.

use crate::json::{Json, object};
use crate::kernel;
use crate::processes;

/// Variables by which clients find an engine. Their values are no secrets.
const ENGINE: [&str; 9] = [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "CONTAINER_HOST",
    "CONTAINER_CONNECTION",
    "TESTCONTAINERS_HOST_OVERRIDE",
    "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE",
];

pub fn environ(lender: u32) -> Result<Json, String> {
    let me = std::process::id();
    let mut list = Vec::new();
    for pid in processes::pids()? {
        if pid == me || pid == lender {
            continue;
        }
        list.extend(variables(pid));
    }
    Ok(object([("environ", Json::List(list))]))
}

/// The environment of one process, or who it is where that cannot be read. None of one that has
/// ended meanwhile.
fn variables(pid: u32) -> Option<Json> {
    let file = format!("/proc/{pid}/environ");
    let number = ("pid", Json::from(u64::from(pid)));
    let told = |bytes: &[u8]| {
        let (names, engine) = sort(bytes);
        object([number.clone(), ("names", Json::List(names)), ("engine", Json::Object(engine))])
    };
    if let Ok(bytes) = std::fs::read(&file) {
        return Some(told(&bytes));
    }
    // What the engine executes is root's for a moment, so who it is is asked before it is read
    // again: then it is either still that, or what it has become.
    let (name, ppid) = processes::name_and_parent(pid)?;
    match std::fs::read(&file) {
        Ok(bytes) => Some(told(&bytes)),
        Err(error) => Some(object([
            number,
            ("errno", Json::text(kernel::error_name(&error))),
            ("name", Json::text(name)),
            ("ppid", ppid.map_or(Json::Null, Json::from)),
        ])),
    }
}

/// The values of `DOCKER_HOST` and its kin in every environment that can be read.
pub fn engine_hosts() -> Vec<String> {
    let Ok(pids) = processes::pids() else { return vec![] };
    let mut hosts: Vec<String> = pids
        .into_iter()
        .filter_map(|pid| std::fs::read(format!("/proc/{pid}/environ")).ok())
        .flat_map(|bytes| sort(&bytes).1)
        .filter(|(name, _)| name == "DOCKER_HOST" || name == "CONTAINER_HOST")
        .filter_map(|(_, value)| match value {
            Json::Text(text) => Some(text),
            _ => None,
        })
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

fn sort(bytes: &[u8]) -> (Vec<Json>, Vec<(String, Json)>) {
    let mut names = Vec::new();
    let mut engine = Vec::new();
    for variable in bytes.split(|byte| *byte == 0).filter(|variable| !variable.is_empty()) {
        let text = String::from_utf8_lossy(variable);
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        if ENGINE.contains(&name) {
            let value: String = value.chars().take(300).collect();
            engine.push((name.to_owned(), Json::text(value)));
        }
        names.push(Json::text(name.chars().take(200).collect::<String>()));
    }
    (names, engine)
}
