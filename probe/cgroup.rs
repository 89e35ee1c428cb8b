//! The files of our own cgroup, raw: cgroups(7), the kernel's cgroup-v1 and cgroup-v2 documents.

use std::path::{Path, PathBuf};

use crate::json::{Json, object};
use crate::kernel;
use crate::mounts;
use crate::processes::read;

const CGROUP_SUPER_MAGIC: i64 = 0x0027_e0eb;
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;

/// The files of version 1, by controller.
const VERSION_1: [(&str, &[&str]); 4] = [
    (
        "memory",
        &[
            "memory.limit_in_bytes",
            "memory.soft_limit_in_bytes",
            "memory.memsw.limit_in_bytes",
            "memory.usage_in_bytes",
            "memory.max_usage_in_bytes",
            "memory.failcnt",
            "memory.oom_control",
        ],
    ),
    ("cpu", &["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares", "cpu.stat"]),
    ("cpuacct", &["cpuacct.usage"]),
    ("pids", &["pids.max", "pids.current", "pids.events"]),
];
/// The files of version 2.
const VERSION_2: [&str; 17] = [
    "memory.max",
    "memory.high",
    "memory.low",
    "memory.current",
    "memory.peak",
    "memory.swap.max",
    "memory.swap.current",
    "memory.events",
    "memory.events.local",
    "memory.oom.group",
    "cpu.max",
    "cpu.weight",
    "cpu.stat",
    "pids.max",
    "pids.current",
    "pids.events",
    "cgroup.controllers",
];

/// `about` is empty, or the folder of a fixture that is read as version 2.
pub fn cgroup(about: &str) -> Result<Json, String> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    let version = if about.is_empty() { own(&mut files, &mut folders)? } else {
        take(Path::new(about), &VERSION_2, &mut files);
        2
    };
    Ok(object([
        ("version", Json::from(version)),
        ("genuine", Json::Bool(about.is_empty())),
        ("folders", Json::Object(folders)),
        ("files", Json::Object(files)),
        ("swaps", Json::text(read("/proc/swaps").unwrap_or_default())),
        ("meminfo", Json::text(total_memory())),
        ("online", Json::text(read("/sys/devices/system/cpu/online").unwrap_or_default())),
    ]))
}

fn own(
    files: &mut Vec<(String, Json)>,
    folders: &mut Vec<(String, Json)>,
) -> Result<u64, String> {
    let membership = std::fs::read_to_string("/proc/self/cgroup")
        .map_err(|error| kernel::error_name(&error))?;
    let table = mounts::table()?;
    let path_of = |controller: &str| {
        membership.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let names = fields.nth(1)?;
            let path = fields.next()?;
            names.split(',').any(|name| name == controller).then(|| path.to_owned())
        })
    };
    if path_of("memory").is_none() {
        // Version 2 has one line, with no controllers named.
        let path = path_of("").ok_or("/proc/self/cgroup names no cgroup")?;
        let mount = table.iter().rfind(|mount| mount.kind == "cgroup2");
        let folder = folder(mount.ok_or("no cgroup2 file system is mounted")?, &path);
        genuine(&folder, CGROUP2_SUPER_MAGIC)?;
        folders.push(("unified".to_owned(), Json::text(folder.to_string_lossy())));
        take(&folder, &VERSION_2, files);
        return Ok(2);
    }
    for (controller, names) in VERSION_1 {
        let Some(path) = path_of(controller) else { continue };
        let mount = table.iter().rfind(|mount| {
            mount.kind == "cgroup"
                && mount.super_options.split(',').any(|option| option == controller)
        });
        let Some(mount) = mount else { continue };
        let folder = folder(mount, &path);
        genuine(&folder, CGROUP_SUPER_MAGIC)?;
        folders.push((controller.to_owned(), Json::text(folder.to_string_lossy())));
        take(&folder, names, files);
    }
    if folders.is_empty() {
        return Err("no cgroup file system is mounted".to_owned());
    }
    Ok(1)
}

/// Where our cgroup is under a mount: below the mount point, as far as our path goes below the
/// mount's root.
fn folder(mount: &mounts::Mount, path: &str) -> PathBuf {
    let below = path.strip_prefix(&mount.root).unwrap_or("").trim_start_matches('/');
    let with_path = Path::new(&mount.point).join(below);
    // In a cgroup namespace of its own the path may not be visible, and the mount is our cgroup.
    if with_path.join("cgroup.procs").exists() { with_path } else { PathBuf::from(&mount.point) }
}

/// A folder of ordinary files could be mounted to show any limit.
fn genuine(folder: &Path, magic: i64) -> Result<(), String> {
    match kernel::file_system(&folder.to_string_lossy()) {
        Ok(found) if found == magic => Ok(()),
        Ok(other) => Err(format!("{} is of the file system {other:#x}", folder.display())),
        Err(error) => Err(format!("{} cannot be looked at: {error}", folder.display())),
    }
}

fn take(folder: &Path, names: &[&str], files: &mut Vec<(String, Json)>) {
    for name in names {
        let content = match std::fs::read(folder.join(name)) {
            Ok(bytes) => Json::text(String::from_utf8_lossy(&bytes).trim_end()),
            // A file that this kernel does not have says so by its absence.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => object([("errno", Json::text(kernel::error_name(&error)))]),
        };
        files.push(((*name).to_owned(), content));
    }
}

fn total_memory() -> String {
    let text = read("/proc/meminfo").unwrap_or_default();
    text.lines().find(|line| line.starts_with("MemTotal")).unwrap_or_default().to_owned()
}
