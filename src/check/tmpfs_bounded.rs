//! `tmpfs-bounded`: every file system in memory that the service can write has a size. Without
//! one it may hold half of the host's memory (tmpfs(5)), and what it holds is not freed when a
//! process is killed for it. A ramfs, which a volume may be, knows no size at all.

use serde_json::json;

use super::limits::{as_float, bytes};
use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::probe::answer::{Mount, Processes};
use crate::scenario::check::TmpfsBounded;
use crate::verdict::Verdict;
use crate::world::{Blind, Sight, World};

/// The capability to write whatever the permissions say: capabilities(7), number 1.
const DAC_OVERRIDE: u64 = 1 << 1;

pub(super) fn judge(check: &TmpfsBounded, service: &str, world: &World) -> Finding {
    let expected = match check.max {
        Some(max) => format!("every tmpfs holds at most {}", bytes(as_float(max.0))),
        None => "every tmpfs has a size".to_owned(),
    };
    each_container(service, world, &expected, |sight| judge_one(check, &expected, sight))
}

fn judge_one(check: &TmpfsBounded, expected: &str, sight: &Sight) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "sudo grep -w tmpfs /proc/$(docker inspect {name} --format '{{{{.State.Pid}}}}')/mounts"
    );
    let mounts = match sight.own().and_then(|reply| reply.mounts()) {
        Ok(answer) => answer.mounts,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    if mounts.is_empty() {
        let why = "no mount was seen, not even that of the root";
        return Finding::could_not_observe(expected, why).reproduce(reproduce);
    }
    let root = sight.own().and_then(|reply| reply.processes()).and_then(|answer| has_root(&answer));
    let (mut unknown, mut writable) = (None, Vec::new());
    for mount in &mounts {
        let in_memory = ["tmpfs", "ramfs"].contains(&mount.kind.as_str());
        if !in_memory || mount.is_read_only() || is_mask(mount, &mounts) {
            continue;
        }
        match &root {
            // Nobody but root can write there.
            Ok(false) if holds_cgroups(mount, &mounts) => {}
            Err(why) if holds_cgroups(mount, &mounts) => {
                unknown = Some(format!("who can write to {} was not seen: {why}", mount.point));
            }
            _ => writable.push(mount),
        }
    }
    let evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        "writable file systems in memory: point, options",
        writable.iter().map(|m| json!([m.point, m.super_options])).collect::<Vec<_>>(),
    ));
    let mut wrong = Vec::new();
    let mut sizes = Vec::new();
    for mount in &writable {
        let held = if mount.kind == "ramfs" { None } else { size(&mount.super_options) };
        match held {
            None => wrong.push(format!("{} has no size", mount.point)),
            Some(held) => {
                let shown = format!("{} {}", mount.point, bytes(as_float(held)));
                if check.max.is_some_and(|max| held > max.0) {
                    wrong.push(format!("{shown} is more than that"));
                }
                sizes.push(shown);
            }
        }
    }
    let (verdict, text) = if !wrong.is_empty() {
        (Verdict::Broken, wrong.join("; "))
    } else if let Some(why) = unknown {
        (Verdict::Inconclusive, why)
    } else if sizes.is_empty() {
        (Verdict::Held, "no file system in memory can be written".to_owned())
    } else {
        (Verdict::Held, sizes.join(", "))
    };
    Finding::new(verdict, expected, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}

/// The engine covers parts of /proc with a device of /dev. That is no further file system: /dev
/// is judged for itself. Whatever else is mounted there counts.
fn is_mask(mount: &Mount, mounts: &[Mount]) -> bool {
    let of_dev = || mounts.iter().any(|dev| dev.point == "/dev" && dev.device == mount.device);
    ["/proc/", "/sys/"].iter().any(|at| mount.point.starts_with(at)) && of_dev()
}

/// With version 1 of cgroups, the engine mounts a tmpfs without a size that holds the mounts of
/// the controllers. It belongs to root, and no option says whether it can be written (runc 1.1
/// leaves it read-write).
fn holds_cgroups(mount: &Mount, mounts: &[Mount]) -> bool {
    let below = format!("{}/", mount.point);
    mount.point == "/sys/fs/cgroup"
        && mounts.iter().any(|other| other.kind == "cgroup" && other.point.starts_with(&below))
}

/// Whether a process of the service can write what belongs to root.
fn has_root(answer: &Processes) -> Result<bool, Blind> {
    for process in answer.of_service()? {
        for status in std::iter::once(&process.status).chain(&process.threads_apart) {
            let permitted = u64::from_str_radix(&status.cap_prm, 16)
                .map_err(|_| format!("the capabilities {:?} are not understood", status.cap_prm))?;
            if status.uid.contains(&0) || permitted & DAC_OVERRIDE != 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The size in bytes; the kernel prints it in KiB.
fn size(options: &str) -> Option<u64> {
    let size = options.split(',').find_map(|option| option.strip_prefix("size="))?;
    let (number, factor) = match size.strip_suffix('k') {
        Some(number) => (number, 1024),
        None => (size, 1),
    };
    // tmpfs(5): a size of 0 is no limit.
    number.parse::<u64>().ok().filter(|number| *number > 0)?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("rw,size=65536k,mode=755", Some(64 << 20))]
    #[case("rw,size=4096", Some(4096))]
    #[case("rw,size=0k", None)]
    #[case("rw,mode=755", None)]
    fn a_size_is_read_as_the_kernel_prints_it(#[case] options: &str, #[case] bytes: Option<u64>) {
        assert_eq!(size(options), bytes);
    }
}
