//! `tmpfs-bounded`: every file system in memory that the service can write has a size. Without
//! one it may hold half of the host's memory (tmpfs(5)), and what it holds is not freed when a
//! process is killed for it.

use serde_json::json;

use super::limits::{as_float, bytes};
use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::probe::answer::Mount;
use crate::scenario::check::TmpfsBounded;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

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
    let writable: Vec<&Mount> = mounts
        .iter()
        .filter(|mount| mount.kind == "tmpfs" && !mount.is_read_only() && !is_mask(mount))
        .collect();
    let evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        "writable file systems in memory: point, options",
        writable.iter().map(|m| json!([m.point, m.super_options])).collect::<Vec<_>>(),
    ));
    let mut wrong = Vec::new();
    let mut sizes = Vec::new();
    for mount in &writable {
        match size(&mount.super_options) {
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

/// The engine covers parts of /proc with the file system of /dev, which has a size of its own.
fn is_mask(mount: &Mount) -> bool {
    mount.point.starts_with("/proc/") || mount.point.starts_with("/sys/")
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
