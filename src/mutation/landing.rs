//! Whether a mutant took hold, by the engine's configuration and by the kernel. What did not land
//! is invalid: a check that stays green then has missed nothing, and one that turns red has
//! caught something else.

use serde_json::Value;

use super::{MUTANT, Mutant};
use crate::compose::Model;
use crate::probe::answer::{Mount, Process, Status};
use crate::scenario::capability;
use crate::world::{Blind, Sight, World};

/// A sign that a change took hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Sign {
    /// The model that is declared says so, at this pointer (RFC 6901). For what is never passed on
    /// to an engine, or is changed to keep runs apart.
    Declared(String, Value),
    /// The engine's answer has this value at this pointer.
    Configured(String, Value),
    /// The engine's answer has this text somewhere below this pointer.
    ConfiguredText(String, String),
    /// The engine's answer does not have this text anywhere below this pointer.
    NoConfiguredText(String, String),
    /// The engine's answer has nothing at this pointer: null, an empty list or 0.
    Unconfigured(String),
    /// The container runs another image than the unmutated one.
    Image,
    /// Something in the kernel.
    Kernel(Kernel),
    /// A container of this further service of the mutant runs.
    Runs(String),
}

/// What the kernel says of the processes of a service.
#[derive(Debug, Clone, PartialEq)]
pub enum Kernel {
    /// A process has this uid among its four.
    Uid(u32),
    /// A process has this gid among its four.
    Gid(u32),
    /// A process is in this group.
    Group(u32),
    /// A process has this value of `NoNewPrivs`.
    NoNewPrivileges(u32),
    /// A process has this seccomp mode.
    Seccomp(u32),
    /// A process can regain this capability.
    Bounding(&'static str),
    /// Something is mounted there.
    Mounted(String),
    /// The root is mounted read-write.
    WritableRoot,
    /// There is no memory limit below this one, in bytes.
    MemoryAbove(u64),
    /// There is no limit on CPUs, or not this one.
    CpusNot(f64),
    /// There is no limit on processes, or not this one.
    PidsNot(u64),
}

/// Whether the change took hold.
///
/// # Errors
/// The first sign that is missing, or that could not be seen, with the reason.
pub fn landed(mutant: &Mutant, world: &World, before: &str) -> Result<(), Blind> {
    let [sight] = world.sights(&mutant.service) else {
        let count = world.sights(&mutant.service).len();
        return Err(format!("service {} has {count} containers", mutant.service));
    };
    if sight.container.label(MUTANT) != Some(&mutant.id) {
        return Err(format!("the container of {} is not the changed one", mutant.service));
    }
    mutant.landed.iter().try_for_each(|sign| has(sign, sight, world, before))
}

fn has(sign: &Sign, sight: &Sight, world: &World, before: &str) -> Result<(), Blind> {
    let raw = &sight.container.raw;
    match sign {
        Sign::Declared(pointer, wanted) => declared(&world.model, pointer, wanted),
        Sign::Configured(pointer, wanted) => {
            let is = raw.pointer(pointer).unwrap_or(&Value::Null);
            let lacks = || format!("the engine has {is} at {pointer}, not {wanted}");
            (is == wanted).then_some(()).ok_or_else(lacks)
        }
        Sign::ConfiguredText(pointer, text) => {
            let is = raw.pointer(pointer).map(Value::to_string).unwrap_or_default();
            let lacks = || format!("the engine has no {text} at {pointer}: {is}");
            is.contains(text).then_some(()).ok_or_else(lacks)
        }
        Sign::NoConfiguredText(pointer, text) => {
            let is = raw.pointer(pointer).map(Value::to_string).unwrap_or_default();
            let still = || format!("the engine still has {text} at {pointer}: {is}");
            (!is.contains(text)).then_some(()).ok_or_else(still)
        }
        Sign::Unconfigured(pointer) => {
            let is = raw.pointer(pointer).unwrap_or(&Value::Null);
            let empty = is.is_null() || *is == 0 || is.as_array().is_some_and(Vec::is_empty);
            empty.then_some(()).ok_or_else(|| format!("the engine still has {is} at {pointer}"))
        }
        Sign::Image => {
            let same = || format!("the container still runs the image {before}");
            (sight.container.image != before).then_some(()).ok_or_else(same)
        }
        Sign::Runs(service) => {
            let running = world.sights(service).iter().any(|sight| sight.container.is_running());
            running.then_some(()).ok_or_else(|| format!("no container of {service} runs"))
        }
        // A container that this kernel cannot start is judged as it was created.
        Sign::Kernel(_) if !sight.container.is_running() => Ok(()),
        Sign::Kernel(sign) => kernel(sign, sight),
    }
}

fn declared(model: &Model, pointer: &str, wanted: &Value) -> Result<(), Blind> {
    let is = model.raw.pointer(pointer).unwrap_or(&Value::Null);
    let lacks = || format!("declared is {is} at {pointer}, not {wanted}");
    (is == wanted).then_some(()).ok_or_else(lacks)
}

fn kernel(sign: &Kernel, sight: &Sight) -> Result<(), Blind> {
    let reply = sight.own()?;
    let any = |what: String, is: &dyn Fn(&Status) -> bool| {
        let processes = reply.processes()?;
        let of = |process: &Process| {
            std::iter::once(&process.status).chain(&process.threads_apart).any(is)
        };
        let own = processes.processes.iter().filter(|process| process.is_services_own());
        let found = own.into_iter().any(of);
        found.then_some(()).ok_or_else(|| format!("no process has {what}"))
    };
    match sign {
        Kernel::Uid(uid) => any(format!("uid {uid}"), &|status| status.uid.contains(uid)),
        Kernel::Gid(gid) => any(format!("gid {gid}"), &|status| status.gid.contains(gid)),
        Kernel::Group(gid) => any(format!("group {gid}"), &|status| status.groups.contains(gid)),
        Kernel::NoNewPrivileges(value) => {
            any(format!("NoNewPrivs {value}"), &|status| status.no_new_privs == Some(*value))
        }
        Kernel::Seccomp(mode) => {
            any(format!("seccomp mode {mode}"), &|status| status.seccomp == Some(*mode))
        }
        Kernel::Bounding(name) => any(format!("{name} in its bounding set"), &|status| {
            let bit = capability::ALL.iter().position(|known| known == name);
            let set = u64::from_str_radix(&status.cap_bnd, 16).unwrap_or(0);
            bit.is_some_and(|bit| set & (1 << bit) != 0)
        }),
        Kernel::Mounted(point) => {
            let mounts = reply.mounts()?.mounts;
            // `/var/run` is a link to `/run` in most images, and the kernel tells where it leads.
            let linked = point.strip_prefix("/var").filter(|rest| rest.starts_with("/run/"));
            let is = |mount: &Mount| mount.point == *point || Some(&*mount.point) == linked;
            let mounted = mounts.iter().any(is);
            mounted.then_some(()).ok_or_else(|| format!("nothing is mounted at {point}"))
        }
        Kernel::WritableRoot => {
            let mounts = reply.mounts()?.mounts;
            let root = mounts.iter().rfind(|mount| mount.point == "/");
            let writable = root.is_some_and(|root| !root.is_read_only());
            writable.then_some(()).ok_or_else(|| "the root is mounted read-only".to_owned())
        }
        Kernel::MemoryAbove(bytes) => {
            let limit = reply.cgroup()?.memory()?;
            let above = limit.is_none_or(|limit| limit > *bytes);
            above.then_some(()).ok_or_else(|| format!("the kernel still limits to {limit:?} bytes"))
        }
        Kernel::CpusNot(cores) => {
            let limit = reply.cgroup()?.cpus()?;
            let other = limit.is_none_or(|limit| (limit - cores).abs() > 0.001);
            other.then_some(()).ok_or_else(|| format!("the kernel still gives {cores} CPUs"))
        }
        Kernel::PidsNot(count) => {
            let limit = reply.cgroup()?.pids()?;
            let other = limit != Some(*count);
            other.then_some(()).ok_or_else(|| format!("the kernel still allows {count} processes"))
        }
    }
}
