//! The probe's answers. A field that is missing makes the answer no answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::Blind;

/// The credentials of a process or thread: proc(5), `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Status {
    /// Real, effective, saved and file-system uid.
    pub uid: [u32; 4],
    /// Real, effective, saved and file-system gid.
    pub gid: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// 1 where executing a file cannot gain privileges; absent before Linux 4.10.
    pub no_new_privs: Option<u32>,
    /// 0 none, 1 strict, 2 a filter.
    pub seccomp: Option<u32>,
    /// The inheritable capabilities, hexadecimal.
    pub cap_inh: String,
    /// The permitted ones.
    pub cap_prm: String,
    /// The effective ones.
    pub cap_eff: String,
    /// The bounding set: what can be regained.
    pub cap_bnd: String,
    /// The ambient ones.
    pub cap_amb: String,
}

/// Namespaces by kind: `kind:[inode]`, or an object that says why it cannot be read.
pub type Namespaces = BTreeMap<String, Value>;

/// Every process but the probe.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Processes {
    /// The processes.
    pub processes: Vec<Process>,
    /// Whether there were more than are told of.
    pub truncated: bool,
    /// The uid map of the user namespace.
    pub uid_map: String,
}

impl Processes {
    /// The service's own processes, all of them.
    ///
    /// # Errors
    /// When the list was cut short or holds none: a service that runs has a process.
    pub fn of_service(&self) -> Result<Vec<&Process>, Blind> {
        if self.truncated {
            let told = self.processes.len();
            return Err(format!("not every process was seen: there are more than {told}"));
        }
        let own: Vec<_> = self.processes.iter().filter(|one| one.is_services_own()).collect();
        if own.is_empty() {
            return Err("no process of the service was seen, which cannot be all".to_owned());
        }
        Ok(own)
    }
}

/// One process.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Process {
    /// The pid in the container's pid namespace.
    pub pid: u32,
    /// The parent's pid; 0 for the first process and for an exec.
    pub ppid: Option<u32>,
    /// The name that the process gave itself.
    pub name: String,
    /// `R`, `S`, `T`, `Z` and so on.
    pub state: String,
    /// When it started, in clock ticks since boot.
    pub started: Option<u64>,
    /// Whether it is our own lender.
    pub ours: bool,
    /// Its credentials.
    pub status: Status,
    /// Threads with other credentials.
    pub threads_apart: Vec<Status>,
    /// Its namespaces.
    pub ns: Namespaces,
    /// Its AppArmor profile; empty where there is none.
    pub apparmor: String,
}

impl Process {
    /// Whether the process belongs to the service: it is not our lender, and not an exec of the
    /// engine that has not yet become the program it will be. Such an exec still has the
    /// runtime's name and root's ids. Its parent is outside the pid namespace, which a process
    /// of the service cannot bring about, whatever name it gives itself.
    ///
    /// The name is runc's (`libcontainer/nsenter/nsexec.c`). crun sets none: its child keeps what
    /// the kernel made of the program's file, which is no fixed name where crun was executed by
    /// descriptor (`src/libcrun/cloned_binary.c`). Under crun an exec in flight is therefore
    /// taken for a process of the service, which can make a check broken and never makes it held.
    #[must_use]
    pub fn is_services_own(&self) -> bool {
        !(self.ours || is_in_flight(self.pid, self.ppid, &self.name))
    }
}

/// Whether a process is an exec of the engine in flight: see [`Process::is_services_own`].
fn is_in_flight(pid: u32, ppid: Option<u32>, name: &str) -> bool {
    let from_outside = pid != 1 && ppid == Some(0);
    from_outside && name.starts_with("runc:[")
}

/// The environments.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Environ {
    /// One entry per process.
    pub environ: Vec<Variables>,
}

