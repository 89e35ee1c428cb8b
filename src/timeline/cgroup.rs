//! The cgroup of a container, found and read on the host itself. It costs neither a process nor
//! the engine anything, and it works for both cgroup versions and both drivers of the engine.
//!
//! Sources: cgroups(7), proc_pid_mountinfo(5), the kernel's `cgroup-v1/cpuacct.rst`,
//! `cgroup-v1/memory.rst`, `cgroup-v1/pids.rst` and `cgroup-v2.rst`.

use std::fs;
use std::path::{Path, PathBuf};

use super::Usage;
use crate::world::Blind;

/// Where the files of a container's cgroup are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folders {
    /// Version 1: a folder for each controller.
    One {
        /// That of `cpuacct`.
        cpu: PathBuf,
        /// That of `memory`.
        memory: PathBuf,
        /// That of `pids`.
        pids: PathBuf,
    },
    /// Version 2: one for all.
    Two(PathBuf),
}

impl Folders {
    /// The cgroup of the container whose first process has `pid` on the engine's host. `proc` is
    /// where this machine's proc file system is.
    ///
    /// # Errors
    /// When this machine is not the engine's host, or its cgroups cannot be seen from here.
    pub fn of(proc: &Path, container: &str, pid: i64) -> Result<Folders, Blind> {
        let read = |path: PathBuf| {
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let membership = read(proc.join(pid.to_string()).join("cgroup"))?;
        let mounts = read(proc.join("self/mountinfo"))?;
        let folder = |controller: &str| {
            let path = path_of(&membership, controller)
                .ok_or_else(|| format!("process {pid} is in no cgroup for {controller:?}"))?;
            // A process of another machine, or of a container that has ended, can have this pid.
            let own = up_to(&path, container)
                .ok_or_else(|| format!("process {pid} of this machine is not the container's"))?;
            let folder = below(&mounts, controller, own)
                .ok_or_else(|| format!("the cgroup {own} cannot be seen from here"))?;
            if folder.is_dir() {
                Ok(folder)
            } else {
                Err(format!("{} is not there", folder.display()))
            }
        };
        if path_of(&membership, "memory").is_some() {
            return Ok(Folders::One {
                cpu: folder("cpuacct")?,
                memory: folder("memory")?,
                pids: folder("pids")?,
            });
        }
        folder("").map(Folders::Two)
    }

    /// What is used now. A container that is started again has the same folders, and between its
    /// two lives they are not there.
    #[must_use]
    pub fn read(&self) -> Usage {
        match self {
            Folders::One { cpu, memory, pids } => Usage {
                cpu_ns: number(&cpu.join("cpuacct.usage")),
                memory_bytes: number(&memory.join("memory.usage_in_bytes")),
                pids: number(&pids.join("pids.current")),
                oom_kills: keyed(&memory.join("memory.oom_control"), "oom_kill"),
            },
            Folders::Two(folder) => Usage {
                cpu_ns: keyed(&folder.join("cpu.stat"), "usage_usec")
                    .and_then(|microseconds| microseconds.checked_mul(1000)),
                memory_bytes: number(&folder.join("memory.current")),
                pids: number(&folder.join("pids.current")),
                // The local file is younger than the other, which counts kills further down, too.
                oom_kills: keyed(&folder.join("memory.events.local"), "oom_kill")
                    .or_else(|| keyed(&folder.join("memory.events"), "oom_kill")),
            },
        }
    }
}

/// The path of a process's cgroup for a controller; none is named in the line of version 2.
fn path_of(membership: &str, controller: &str) -> Option<String> {
    membership.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let names = fields.nth(1)?;
        let path = fields.next()?;
        names.split(',').any(|name| name == controller).then(|| path.to_owned())
    })
}

/// The path up to the folder that is named after the container: `/docker/ID`,
/// `/system.slice/docker-ID.scope`. The container may have made cgroups below.
fn up_to<'a>(path: &'a str, container: &str) -> Option<&'a str> {
    let start = (!container.is_empty()).then(|| path.find(container))??;
    let end = path[start..].find('/').map_or(path.len(), |length| start + length);
    Some(&path[..end])
}

