//! `cpu-limit-enforced`: a service that computes without end is kept at its CPU limit.
//!
//! What counts is the CPU time of the cgroup against the clock, and that the kernel made it wait.
//! Usage below the limit proves nothing: it may be that nobody asked for more, or that the host
//! was busy with others. A limit of all processors of the host can never be exceeded there, so it
//! cannot be seen to bind and is skipped.

use serde_json::json;

use super::limits::{as_float, cores};
use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::CpuLimitEnforced;
use crate::verdict::Verdict;
use crate::world::{Act, Blind, Cpu, Sight, World};

const EXPECTED: &str = "a service that computes without end uses its CPU limit and no more";

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
        format!("{name} before and after it computed without end"),
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
    let seconds = as_float(cpu.elapsed_us) / 1e6;
    if seconds <= 0.0 {
        return Err("no time passed while it computed".to_owned());
    }
    let used = (cpu.after.cpu_used()? - cpu.before.cpu_used()?) / seconds;
    let text = format!(
        "{used:.3} CPU were used for {seconds:.1} s by {} threads at a limit of {}",
        cpu.threads,
        cores(limit)
    );
    if used > limit * (1.0 + tolerance) {
        return Ok((Verdict::Broken, text));
    }
    if used < limit * (1.0 - tolerance) {
        let cause = match &cpu.refused {
            Some(errno) => format!("a further thread was refused with {errno}"),
            None => "the host was too busy with others, or something else limits it".to_owned(),
        };
        return Ok((Verdict::Inconclusive, format!("{text}, so it was not reached: {cause}")));
    }
    let waited = cpu.after.cpu_throttled()?.saturating_sub(cpu.before.cpu_throttled()?);
    if waited == 0 {
        let text = format!("{text}, but the kernel never made it wait");
        return Ok((Verdict::Inconclusive, text));
    }
    Ok((Verdict::Held, format!("{text}; the kernel made it wait in {waited} periods")))
}