/// The environment of one process.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Variables {
    /// The process.
    pub pid: u32,
    /// The names, where they could be read.
    pub names: Option<Vec<String>>,
    /// The variables that lead to an engine, with their values.
    pub engine: Option<BTreeMap<String, String>>,
    /// Why they could not be read.
    pub errno: Option<String>,
    /// The name of the process, where they could not be read.
    pub name: Option<String>,
    /// The parent's pid, where they could not be read.
    pub ppid: Option<u32>,
}

impl Variables {
    /// Whether the process is an exec of the engine in flight, whose environment nobody can read
    /// and which is none of the service: see [`Process::is_services_own`].
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.name.as_deref().is_some_and(|name| is_in_flight(self.pid, self.ppid, name))
    }
}

/// The mounts.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Mounts {
    /// In the order in which they were made.
    pub mounts: Vec<Mount>,
}

/// One mount: proc(5), `mountinfo`.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Mount {
    /// The device, `major:minor`.
    pub device: String,
    /// Which folder or file of the file system is mounted.
    pub root: String,
    /// Where.
    pub point: String,
    /// The options of the mount.
    pub options: String,
    /// The file system's type.
    pub kind: String,
    /// What the file system is on.
    pub source: String,
    /// The options of the file system.
    pub super_options: String,
}

impl Mount {
    /// Whether nothing can be written there.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let has_ro = |options: &str| options.split(',').any(|option| option == "ro");
        has_ro(&self.options) || has_ro(&self.super_options)
    }
}

/// The Unix sockets.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Sockets {
    /// The sockets.
    pub sockets: Vec<Socket>,
    /// Folders that could not be listed.
    pub unreadable: Vec<Unreadable>,
    /// How many directory entries were looked at.
    pub entries: u64,
    /// Whether the walk was cut short.
    pub truncated: bool,
}

/// A folder that could not be listed.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Unreadable {
    /// The folder.
    pub path: String,
    /// Why.
    pub errno: String,
}

/// One Unix socket. Abstract ones have a path that begins with `@` and nothing of a file.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Socket {
    /// Where.
    pub path: String,
    /// The device of the file.
    pub device: Option<u64>,
    /// The inode of the file.
    pub inode: Option<u64>,
    /// The permissions.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// What connecting came to: `open`, `permission`, `refused`, `no-such`, or an errno.
    pub class: String,
    /// What was answered in HTTP.
    #[serde(default)]
    pub http: Vec<HttpAnswer>,
    /// The protocols that were tried where HTTP got no answer, HTTP first.
    #[serde(default)]
    pub tried: Vec<Tried>,
}

/// One HTTP answer, or why there was none.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct HttpAnswer {
    /// The path that was asked for.
    pub path: String,
    /// `open`, or why there was no connection or no answer.
    pub class: String,
    /// The status code.
    pub status: Option<u16>,
    /// The `Server` header.
    #[serde(default)]
    pub server: String,
    /// The `Api-Version` header, which engines send.
    #[serde(default)]
    pub api_version: String,
    /// The body, or its beginning.
    #[serde(default)]
    pub body: String,
    /// Whether the body was longer.
    #[serde(default)]
    pub truncated: bool,
}

/// One protocol that was tried on a connection of its own.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Tried {
    /// `http`, `grpc`, `ttrpc`, `tls`, or `http after a PROXY header`.
    pub protocol: String,
    /// `reply` where the protocol is spoken, and for gRPC, where an engine's own call was
    /// answered; `no such service`; `another protocol`; `silent`; `closed`; or an errno.
    pub outcome: String,
    /// The beginning of what came, with a dot for each byte that is no text.
    pub said: String,
}

/// Sockets from outside the network namespace.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Descriptors {
    /// The sockets.
    pub foreign: Vec<Foreign>,
    /// Processes whose descriptors could not be listed.
    pub unreadable: Vec<UnreadableProcess>,
}

/// A socket from outside.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Foreign {
    /// The process that holds it.
    pub pid: u32,
    /// Its inode.
    pub inode: u64,
}

/// A process that could not be looked into.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct UnreadableProcess {
    /// The process.
    pub pid: u32,
    /// Why.
    pub errno: String,
}

