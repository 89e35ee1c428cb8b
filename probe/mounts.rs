//! The mounts of the namespace: proc(5), `mountinfo`.

use crate::json::{Json, object};
use crate::kernel;

const PROC_SUPER_MAGIC: i64 = 0x9fa0;

/// One mount.
pub struct Mount {
    pub device: String,
    pub root: String,
    pub point: String,
    pub options: String,
    pub kind: String,
    pub source: String,
    pub super_options: String,
}

pub fn mounts() -> Result<Json, String> {
    let list = table()?.into_iter().map(|mount| {
        object([
            ("device", Json::text(mount.device)),
            ("root", Json::text(mount.root)),
            ("point", Json::text(mount.point)),
            ("options", Json::text(mount.options)),
            ("kind", Json::text(mount.kind)),
            ("source", Json::text(mount.source)),
            ("super_options", Json::text(mount.super_options)),
        ])
    });
    Ok(object([("mounts", Json::List(list.collect()))]))
}

/// The mounts, in the order in which they were made.
pub fn table() -> Result<Vec<Mount>, String> {
    let bytes =
        std::fs::read("/proc/self/mountinfo").map_err(|error| kernel::error_name(&error))?;
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(mount).collect())
}

fn mount(line: &str) -> Option<Mount> {
    // Optional fields end with a dash; three fields follow.
    let (before, after) = line.split_once(" - ")?;
    let before: Vec<&str> = before.split(' ').collect();
    let after: Vec<&str> = after.split(' ').collect();
    Some(Mount {
        device: (*before.get(2)?).to_owned(),
        root: plain(before.get(3)?),
        point: plain(before.get(4)?),
        options: (*before.get(5)?).to_owned(),
        kind: (*after.first()?).to_owned(),
        source: plain(after.get(1)?),
        super_options: (*after.get(2).unwrap_or(&"")).to_owned(),
    })
}

/// The kernel writes space, tab, newline and backslash as octal escapes.
fn plain(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// Whether /proc is the kernel's own, of our pid namespace, and what it says of ourselves is not
/// mounted over: without that no answer means anything.
pub fn proc_is_genuine(me: u32) -> Result<(), String> {
    match kernel::file_system("/proc/self/status") {
        Ok(PROC_SUPER_MAGIC) => {}
        Ok(other) => return Err(format!("/proc is of the file system {other:#x}")),
        Err(error) => return Err(format!("/proc cannot be looked at: {error}")),
    }
    let link = std::fs::read_link("/proc/self").map_err(|error| kernel::error_name(&error))?;
    if link.to_str() != Some(me.to_string().as_str()) {
        return Err(format!("/proc/self leads to {} and not to {me}", link.display()));
    }
    // A /proc of another pid namespace tells a pid for every namespace from its own to ours.
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|error| kernel::error_name(&error))?;
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).map(str::trim);
    if pids.is_some_and(|pids| pids != me.to_string()) {
        return Err("/proc is that of another pid namespace".to_owned());
    }
    let own = me.to_string();
    let over = table()?.into_iter().find(|mount| {
        let first = mount.point.strip_prefix("/proc/").and_then(|rest| rest.split('/').next());
        first.is_some_and(|first| first == own || first == "self" || first == "thread-self")
    });
    over.map_or(Ok(()), |mount| Err(format!("{} is mounted over", mount.point)))
}

/// Whether what a question's answer rests on in /proc is hidden or mounted over. What the engine
/// itself covers (`/proc/kcore`, `/proc/keys` and such) and its read-only mounts of parts of
/// /proc over themselves take nothing from any answer.
pub fn covered(question: &str) -> Result<(), String> {
    let name = question.split('=').next().unwrap_or_default();
    let every_process = ["processes", "environ", "descriptors", "tcp"].contains(&name);
    let files: &[&str] = if name == "cgroup" { &["swaps", "meminfo"] } else { &[] };
    if !every_process && files.is_empty() {
        return Ok(());
    }
    let table = table()?;
    // The last mount at a point is on top.
    let proc = table.iter().rfind(|mount| mount.point == "/proc").ok_or("/proc is not mounted")?;
    if every_process {
        let hides = proc.super_options.split(',').find(|option| {
            option
                .strip_prefix("hidepid=")
                .is_some_and(|how| !["0", "off"].contains(&how))
        });
        if let Some(option) = hides {
            return Err(format!("/proc hides processes ({option})"));
        }
    }
    let over = table.iter().find(|mount| {
        let Some(rest) = mount.point.strip_prefix("/proc/") else { return false };
        // A part of this /proc, mounted over itself.
        if mount.device == proc.device && mount.root == format!("/{rest}") {
            return false;
        }
        let first = rest.split('/').next().unwrap_or_default();
        files.contains(&first) || (every_process && first.parse::<u32>().is_ok())
    });
    over.map_or(Ok(()), |mount| Err(format!("{} is mounted over", mount.point)))
}
