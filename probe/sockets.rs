//! Every Unix socket that can be found in the mount namespace, and who answers on it.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::linux::fs::MetadataExt as _;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::http;
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
const ANSWER: Duration = Duration::from_millis(700);

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
        found: KNOWN.iter().map(PathBuf::from).filter(|path| is_socket(path)).collect(),
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
    let truncated = walk.truncated || walk.found.len() > MAX_SOCKETS;
    let mut list: Vec<Json> = walk.found.iter().take(MAX_SOCKETS).map(|path| socket(path)).collect();
    list.extend(abstract_names().iter().take(MAX_SOCKETS).map(|name| abstract_socket(name)));
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

fn socket(path: &Path) -> Json {
    let meta = fs::metadata(path).ok();
    let number = |n: Option<u64>| n.map_or(Json::Null, Json::from);
    let connect = || {
        let stream = UnixStream::connect(path).map_err(|error| class(&error))?;
        Ok(bounded(stream))
    };
    let mut told = vec![
        ("path".to_owned(), Json::text(path.to_string_lossy())),
        ("device".to_owned(), number(meta.as_ref().map(|m| m.st_dev()))),
        ("inode".to_owned(), number(meta.as_ref().map(|m| m.st_ino()))),
        ("mode".to_owned(), number(meta.as_ref().map(|m| u64::from(m.st_mode() & 0o7777)))),
        ("uid".to_owned(), number(meta.as_ref().map(|m| u64::from(m.st_uid())))),
        ("gid".to_owned(), number(meta.as_ref().map(|m| u64::from(m.st_gid())))),
    ];
    told.extend(who(connect));
    Json::Object(told)
}

fn abstract_socket(name: &[u8]) -> Json {
    let connect = || {
        let address = SocketAddr::from_abstract_name(name).map_err(|error| class(&error))?;
        let stream = UnixStream::connect_addr(&address).map_err(|error| class(&error))?;
        Ok(bounded(stream))
    };
    let path = format!("@{}", String::from_utf8_lossy(name));
    let mut told = vec![("path".to_owned(), Json::text(path))];
    told.extend(who(connect));
    Json::Object(told)
}

/// The class of the connection, and what the other side answers.
fn who(connect: impl Fn() -> Result<UnixStream, String>) -> Vec<(String, Json)> {
    match connect() {
        Err(class) => vec![("class".to_owned(), Json::text(class))],
        Ok(mut stream) => {
            let http2 = http::speaks_http2(&mut stream);
            vec![
                ("class".to_owned(), Json::text("open")),
                ("http2".to_owned(), Json::Bool(http2)),
                ("http".to_owned(), http::identify(&connect, ANSWER)),
            ]
        }
    }
}

fn bounded(stream: UnixStream) -> UnixStream {
    // Without these bounds a silent listener would hold us until the deadline.
    let _ = stream.set_read_timeout(Some(ANSWER));
    let _ = stream.set_write_timeout(Some(ANSWER));
    stream
}

fn class(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "permission".to_owned(),
        ErrorKind::ConnectionRefused => "refused".to_owned(),
        ErrorKind::NotFound => "no-such".to_owned(),
        _ => kernel::error_name(error),
    }
}

/// The names of the listening abstract sockets of the network namespace: proc(5), `net/unix`.
fn abstract_names() -> BTreeSet<Vec<u8>> {
    let Ok(bytes) = fs::read("/proc/net/unix") else { return BTreeSet::new() };
    // The flags' 0x10000 says that the socket listens.
    bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
            let flags = fields.nth(3)?;
            let path = fields.nth(3)?;
            (flags == b"00010000").then(|| path.strip_prefix(b"@").map(<[u8]>::to_vec))?
        })
        .collect()
}
