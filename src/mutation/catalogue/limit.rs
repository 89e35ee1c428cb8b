//! What a service may use.

use serde_json::{Value, json};

use super::mutant;
use crate::mutation::landing::Kernel;
use crate::mutation::subject::{Ground, Subject};
use crate::mutation::{Expected, Mutant, Sign, Update};

/// More than any host has, in bytes.
const WITHOUT_END: u64 = 8 << 40;

/// The mutants of one service.
pub(super) fn of(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    if let Some(limit) = subject.declared.memory {
        mutants.extend(memory(ground, subject, limit));
    }
    if let Some(limit) = subject.declared.cpus {
        mutants.extend(cpus(ground, subject, limit));
    }
    if let Some(limit) = subject.declared.pids.and_then(|limit| u64::try_from(limit).ok()) {
        mutants.extend(pids(subject, limit));
    }
    if subject.declared.reserved_memory.is_some() {
        mutants.push(
            mutant(subject, "no-reservation", "the memory reservation is dropped")
                .patch(&json!({"mem_reservation": null}))
                .patch(&without(subject, "/deploy/resources/reservations", "memory"))
                .sign(Sign::Unconfigured("/HostConfig/MemoryReservation".to_owned()))
                .breaks("reservation", "none is declared")
                .also(&["capacity-totals"]),
        );
    }
    mutants
}

/// A patch that takes a key away from an object of the service, where there is such an object.
fn without(subject: &Subject, pointer: &str, key: &str) -> Value {
    if subject.raw.pointer(&format!("{pointer}/{key}")).is_none() {
        return json!({});
    }
    pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev().fold(
        json!({key: null}),
        |inner, part| {
            let mut outer = serde_json::Map::new();
            outer.insert(part.to_owned(), inner);
            Value::Object(outer)
        },
    )
}

const LIMITS: &str = "/deploy/resources/limits";

fn memory(ground: &Ground, subject: &Subject, limit: u64) -> Vec<Mutant> {
    let dropped =
        || [json!({"mem_limit": null, "memswap_limit": null}), without(subject, LIMITS, "memory")];
    // Where the limit is written, it is written anew.
    let set = |bytes: u64, swap: Value| {
        let limit = if subject.raw.pointer(&format!("{LIMITS}/memory")).is_some() {
            json!({"deploy": {"resources": {"limits": {"memory": bytes.to_string()}}}})
        } else {
            json!({"mem_limit": bytes.to_string()})
        };
        [json!({"memswap_limit": swap}), limit]
    };
    let own = ["swap-limit", "capacity-totals", "reservation", "load"];
    let above = |bytes| Sign::Kernel(Kernel::MemoryAbove(bytes));
    let mut mutants = vec![
        mutant(subject, "no-memory-limit", "the memory limit is dropped")
            .patches(&dropped())
            .sign(Sign::Unconfigured("/HostConfig/Memory".to_owned()))
            .sign(above(limit))
            .breaks("memory-limit", "no memory limit is declared")
            .breaks("oom-contained", "no memory limit")
            .breaks("oom-blast-radius", "no memory limit")
            .also(&own),
        mutant(subject, "memory-limit-beyond-host", "the memory limit is more than the host has")
            .patches(&set(WITHOUT_END, json!(WITHOUT_END.to_string())))
            .sign(above(limit))
            .breaks("memory-limit", "")
            .also(&own)
            .also(&["oom-contained", "oom-blast-radius"]),
        mutant(subject, "memory-limit-ignored", "the memory limit stands where Compose ignores it")
            .patches(&dropped())
            .patch(&json!({"x-deploy": {"resources": {"limits": {"memory": limit.to_string()}}}}))
            .sign(Sign::Unconfigured("/HostConfig/Memory".to_owned()))
            .sign(above(limit))
            .breaks("memory-limit", "no memory limit is declared")
            .also(&own)
            .also(&["oom-contained", "oom-blast-radius"]),
        mutant(subject, "memory-limit-doubled", "the memory limit is twice as high")
            .patches(&set(2 * limit, json!((2 * limit).to_string())))
            .sign(Sign::Configured("/HostConfig/Memory".to_owned(), json!(2 * limit)))
            .sign(above(limit))
            .breaks("memory-limit", "the document states")
            .also(&own)
            .also(&["oom-contained", "oom-blast-radius"]),
        mutant(
            subject,
            "memory-limit-updated",
            "the memory limit of the running container is raised",
        )
        .update(Update { memory: Some(2 * limit), ..Update::default() })
        .sign(above(limit))
        .breaks("memory-limit", "but the engine has")
        .also(&own),
        mutant(subject, "swap-without-end", "it may swap as much as there is")
            .patches(&set(limit, json!(-1)))
            .sign(Sign::Configured("/HostConfig/MemorySwap".to_owned(), json!(-1)))
            .breaks("swap-limit", "")
            .also(&["oom-contained", "oom-blast-radius"]),
        mutant(subject, "oom-killer-off", "the kernel's OOM killer is off for it")
            .patch(&json!({"oom_kill_disable": true}))
            .sign(Sign::Configured("/HostConfig/OomKillDisable".to_owned(), json!(true)))
            .breaks("oom-contained", "")
            .alone(),
    ];
    // Only a document that states a number can be contradicted by another one.
    if !states_memory(subject) {
        mutants.retain(|mutant| mutant.weakness != "memory-limit-doubled");
    }
    // What two of them did to the sums could not be told apart, so one service has this one.
    if states_memory(subject)
        && ground
            .subjects
            .values()
            .find(|other| states_memory(other))
            .is_some_and(|first| first.name == subject.name)
    {
        let mut totals =
            mutant(subject, "totals-exceeded", "the limits sum up to more than is stated")
                .patches(&set(3 * limit, json!((3 * limit).to_string())))
                .sign(Sign::Configured("/HostConfig/Memory".to_owned(), json!(3 * limit)))
                .breaks("memory-limit", "the document states")
                .also(&own)
                .also(&["oom-contained", "oom-blast-radius"])
                .alone();
        totals.breaks.push(Expected {
            code: "capacity-totals".to_owned(),
            service: String::new(),
            because: "memory limits".to_owned(),
            one_is_enough: false,
        });
        mutants.push(totals);
    }
    // Only with the first version of cgroups can the OOM killer be switched off.
    if ground.about.cgroup.as_deref() != Some("1") {
        mutants.retain(|mutant| mutant.weakness != "oom-killer-off");
    }
    mutants
}

