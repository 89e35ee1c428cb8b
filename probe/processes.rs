//! Every process of the pid namespace: proc(5), `status`, `stat`, `ns` and `attr`.

use crate::json::{Json, object};
use crate::kernel;

const NAMESPACES: [&str; 7] = ["pid", "net", "ipc", "uts", "mnt", "user", "cgroup"];
/// How many processes are told of at most.
const MOST: usize = 4096;

pub fn processes(lender: u32) -> Result<Json, String> {
    let me = std::process::id();
    let mut processes = Vec::new();
    let mut truncated = false;
    for pid in pids()? {
        if pid == me {
            continue;
        }
        if processes.len() == MOST {
            truncated = true;
            break;
        }
        // A process that has ended meanwhile has nothing to be told of.
        if let Some(process) = process(pid, pid == lender) {
            processes.push(process);
        }
    }
    Ok(object([
        ("processes", Json::List(processes)),
        ("truncated", Json::Bool(truncated)),
        ("uid_map", Json::text(read("/proc/self/uid_map").unwrap_or_default())),
    ]))
}

/// The pids that /proc lists.
pub fn pids() -> Result<Vec<u32>, String> {
    let entries = std::fs::read_dir("/proc").map_err(|error| kernel::error_name(&error))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// The name and the parent's pid of a process.
pub fn name_and_parent(pid: u32) -> Option<(String, Option<u64>)> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let (name, fields) = stat_fields(&stat)?;
    Some((name.to_owned(), fields.get(1).and_then(|field| field.parse().ok())))
}

/// The name, which may hold spaces and parentheses, and what follows it: state, ppid, …,
/// starttime.
fn stat_fields(stat: &str) -> Option<(&str, Vec<&str>)> {
    let (head, tail) = stat.rsplit_once(") ")?;
    let name = head.split_once('(').map_or("", |(_, name)| name);
    Some((name, tail.split(' ').collect()))
}

fn process(pid: u32, ours: bool) -> Option<Json> {
    let folder = format!("/proc/{pid}");
    let stat = read(&format!("{folder}/stat"))?;
    let leader = status(&folder).ok()?;
    let (name, fields) = stat_fields(&stat)?;
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    Some(object([
        ("pid", Json::from(u64::from(pid))),
        ("ppid", number(1).map_or(Json::Null, Json::from)),
        ("name", Json::text(name)),
        ("state", Json::text(*fields.first().unwrap_or(&""))),
        ("started", number(19).map_or(Json::Null, Json::from)),
        ("ours", Json::Bool(ours)),
        ("status", leader.clone()),
        ("threads_apart", Json::List(threads_apart(&folder, &leader.to_string()))),
        ("ns", namespaces(&folder)),
        ("apparmor", Json::text(apparmor(&folder))),
    ]))
}

/// The credentials in a `status` file.
pub fn status(folder: &str) -> Result<Json, String> {
    let text = std::fs::read_to_string(format!("{folder}/status"))
        .map_err(|error| kernel::error_name(&error))?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
            .unwrap_or_default()
    };
    let numbers = |name: &str| {
        let numbers = field(name).split_whitespace().filter_map(|n| n.parse::<u64>().ok());
        Json::List(numbers.map(Json::from).collect())
    };
    let number =
        |name: &str| field(name).parse::<u64>().map_or(Json::Null, Json::from);
    Ok(object([
        ("uid", numbers("Uid")),
        ("gid", numbers("Gid")),
        ("groups", numbers("Groups")),
        ("no_new_privs", number("NoNewPrivs")),
        ("seccomp", number("Seccomp")),
        ("cap_inh", Json::text(field("CapInh"))),
        ("cap_prm", Json::text(field("CapPrm"))),
        ("cap_eff", Json::text(field("CapEff"))),
        ("cap_bnd", Json::text(field("CapBnd"))),
        ("cap_amb", Json::text(field("CapAmb"))),
    ]))
}

/// Threads whose credentials differ from their leader's: credentials are a thread's own.
fn threads_apart(folder: &str, leader: &str) -> Vec<Json> {
    let Ok(tasks) = std::fs::read_dir(format!("{folder}/task")) else { return vec![] };
    tasks
        .flatten()
        .filter_map(|task| status(task.path().to_str()?).ok())
        .filter(|thread| thread.to_string() != leader)
        .collect()
}

/// The inodes of a process's namespaces, or why one cannot be read.
pub fn namespaces(folder: &str) -> Json {
    let members = NAMESPACES.iter().map(|kind| {
        let inode = match std::fs::read_link(format!("{folder}/ns/{kind}")) {
            Ok(link) => Json::text(link.to_string_lossy()),
            Err(error) => object([("errno", Json::text(kernel::error_name(&error)))]),
        };
        ((*kind).to_owned(), inode)
    });
    Json::Object(members.collect())
}

fn apparmor(folder: &str) -> String {
    ["attr/apparmor/current", "attr/current"]
        .iter()
        .find_map(|file| read(&format!("{folder}/{file}")))
        .unwrap_or_default()
}

/// A small file without its last line end.
pub fn read(path: &str) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\0']).to_owned())
}
