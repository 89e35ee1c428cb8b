//! `cpu-limit`: declared, configured and enforced alike (CIS 5.12).

use super::limits::{ThreeWay, as_float, cores};
use super::{Finding, each_container};
use crate::scenario::check::CpuLimit;
use crate::world::World;

/// The engine keeps billionths of a core, the kernel microseconds of a tenth of a second.
const TOLERANCE: f64 = 0.001;

pub(super) fn judge(check: &CpuLimit, service: &str, world: &World) -> Finding {
    each_container(service, world, "a CPU limit", |sight| {
        let name = sight.container.short_name();
        let kernel = sight.own().and_then(|reply| reply.cgroup()).and_then(|cgroup| {
            let raw = serde_json::json!(cgroup.files);
            Ok((cgroup.cpus()?, raw))
        });
        ThreeWay {
            what: "CPU",
            stated: check.cpus,
            declared: sight.declared.cpus.filter(|cpus| *cpus > 0.0),
            engine: sight.container.host_config.cores(),
            kernel,
            // A limit of all processors is one that the engine accepts and the document may
            // state; whether it can bind is a question for the load checks.
            host: world.about.cpus.map(|count| as_float(count) + TOLERANCE),
            tolerance: TOLERANCE,
            show: cores,
        }
        .judge(name)
        .reproduce(format!("docker inspect {name} --format '{{{{.HostConfig.NanoCpus}}}}'"))
    })
}
