//! `reservation`: what is reserved is declared as stated, and goes where Compose sends it.
//!
//! A reservation is no guarantee. Compose passes reserved cores on to Swarm alone and drops them
//! elsewhere (docker/compose, `setReservations`). Reserved memory becomes the soft limit of the
//! cgroup, `memory.soft_limit_in_bytes` in version 1 and `memory.low` in version 2: the kernel
//! takes memory elsewhere first, and from here too when there is no other.

use serde_json::json;

use super::limits::{as_float, bytes, cores};
use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::Reservation;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

pub(super) fn judge(check: &Reservation, service: &str, world: &World) -> Finding {
    let expected = expected(check);
    each_container(service, world, &expected, |sight| judge_one(check, &expected, sight))
}

fn expected(check: &Reservation) -> String {
    let memory = check.memory.map(|memory| {
        format!("a memory reservation of {} as soft limit", bytes(as_float(memory.0)))
    });
    let cpus = check.cpus.map(|cpus| format!("a declared CPU reservation of {}", cores(cpus)));
    memory.into_iter().chain(cpus).collect::<Vec<_>>().join(", and ")
}

fn judge_one(check: &Reservation, expected: &str, sight: &Sight) -> Finding {
    let name = sight.container.short_name();
    let engine = sight.container.host_config.memory_reservation;
    let engine = engine.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0);
    let cgroup = sight.own().and_then(|reply| reply.cgroup());
    let kernel = cgroup.as_ref().map_err(Clone::clone).and_then(|cgroup| cgroup.soft_memory());
    let evidence = Evidence::one(Observation::now(
        Vantage::Model,
        "declared reservation: memory in bytes, cores",
        json!([sight.declared.reserved_memory, sight.declared.reserved_cpus]),
    ))
    .and(Observation::now(Vantage::Engine, "MemoryReservation, bytes", json!(engine)))
    .and(Observation::now(Vantage::Inside, "soft limit of the cgroup, bytes", json!(kernel)));
    let show = |value: Option<u64>| {
        value.map_or_else(|| "none".to_owned(), |value| bytes(as_float(value)))
    };
    let mut wrong = Vec::new();
    let mut unknown = None;
    if let Some(stated) = check.memory {
        let stated = Some(stated.0);
        let declared = sight.declared.reserved_memory;
        if declared != stated {
            wrong.push(format!("{} is stated, {} is declared", show(stated), show(declared)));
        } else if engine != stated {
            wrong.push(format!("{} is declared, the engine has {}", show(stated), show(engine)));
        } else {
            match &kernel {
                Ok(soft) if *soft == stated => {}
                Ok(soft) => wrong.push(format!(
                    "the engine has {}, the kernel prefers to leave {}",
                    show(engine),
                    show(*soft)
                )),
                Err(why) => unknown = Some(format!("the kernel's view is missing: {why}")),
            }
        }
    }
    if let Some(stated) = check.cpus {
        let declared = sight.declared.reserved_cpus;
        if declared.is_none_or(|declared| (declared - stated).abs() > 0.001) {
            let declared = declared.map_or_else(|| "none".to_owned(), cores);
            wrong.push(format!("{} is stated, {declared} is declared", cores(stated)));
        }
    }
    let (verdict, text) = if !wrong.is_empty() {
        (Verdict::Broken, wrong.join("; "))
    } else if let Some(why) = unknown {
        (Verdict::Inconclusive, why)
    } else {
        (Verdict::Held, what_it_means(check))
    };
    Finding::new(verdict, expected, evidence)
        .observed(format!(
            "declared {} and {}, engine {}, kernel {}",
            show(sight.declared.reserved_memory),
            sight.declared.reserved_cpus.map_or_else(|| "no CPU".to_owned(), cores),
            show(engine),
            kernel.map_or_else(|_| "not observed".to_owned(), show)
        ))
        .message(text)
        .reproduce(format!(
            "docker inspect {name} --format '{{{{.HostConfig.MemoryReservation}}}}'"
        ))
}

/// A reader of "reserved" takes it for a guarantee.
fn what_it_means(check: &Reservation) -> String {
    let memory = check.memory.map(|_| {
        "the memory is a soft limit, which the kernel respects as long as it can".to_owned()
    });
    let cpus = check.cpus.map(|_| {
        "the CPU reservation is declared, and dropped outside Swarm: nothing enforces it".to_owned()
    });
    memory.into_iter().chain(cpus).collect::<Vec<_>>().join("; ")
}
