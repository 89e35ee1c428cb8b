//! `read-only-root`: the root file system is mounted read-only, a file cannot be made in it, and
//! no mount is writable that is not declared to be (CIS 5.13).

use std::collections::BTreeSet;

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::probe::answer::{Attempt, Mount};
use crate::scenario::check::ReadOnlyRoot;
use crate::verdict::Verdict;
use crate::world::{Blind, Sight, World};

const EXPECTED: &str = "the root file system is read-only, and nothing undeclared is writable";

/// Folders in which a file is tried to be made; those that an image does not have are passed
/// over.
pub const TRIED: [&str; 10] =
    ["/", "/etc", "/usr", "/usr/bin", "/usr/local", "/var", "/opt", "/home", "/root", "/app"];

/// Mount points that the engine makes writable in every container. The three files belong to
/// root and hold names and addresses; /dev/shm is bounded.
const ENGINE: [&str; 4] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/shm"];

/// File systems that the kernel makes up; what may be written there is bounded elsewhere.
const VIRTUAL: [&str; 7] = ["proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "securityfs"];

pub(super) fn judge(check: &ReadOnlyRoot, service: &str, world: &World) -> Finding {
    each_container(service, world, EXPECTED, |sight| judge_one(check, sight, world))
}

fn judge_one(check: &ReadOnlyRoot, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!("docker inspect {name} --format '{{{{.HostConfig.ReadonlyRootfs}}}}'");
    let configured = sight.container.host_config.readonly_rootfs;
    let evidence =
        Evidence::one(Observation::now(Vantage::Engine, "ReadonlyRootfs", json!(configured)));
    if !sight.container.is_running() && configured == Some(false) {
        return Finding::new(Verdict::Broken, EXPECTED, evidence)
            .observed("configured writable, and the container does not run")
            .message("the container is configured with a writable root")
            .reproduce(reproduce);
    }
    let (mounts, attempts) = match look(sight) {
        Ok(seen) => seen,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    let mut evidence = evidence
        .and(Observation::now(
            Vantage::Inside,
            "mounts: point, type, options",
            mounts.iter().map(|m| json!([m.point, m.kind, m.options])).collect::<Vec<_>>(),
        ))
        .and(Observation::now(Vantage::Inside, "attempts to make a file", json!(attempts)));
    // The last mount on a point is the one that is seen.
    let Some(root) = mounts.iter().rfind(|mount| mount.point == "/") else {
        return Finding::could_not_observe(EXPECTED, "the mount table has no root");
    };
    let mut wrong = Vec::new();
    if !root.is_read_only() {
        wrong.push("the root file system is mounted read-write".to_owned());
    }
    let points: BTreeSet<&str> = mounts.iter().map(|mount| mount.point.as_str()).collect();
    for attempt in &attempts {
        // A folder that is a mount of its own says nothing about the root.
        let of_root = attempt.folder == "/" || !covered(&attempt.folder, &points);
        if of_root && attempt.outcome == "created" {
            wrong.push(format!("a file was made in {}", attempt.folder));
        }
        if attempt.outcome == "created" && attempt.removed.as_deref() != Some("ok") {
            wrong.push(format!("the file made in {} could not be removed", attempt.folder));
        }
    }
    let declared = declared(check, sight);
    wrong.extend(
        mounts
            .iter()
            .filter(|mount| is_undeclared(mount, &declared))
            .map(|mount| format!("{} is writable and not declared to be", mount.point)),
    );
    if wrong.is_empty() {
        let refused = attempts.iter().filter(|attempt| attempt.outcome == "EROFS").count();
        if refused == 0 {
            return Finding::could_not_observe(EXPECTED, "no attempt came to EROFS")
                .reproduce(reproduce);
        }
        match control(world) {
            Ok(shown) => evidence.extend([shown]),
            Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
        }
        let text = format!("mounted read-only; {refused} attempts to make a file came to EROFS");
        return Finding::new(Verdict::Held, EXPECTED, evidence)
            .observed(text.clone())
            .message(text)
            .reproduce(reproduce);
    }
    Finding::new(Verdict::Broken, EXPECTED, evidence)
        .observed(wrong.join("; "))
        .message(wrong.join("; "))
        .reproduce(reproduce)
}

fn look(sight: &Sight) -> Result<(Vec<Mount>, Vec<Attempt>), Blind> {
    let reply = sight.own()?;
    Ok((reply.mounts()?.mounts, reply.writes()?.writes))
}

/// The control has a writable root, and there the same attempt makes a file.
fn control(world: &World) -> Result<Observation, Blind> {
    let control = world.control.as_ref().map_err(Clone::clone)?;
    let writes = control.user.as_ref().map_err(Clone::clone)?.writes()?;
    if writes.writes.iter().any(|attempt| attempt.outcome == "created") {
        Ok(Observation::now(Vantage::Control, "the same attempt on a writable root", json!(writes)))
    } else {
        Err("the control could not make a file on a writable root either".to_owned())
    }
}

/// Whether a folder is at or below a mount other than the root.
fn covered(folder: &str, points: &BTreeSet<&str>) -> bool {
    points.iter().any(|point| {
        *point != "/" && (folder == *point || folder.starts_with(&format!("{point}/")))
    })
}

/// What may be written: the declared tmpfs and writable mounts, and what the claim allows.
fn declared(check: &ReadOnlyRoot, sight: &Sight) -> BTreeSet<String> {
    let mounts = sight.declared.mounts.iter().filter(|mount| !mount.read_only);
    check
        .writable
        .iter()
        .chain(&sight.declared.tmpfs)
        .chain(mounts.map(|mount| &mount.target))
        .map(|path| path.trim_end_matches('/').to_owned())
        .collect()
}

fn is_undeclared(mount: &Mount, declared: &BTreeSet<String>) -> bool {
    let point = mount.point.as_str();
    let below = |top: &str| point == top || point.starts_with(&format!("{top}/"));
    // /dev and the masks over parts of /proc and /sys are the engine's own, and none of them is
    // on a disk.
    let engines_own = ENGINE.contains(&point)
        || VIRTUAL.contains(&mount.kind.as_str())
        || (mount.kind == "tmpfs" && ["/dev", "/proc", "/sys"].iter().any(|top| below(top)));
    let fine = mount.is_read_only()
        || point == "/"
        || engines_own
        || declared.iter().any(|allowed| below(allowed));
    !fine
}