/// The TCP targets.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Targets {
    /// One entry per target and address.
    pub targets: Vec<Target>,
    /// Whether there were more than were tried.
    pub truncated: bool,
}

/// One TCP target.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Target {
    /// As it was asked for.
    pub target: String,
    /// The address that it resolved to.
    pub address: Option<String>,
    /// `open`, `refused`, `time-out`, `unreachable`, `no-such-host: …`, `permission`, or an errno.
    pub class: String,
    /// After how many milliseconds.
    pub ms: u64,
    /// What was answered in HTTP.
    #[serde(default)]
    pub http: Vec<HttpAnswer>,
    /// The protocols that were tried where HTTP got no answer, HTTP first.
    #[serde(default)]
    pub tried: Vec<Tried>,
}

/// The cgroup's files, raw.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Cgroup {
    /// 1 or 2.
    pub version: u64,
    /// Whether the files are the kernel's own.
    pub genuine: bool,
    /// The folder of each controller.
    pub folders: BTreeMap<String, String>,
    /// The files: their text, or an object that says why they cannot be read.
    pub files: BTreeMap<String, Value>,
    /// /proc/swaps.
    pub swaps: String,
    /// The line `MemTotal` of /proc/meminfo.
    pub meminfo: String,
    /// The processors that are online.
    pub online: String,
}

/// Whether privileges can be gained.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Privileges {
    /// What prctl(2) says.
    pub no_new_privs: i64,
    /// `ok`, or the errno of installing a filter.
    pub filter: String,
    /// What executing the setuid copy came to: its credentials as JSON text, or an object that
    /// says why there is none.
    pub setuid: Value,
}

impl Privileges {
    /// The effective uid that the setuid copy got.
    #[must_use]
    pub fn setuid_euid(&self) -> Option<u32> {
        let status: Status = serde_json::from_str(self.setuid.as_str()?).ok()?;
        Some(status.uid[1])
    }
}

/// The attempts to make a file.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Writes {
    /// One entry per folder.
    pub writes: Vec<Attempt>,
}

/// One attempt.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Attempt {
    /// The folder.
    pub folder: String,
    /// `created`, or an errno.
    pub outcome: String,
    /// `ok` where a file that was made is gone again.
    pub removed: Option<String>,
}

/// The addresses and listeners of a network namespace.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Host {
    /// Its own IPv4 addresses.
    pub addresses: Vec<String>,
    /// Listening TCP sockets, `address:port`; `*` is every address.
    pub listening: Vec<String>,
    /// Listening Unix sockets.
    pub unix: Vec<String>,
}

/// A file system. Sizes in bytes.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Disk {
    /// Its size.
    pub size: u64,
    /// What is free for ordinary users.
    pub free: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::first_process(1, 0, "runc:[2:INIT]", false, true)]
    #[case::exec_in_flight(32, 0, "runc:[2:INIT]", false, false)]
    #[case::exec_that_became_its_program(32, 0, "sh", false, true)]
    #[case::child_with_a_borrowed_name(32, 1, "runc:[2:INIT]", false, true)]
    #[case::lender(7, 0, "probe", true, false)]
    fn an_exec_in_flight_is_not_the_services_own(
        #[case] pid: u32,
        #[case] ppid: u32,
        #[case] name: &str,
        #[case] ours: bool,
        #[case] own: bool,
    ) {
        let process: Process = serde_json::from_value(serde_json::json!({
            "pid": pid, "ppid": ppid, "name": name, "state": "S", "started": 1, "ours": ours,
            "status": {"uid": [0, 0, 0, 0], "gid": [0, 0, 0, 0], "groups": [], "no_new_privs": 0,
                "seccomp": 0, "cap_inh": "0", "cap_prm": "0", "cap_eff": "0", "cap_bnd": "0",
                "cap_amb": "0"},
            "threads_apart": [], "ns": {}, "apparmor": "",
        }))
        .unwrap();
        assert_eq!(process.is_services_own(), own);
    }
}