/// Where a cgroup is below the mount of its hierarchy.
fn below(mounts: &str, controller: &str, path: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut fields = after.split(' ');
        let (kind, options) = (fields.next()?, fields.nth(1)?);
        let is_it = if controller.is_empty() {
            kind == "cgroup2"
        } else {
            kind == "cgroup" && options.split(',').any(|option| option == controller)
        };
        let below = path.strip_prefix(root.trim_end_matches('/'))?;
        // Outside of our own cgroup namespace the kernel shows paths that lead nowhere.
        let leads_out = path.split('/').any(|part| part == "..");
        (is_it && below.starts_with('/') && !leads_out)
            .then(|| Path::new(point).join(below.trim_start_matches('/')))
    })
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn keyed(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ID: &str = "0123456789abcdef";

    /// A proc file system in which process 7 is in the given cgroups, and the files of `cgroup`.
    fn host(membership: &str, mountinfo: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
        let host = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = host.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/7/cgroup", &membership.replace("ID", ID));
        let root = host.path().join("cgroup");
        write("proc/self/mountinfo", &mountinfo.replace("@", &root.to_string_lossy()));
        for (path, text) in files {
            write(&format!("cgroup/{}", path.replace("ID", ID)), text);
        }
        host
    }

    fn folders(host: &tempfile::TempDir) -> Result<Folders, Blind> {
        Folders::of(&host.path().join("proc"), ID, 7)
    }

    const EXPECTED: Usage = Usage {
        cpu_ns: Some(5_000_000),
        memory_bytes: Some(4096),
        pids: Some(3),
        oom_kills: Some(2),
    };
    const MOUNTS_1: &str = "\
        30 23 0:28 / @ rw - tmpfs tmpfs rw\n\
        31 30 0:29 / @/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
        32 30 0:30 / @/memory rw - cgroup cgroup rw,memory\n\
        33 30 0:31 / @/pids rw - cgroup cgroup rw,pids\n\
        34 30 0:32 / @/unified rw - cgroup2 cgroup2 rw\n";
    const MOUNTS_2: &str = "31 23 0:29 / @ rw - cgroup2 cgroup2 rw,nsdelegate\n";

    fn files_1(folder: &str) -> Vec<(String, &'static str)> {
        vec![
            (format!("cpu,cpuacct/{folder}/cpuacct.usage"), "5000000\n"),
            (format!("memory/{folder}/memory.usage_in_bytes"), "4096\n"),
            (
                format!("memory/{folder}/memory.oom_control"),
                "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            ),
            (format!("pids/{folder}/pids.current"), "3\n"),
        ]
    }

    fn files_2(folder: &str) -> Vec<(String, &'static str)> {
        vec![
            (format!("{folder}/cpu.stat"), "usage_usec 5000\nuser_usec 4000\n"),
            (format!("{folder}/memory.current"), "4096\n"),
            (format!("{folder}/memory.events"), "max 9\noom 7\noom_kill 6\n"),
            (format!("{folder}/memory.events.local"), "max 9\noom 7\noom_kill 2\n"),
            (format!("{folder}/pids.current"), "3\n"),
        ]
    }

    #[rstest]
    #[case::version_1_cgroupfs(
        "9:memory:/docker/ID\n8:pids:/docker/ID\n3:cpu,cpuacct:/docker/ID\n0::/docker/ID\n",
        MOUNTS_1,
        files_1("docker/ID")
    )]
    #[case::version_1_systemd(
        "9:memory:/system.slice/docker-ID.scope\n8:pids:/system.slice/docker-ID.scope\n\
         3:cpu,cpuacct:/system.slice/docker-ID.scope\n",
        MOUNTS_1,
        files_1("system.slice/docker-ID.scope")
    )]
    #[case::version_2_cgroupfs("0::/docker/ID\n", MOUNTS_2, files_2("docker/ID"))]
    #[case::version_2_systemd(
        "0::/system.slice/docker-ID.scope\n",
        MOUNTS_2,
        files_2("system.slice/docker-ID.scope")
    )]
    #[case::cgroups_below("0::/docker/ID/init.scope\n", MOUNTS_2, files_2("docker/ID"))]
    #[case::a_hierarchy_mounted_from_further_down(
        "0::/outer/docker/ID\n",
        "31 23 0:29 /outer @ rw - cgroup2 cgroup2 rw\n",
        files_2("docker/ID")
    )]
    fn the_cgroup_of_a_container_is_found_and_read(
        #[case] membership: &str,
        #[case] mounts: &str,
        #[case] files: Vec<(String, &'static str)>,
    ) {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, *text)).collect();
        let host = host(membership, mounts, &files);
        assert_eq!(folders(&host).map(|folders| folders.read()), Ok(EXPECTED));
    }

    #[rstest]
    #[case::another_machine("0::/user.slice\n", MOUNTS_2, "is not the container's")]
    #[case::outside_of_our_namespace("0::/../docker/ID\n", MOUNTS_2, "cannot be seen from here")]
    #[case::not_mounted("0::/docker/ID\n", "", "cannot be seen from here")]
    #[case::mounted_from_elsewhere(
        "0::/docker/ID\n",
        "31 23 0:29 /outer @ rw - cgroup2 cgroup2 rw\n",
        "cannot be seen from here"
    )]
    #[case::gone("0::/docker/ID\n", MOUNTS_2, "is not there")]
    #[case::no_such_process("", MOUNTS_2, "process 7 is in no cgroup")]
    fn a_cgroup_that_is_not_to_be_seen_says_why(
        #[case] membership: &str,
        #[case] mounts: &str,
        #[case] expected: &str,
    ) {
        let error = folders(&host(membership, mounts, &[])).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_cgroup_that_is_gone_uses_nothing_that_is_known() {
        let host = host("0::/docker/ID\n", MOUNTS_2, &[("docker/ID/pids.current", "3")]);
        let folders = folders(&host).unwrap();
        assert_eq!(folders.read(), Usage { pids: Some(3), ..Usage::default() });
        fs::remove_dir_all(host.path().join("cgroup")).unwrap();
        assert_eq!(folders.read(), Usage::default());
    }
}
