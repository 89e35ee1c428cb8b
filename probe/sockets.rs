//! Every Unix socket that can be found in the mount namespace, and who answers on it.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::dialogue;
use crate::exchange::{Address, End, Heard};
use crate::json::{Json, object};
use crate::kernel;
use crate::mounts;

/// File systems that the kernel makes up; no process can put a socket there.
const VIRTUAL: [&str; 12] = [
    "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "securityfs", "debugfs", "tracefs",
    "bpf", "binfmt_misc", "configfs",
];
/// Where engines listen. Tried by name even where the folder cannot be listed.
const KNOWN: [&str; 12] = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/var/run/containerd/containerd.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/var/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/docker.sock",
];
const MAX_ENTRIES: usize = 2_000_000;
const MAX_SOCKETS: usize = 256;
const WALK: Duration = Duration::from_secs(20);

struct Walk {
    found: BTreeSet<PathBuf>,
    unreadable: Vec<Json>,
    entries: usize,
    truncated: bool,
    deadline: Instant,
    virtual_points: BTreeSet<PathBuf>,
}

pub fn sockets() -> Result<Json, String> {
    let table = mounts::table()?;
    let virtual_points = table
        .iter()
        .filter(|mount| VIRTUAL.contains(&mount.kind.as_str()))
        .map(|mount| PathBuf::from(&mount.point))
        .collect();
    let mut walk = Walk {
        found: KNOWN
            .iter()
            .map(PathBuf::from)
            .filter(|path| is_socket(path))
            // By its one name, whatever links lead to it, so that its mount can be told.
            .map(|path| fs::canonicalize(&path).unwrap_or(path))
            .collect(),
        unreadable: Vec::new(),
        entries: 0,
        truncated: false,
        deadline: Instant::now() + WALK,
        virtual_points,
    };
    // A socket can itself be a mount point, and then no folder need be listed to find it.
    walk.found.extend(table.iter().map(|mount| PathBuf::from(&mount.point)).filter(|p| is_socket(p)));
    walk.folder(Path::new("/"));
    for mount in &table {
        // A mount below a folder that cannot be listed is not found by walking from the root.
        let point = Path::new(&mount.point);
        if point != Path::new("/") && !walk.virtual_points.contains(point) && point.is_dir() {
            let hidden = point.parent().is_some_and(|parent| fs::read_dir(parent).is_err());
            if hidden {
                walk.folder(point);
            }
        }
    }
    let names = abstract_names();
    let truncated =
        walk.truncated || walk.found.len() > MAX_SOCKETS || names.len() > MAX_SOCKETS;
    let paths = walk.found.iter().take(MAX_SOCKETS);
    let mut sockets: Vec<(Vec<(String, Json)>, Address)> =
        paths.map(|path| (file(path), Address::Path(path.clone()))).collect();
    sockets.extend(names.into_iter().take(MAX_SOCKETS).map(|name| {
        let path = format!("@{}", String::from_utf8_lossy(&name));
        (vec![("path".to_owned(), Json::text(path))], Address::Abstract(name))
    }));
    let addresses: Vec<&Address> = sockets.iter().map(|(_, address)| address).collect();
    // A Unix socket accepts at once or not at all.
    let heard = dialogue::ask(&addresses, dialogue::ANSWER);
    let list = sockets
        .into_iter()
        .zip(heard)
        .map(|((mut told, _), (heard, further))| {
            told.push(("class".to_owned(), Json::text(class(&heard))));
            told.extend(further);
            Json::Object(told)
        })
        .collect();
    Ok(object([
        ("sockets", Json::List(list)),
        ("unreadable", Json::List(walk.unreadable)),
        ("entries", Json::from(walk.entries as u64)),
        ("truncated", Json::Bool(truncated)),
    ]))
}

impl Walk {
    fn folder(&mut self, top: &Path) {
        let mut folders = vec![top.to_path_buf()];
        while let Some(folder) = folders.pop() {
            if self.virtual_points.contains(&folder) {
                continue;
            }
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    if self.unreadable.len() < MAX_SOCKETS {
                        self.unreadable.push(object([
                            ("path", Json::text(folder.to_string_lossy())),
                            ("errno", Json::text(kernel::error_name(&error))),
                        ]));
                    }
                    continue;
                }
            };
            for entry in entries.flatten() {
                self.entries += 1;
                if self.entries > MAX_ENTRIES || Instant::now() > self.deadline {
                    self.truncated = true;
                    return;
                }
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_socket() {
                    self.found.insert(entry.path());
                }
            }
        }
    }
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

/// The file of a socket: fields of stat(2).
fn file(path: &Path) -> Vec<(String, Json)> {
    let meta = fs::metadata(path).ok();
    let number = |n: Option<u64>| n.map_or(Json::Null, Json::from);
    vec![
        ("path".to_owned(), Json::text(path.to_string_lossy())),
        ("device".to_owned(), number(meta.as_ref().map(|m| m.st_dev()))),
        ("inode".to_owned(), number(meta.as_ref().map(|m| m.st_ino()))),
        ("mode".to_owned(), number(meta.as_ref().map(|m| u64::from(m.st_mode() & 0o7777)))),
        ("uid".to_owned(), number(meta.as_ref().map(|m| u64::from(m.st_uid())))),
        ("gid".to_owned(), number(meta.as_ref().map(|m| u64::from(m.st_gid())))),
    ]
}

fn class(heard: &Heard) -> &str {
    match &heard.end {
        End::NoConnection(why) => match why.as_str() {
            "EACCES" | "EPERM" => "permission",
            "ECONNREFUSED" => "refused",
            "ENOENT" => "no-such",
            other => other,
        },
        _ => "open",
    }
}

/// The names of the listening abstract sockets of the network namespace: proc(5), `net/unix`. A
/// zero byte in a name is printed as an at sign, so where there is one, the name is tried as it
/// is printed, with zeroes at its end, and with zeroes only.
fn abstract_names() -> BTreeSet<Vec<u8>> {
    let Ok(bytes) = fs::read("/proc/net/unix") else { return BTreeSet::new() };
    // The flags' 0x10000 says that the socket listens. A name may hold spaces.
    let mut names = BTreeSet::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        // Seven fields, padded with spaces, and the name.
        let mut rest = line;
        let mut fields = [b"".as_slice(); 7];
        for field in &mut fields {
            rest = rest.trim_ascii_start();
            let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
            (*field, rest) = rest.split_at(end);
        }
        let listens = fields[3] == b"00010000";
        let Some(name) = rest.strip_prefix(b" @") else { continue };
        if listens {
            let zeroes = name.iter().map(|byte| if *byte == b'@' { 0 } else { *byte }).collect();
            let kept = name.iter().rposition(|byte| *byte != b'@').map_or(0, |last| last + 1);
            let mut ended = name.to_vec();
            ended[kept..].fill(0);
            names.extend([name.to_vec(), ended, zeroes]);
        }
    }
    names
}