fn states_memory(subject: &Subject) -> bool {
    use crate::scenario::CheckSpec;
    let stated = subject.spec(|spec| match spec {
        CheckSpec::MemoryLimit(check) => check.limit,
        _ => None,
    });
    stated.is_some()
}

fn cpus(ground: &Ground, subject: &Subject, limit: f64) -> Vec<Mutant> {
    let dropped = || [json!({"cpus": null}), without(subject, LIMITS, "cpus")];
    let other = || Sign::Kernel(Kernel::CpusNot(limit));
    let own = ["capacity-totals", "load"];
    let host = ground.about.cpus.unwrap_or(1);
    let above = match subject.raw.pointer(&format!("{LIMITS}/cpus")) {
        Some(_) => json!({"deploy": {"resources": {"limits": {"cpus": (host + 1).to_string()}}}}),
        None => json!({"cpus": host + 1}),
    };
    let mut mutants = vec![
        mutant(subject, "no-cpu-limit", "the CPU limit is dropped")
            .patches(&dropped())
            .sign(Sign::Unconfigured("/HostConfig/NanoCpus".to_owned()))
            .sign(other())
            .breaks("cpu-limit", "no CPU limit is declared")
            .breaks("cpu-limit-enforced", "no CPU limit")
            .also(&own),
        mutant(subject, "cpu-shares-instead", "a share of the CPUs is given instead of a limit")
            .patches(&dropped())
            .patch(&json!({"cpu_shares": 512}))
            .sign(Sign::Configured("/HostConfig/CpuShares".to_owned(), json!(512)))
            .sign(other())
            .breaks("cpu-limit", "no CPU limit is declared")
            .also(&own)
            .also(&["cpu-limit-enforced"]),
        mutant(subject, "cpu-limit-beyond-host", "the CPU limit is more than the host has")
            .patch(&above)
            .breaks("cpu-limit", "")
            .also(&own)
            .may_be_refused(),
        mutant(subject, "cpu-limit-updated", "the CPU limit of the running container is changed")
            .update(Update { cpus: Some(limit / 2.0), ..Update::default() })
            .sign(other())
            .breaks("cpu-limit", "but the engine has")
            .also(&own),
    ];
    if subject.is_asked("load") {
        mutants.push(
            mutant(
                subject,
                "starved-under-load",
                "a hundredth of a CPU is left to the running container",
            )
            .update(Update { cpus: Some(0.01), ..Update::default() })
            .sign(other())
            .breaks("load", "")
            .breaks("cpu-limit", "but the engine has")
            .also(&["healthy", "restart-policy", "capacity-totals"])
            .alone(),
        );
    }
    mutants
}

fn pids(subject: &Subject, limit: u64) -> Vec<Mutant> {
    let dropped = || [json!({"pids_limit": null}), without(subject, LIMITS, "pids")];
    // Two figures that differ are refused, so it stands where the limit stood.
    let unlimited = match subject.raw.pointer(&format!("{LIMITS}/pids")) {
        Some(_) => json!({"deploy": {"resources": {"limits": {"pids": -1}}}}),
        None => json!({"pids_limit": -1}),
    };
    let other = || Sign::Kernel(Kernel::PidsNot(limit));
    vec![
        mutant(subject, "no-pids-limit", "the limit on processes is dropped")
            .patches(&dropped())
            .sign(other())
            .breaks("pids-limit", "no pids limit is declared")
            .breaks("pids-limit-enforced", "no limit on processes"),
        mutant(subject, "pids-limit-without-end", "the limit on processes is -1, which is none")
            .patch(&unlimited)
            .sign(other())
            .breaks("pids-limit", "")
            .also(&["pids-limit-enforced"]),
        mutant(
            subject,
            "pids-limit-updated",
            "the limit on processes of the running container is raised",
        )
        .update(Update { pids: i64::try_from(2 * limit).ok(), ..Update::default() })
        .sign(other())
        .breaks("pids-limit", "but the engine has")
        .also(&["pids-limit-enforced"]),
    ]
}
