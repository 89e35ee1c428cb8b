//! `memory-limit`: declared, configured and enforced alike (CIS 5.11).

use super::limits::{ThreeWay, as_float, bytes, configured};
use super::{Finding, each_container};
use crate::scenario::check::MemoryLimit;
use crate::world::World;

/// The kernel rounds a limit down to whole pages, which are at most 64 KiB.
const PAGE: f64 = 65_536.0;

pub(super) fn judge(check: &MemoryLimit, service: &str, world: &World) -> Finding {
    each_container(service, world, "a memory limit", |sight| {
        let name = sight.container.short_name();
        let kernel = sight.own().and_then(|reply| reply.cgroup()).and_then(|cgroup| {
            let raw = serde_json::json!(cgroup.files);
            Ok((cgroup.memory()?.map(as_float), raw))
        });
        ThreeWay {
            what: "memory",
            stated: check.limit.map(|limit| as_float(limit.0)),
            declared: sight.declared.memory.map(as_float),
            engine: configured(sight.container.host_config.memory),
            kernel,
            host: world.about.memory.map(as_float),
            tolerance: PAGE,
            show: bytes,
        }
        .judge(name)
        .reproduce(format!("docker inspect {name} --format '{{{{.HostConfig.Memory}}}}'"))
    })
}
