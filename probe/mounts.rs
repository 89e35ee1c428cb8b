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

/// Whether /proc is the kernel's own and nothing hides a process: a file system mounted over
/// /proc or over a folder in it could show anything.
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
    let hidden = table()?.into_iter().find(|mount| {
        mount.point.strip_prefix("/proc/").is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_digit()) || rest.starts_with("self")
        })
    });
    hidden.map_or(Ok(()), |mount| Err(format!("{} is mounted over", mount.point)))
}
