//! Sockets that a process holds and that belong to no table of its network namespace: it was
//! given them from outside.

use std::collections::BTreeSet;

use crate::json::{Json, object};
use crate::kernel;
use crate::processes;

/// The tables and the column of the inode, counted from zero.
const TABLES: [(&str, usize); 11] = [
    ("unix", 6),
    ("tcp", 9),
    ("tcp6", 9),
    ("udp", 9),
    ("udp6", 9),
    ("udplite", 9),
    ("raw", 9),
    ("raw6", 9),
    ("netlink", 9),
    ("packet", 8),
    ("icmp", 9),
];

pub fn descriptors(lender: u32) -> Result<Json, String> {
    let me = std::process::id();
    let mut foreign = Vec::new();
    let mut unreadable = Vec::new();
    for pid in processes::pids()? {
        if pid == me || pid == lender {
            continue;
        }
        match sockets_of(pid) {
            Ok(held) if held.is_empty() => {}
            Ok(held) => {
                // The tables are those of the process's own network namespace. They are read
                // after the descriptors, so a socket that was closed meanwhile is looked for
                // once more below.
                let known = tables(pid);
                let strange: Vec<u64> =
                    held.into_iter().filter(|inode| !known.contains(inode)).collect();
                let still = sockets_of(pid).unwrap_or_default();
                let strange = strange.into_iter().filter(|inode| still.contains(inode));
                foreign.extend(strange.map(|inode| {
                    object([("pid", Json::from(u64::from(pid))), ("inode", Json::from(inode))])
                }));
            }
            Err(errno) => unreadable.push(object([
                ("pid", Json::from(u64::from(pid))),
                ("errno", Json::text(errno)),
            ])),
        }
    }
    Ok(object([("foreign", Json::List(foreign)), ("unreadable", Json::List(unreadable))]))
}

fn sockets_of(pid: u32) -> Result<BTreeSet<u64>, String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .map_err(|error| kernel::error_name(&error))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| {
            let link = std::fs::read_link(entry.path()).ok()?;
            link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect())
}

fn tables(pid: u32) -> BTreeSet<u64> {
    TABLES
        .iter()
        .filter_map(|(table, column)| {
            Some((processes::read(&format!("/proc/{pid}/net/{table}"))?, *column))
        })
        .flat_map(|(text, column)| {
            text.lines()
                .filter_map(|line| line.split_whitespace().nth(column)?.parse().ok())
                .collect::<Vec<u64>>()
        })
        .collect()
}
