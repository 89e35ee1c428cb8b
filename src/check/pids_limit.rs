//! `pids-limit`: declared, configured and enforced alike (CIS 5.29).

use super::limits::{ThreeWay, as_float, configured, plain};
use super::{Finding, each_container};
use crate::scenario::check::PidsLimit;
use crate::world::World;

pub(super) fn judge(check: &PidsLimit, service: &str, world: &World) -> Finding {
    each_container(service, world, "a limit on processes", |sight| {
        let name = sight.container.short_name();
        let kernel = sight.own().and_then(|reply| reply.cgroup()).and_then(|cgroup| {
            let raw = serde_json::json!(cgroup.files);
            Ok((cgroup.pids()?.map(as_float), raw))
        });
        ThreeWay {
            what: "pids",
            stated: check.limit.map(as_float),
            declared: configured(sight.declared.pids),
            engine: configured(sight.container.host_config.pids_limit),
            kernel,
            host: None,
            tolerance: 0.5,
            show: plain,
        }
        .judge(name)
        .reproduce(format!("docker inspect {name} --format '{{{{.HostConfig.PidsLimit}}}}'"))
    })
}
