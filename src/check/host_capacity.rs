//! `host-capacity`: the engine's host has the processors, the memory and the disk that the
//! document asks for.

use serde_json::json;

use super::Finding;
use super::limits::{as_float, bytes};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::{HostCapacity, WhenSmall};
use crate::verdict::Verdict;
use crate::world::World;

pub(super) fn judge(check: &HostCapacity, world: &World) -> Finding {
    let show_bytes = |value: u64| bytes(as_float(value));
    let disk = world.host.as_ref().map_err(Clone::clone).and_then(|reply| reply.disk());
    let evidence = Evidence::one(Observation::now(
        Vantage::Engine,
        "processors and memory of the host, bytes",
        json!([world.about.cpus, world.about.memory]),
    ))
    .and(Observation::now(Vantage::Host, "the disk of the engine, bytes", json!(disk)));
    let (mut asked, mut has, mut small, mut unknown) = (vec![], vec![], vec![], vec![]);
    let mut compare =
        |what: &str, wanted: Option<u64>, is: Result<u64, String>, show: &dyn Fn(u64) -> String| {
            let Some(wanted) = wanted else { return };
            asked.push(format!("{what} of at least {}", show(wanted)));
            match is {
                Ok(is) => {
                    has.push(format!("{what} of {}", show(is)));
                    if is < wanted {
                        small.push(format!("{what} of {} is less than {}", show(is), show(wanted)));
                    }
                }
                Err(why) => unknown.push(format!("{what}: {why}")),
            }
        };
    let told = |value: Option<u64>| value.ok_or_else(|| "the engine does not tell".to_owned());
    compare("processors", check.cpus, told(world.about.cpus), &|count| count.to_string());
    compare("memory", check.memory.map(|b| b.0), told(world.about.memory), &show_bytes);
    compare("disk", check.disk.map(|b| b.0), disk.map(|disk| disk.size), &show_bytes);
    let observed = has.join(", ");
    let (verdict, text) = if !small.is_empty() {
        match check.when_small {
            WhenSmall::Broken => (Verdict::Broken, small.join("; ")),
            WhenSmall::Skipped => {
                let why =
                    format!("this is not the host that the claim is about: {}", small.join("; "));
                (Verdict::Skipped, why)
            }
        }
    } else if !unknown.is_empty() {
        (Verdict::Inconclusive, unknown.join("; "))
    } else {
        (Verdict::Held, observed.clone())
    };
    Finding::new(verdict, asked.join(", "), evidence)
        .observed(observed)
        .message(text)
        .reproduce("docker info --format '{{.NCPU}} {{.MemTotal}}'; df -B1 $(docker info --format '{{.DockerRootDir}}')")
}
