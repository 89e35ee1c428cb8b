//! `cpu-limit-enforced`: a service that computes without end is kept at its CPU limit.
//!
//! What counts is the CPU time of the cgroup against the clock, and that the kernel made it wait.
//! Usage below the limit proves nothing: it may be that nobody asked for more, or that the host
//! was busy with others; so the limit counts as reached where the busiest second comes near it,
//! while all of the time together must not exceed it. A limit of all processors of the host can never be exceeded there, so it
//! cannot be seen to bind and is skipped.

use serde_json::json;

use super::limits::{as_float, cores};
use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::CpuLimitEnforced;
use crate::verdict::Verdict;
use crate::world::{Act, Blind, Cpu, CpuCount, Sight, World};

const EXPECTED: &str = "a service that computes without end uses its CPU limit and no more";

/// Almost a second, in microseconds.
const SECOND: u64 = 950_000;

pub(super) fn judge(check: &CpuLimitEnforced, service: &str, world: &World) -> Finding {
    each_container(service, world, EXPECTED, |sight| judge_one(check, sight, world))
}

fn judge_one(check: &CpuLimitEnforced, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker exec -d {name} sh -c 'for i in 1 2 3; do timeout 5 sh -c \"while :; do :; done\" & done'; \
         docker stats --no-stream {name}"
    );
    let configured = |what: serde_json::Value| {
        let seen = format!("configured CPU limit of {name}");
        Evidence::one(Observation::now(Vantage::Engine, seen, what))
    };
    let Some(limit) = sight.container.host_config.cores() else {
        return Finding::new(Verdict::Broken, EXPECTED, configured(json!(null)))
            .observed("no CPU limit")
            .message("the service has no CPU limit, so nothing keeps it from all processors")
            .reproduce(format!("docker inspect {name} --format '{{{{.HostConfig.NanoCpus}}}}'"));
    };
    if let Some(processors) = world.about.cpus.filter(|count| limit >= as_float(*count)) {
        let why = format!(
            "a limit of {} cannot bind on this host, which has {processors} processors",
            cores(limit)
        );
        return Finding::does_not_apply(EXPECTED, why, configured(json!(limit)));
    }
    let cpu = match world.act("cpu-limit-enforced", &sight.container.id, Act::cpu) {
        Ok(cpu) => cpu,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    let evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        format!("{name} while it computed without end"),
        json!(cpu),
    ));
    let (verdict, text) =
        settle(cpu, limit, check.tolerance).unwrap_or_else(|why| (Verdict::Inconclusive, why));
    Finding::new(verdict, EXPECTED, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}

fn settle(cpu: &Cpu, limit: f64, tolerance: f64) -> Result<(Verdict, String), Blind> {
    let [first, .., last] = &cpu.counts[..] else {
        return Err("the kernel's counters were not read twice".to_owned());
    };
    let used = cores_between(first, last)?;
    let seconds = as_float(last.at_us.saturating_sub(first.at_us)) / 1e6;
    let text = format!(
        "{used:.3} CPU were used for {seconds:.1} s by {} threads at a limit of {}",
        cpu.threads,
        cores(limit)
    );
    if used > limit * (1.0 + tolerance) {
        return Ok((Verdict::Broken, text));
    }
    let busiest = busiest_second(&cpu.counts)?;
    let text = format!("{text}, {busiest:.3} in the busiest second");
    if busiest < limit * (1.0 - tolerance) {
        let cause = match &cpu.refused {
            Some(errno) => format!("a further thread was refused with {errno}"),
            None => "the host was too busy with others, or something else limits it".to_owned(),
        };
        return Ok((Verdict::Inconclusive, format!("{text}, so it was not reached: {cause}")));
    }
    let waited = last.cgroup.cpu_throttled()?.saturating_sub(first.cgroup.cpu_throttled()?);
    if waited == 0 {
        let text = format!("{text}, but the kernel never made it wait");
        return Ok((Verdict::Inconclusive, text));
    }
    Ok((Verdict::Held, format!("{text}; the kernel made it wait in {waited} periods")))
}

/// The cores that were used between two counts.
fn cores_between(from: &CpuCount, to: &CpuCount) -> Result<f64, Blind> {
    let seconds = as_float(to.at_us.saturating_sub(from.at_us)) / 1e6;
    if seconds <= 0.0 {
        return Err("no time passed while it computed".to_owned());
    }
    Ok((to.cgroup.cpu_used()? - from.cgroup.cpu_used()?) / seconds)
}

/// The most cores that were used for a second, or for all of the time where that is shorter.
fn busiest_second(counts: &[CpuCount]) -> Result<f64, Blind> {
    let mut most = 0.0_f64;
    for (index, from) in counts.iter().enumerate() {
        let later = &counts[index..];
        // The clock of the probe is read a moment early or late.
        if let Some(to) = later.iter().find(|to| to.at_us.saturating_sub(from.at_us) >= SECOND) {
            most = most.max(cores_between(from, to)?);
        }
    }
    match counts {
        [first, .., last] if most == 0.0 => cores_between(first, last),
        _ => Ok(most),
    }
}
