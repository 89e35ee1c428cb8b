//! `capacity-totals`: the limits and reservations of all running containers sum up to what the
//! document states. A container without a limit makes the sum unbounded.

use serde_json::json;

use super::Finding;
use super::limits::{as_float, bytes, configured, cores};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::CapacityTotals;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

/// Limits are multiples of a thousandth of a core.
const CORE: f64 = 0.001;

pub(super) fn judge(check: &CapacityTotals, world: &World) -> Finding {
    let sums = Sums::of(world);
    let stated = [
        Sum::new("CPU limits", check.cpus, sums.cpus, cores, CORE),
        Sum::new("memory limits", check.memory.map(|b| as_float(b.0)), sums.memory, bytes, 0.5),
        Sum::new("CPU reservations", check.reserved_cpus, sums.reserved_cpus, cores, CORE),
        Sum::new(
            "memory reservations",
            check.reserved_memory.map(|b| as_float(b.0)),
            sums.reserved_memory,
            bytes,
            0.5,
        ),
    ];
    let asked: Vec<&Sum> = stated.iter().filter(|sum| sum.stated.is_some()).collect();
    let expected: Vec<String> = asked.iter().map(|sum| sum.expected()).collect();
    let expected = expected.join(", ");
    let evidence = Evidence::one(Observation::now(
        Vantage::Engine,
        "container, CPU limit, memory limit, CPU reservation as declared, memory reservation",
        sums.table.clone(),
    ));
    let finding = |verdict, observed: String, text: String| {
        Finding::new(verdict, expected.clone(), evidence.clone())
            .observed(observed)
            .message(text)
            .reproduce(
                "docker ps --quiet | xargs docker inspect --format \
                 '{{.Name}} {{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}}'",
            )
    };
    if !sums.missing.is_empty() {
        let text = format!("{} has no container, so the sums say nothing", sums.missing.join(", "));
        return finding(Verdict::Inconclusive, text.clone(), text);
    }
    if sums.not_running > 0 || sums.table.is_empty() {
        let text = format!(
            "{} containers run and {} do not, so the sums say nothing",
            sums.table.len(),
            sums.not_running
        );
        return finding(Verdict::Inconclusive, text.clone(), text);
    }
    let observed: Vec<String> = asked.iter().map(|sum| sum.observed()).collect();
    let wrong: Vec<String> = asked.iter().filter_map(|sum| sum.fault()).collect();
    if wrong.is_empty() {
        let text = format!("the sums over {} containers are as stated", sums.table.len());
        return finding(Verdict::Held, observed.join(", "), text);
    }
    finding(Verdict::Broken, observed.join(", "), wrong.join("; "))
}

/// One sum; none where a container has no such limit.
struct Sum {
    what: &'static str,
    stated: Option<f64>,
    is: Option<f64>,
    show: fn(f64) -> String,
    tolerance: f64,
}

impl Sum {
    fn new(
        what: &'static str,
        stated: Option<f64>,
        is: Option<f64>,
        show: fn(f64) -> String,
        tolerance: f64,
    ) -> Sum {
        Sum { what, stated, is, show, tolerance }
    }

    fn expected(&self) -> String {
        format!("{} of {}", self.what, self.stated.map(self.show).unwrap_or_default())
    }

    fn observed(&self) -> String {
        let is = self.is.map_or_else(|| "unbounded".to_owned(), self.show);
        format!("{} of {is}", self.what)
    }

    fn fault(&self) -> Option<String> {
        let stated = self.stated?;
        match self.is {
            Some(is) if (is - stated).abs() <= self.tolerance => None,
            Some(is) => Some(format!(
                "the {} sum up to {}, not to {}",
                self.what,
                (self.show)(is),
                (self.show)(stated)
            )),
            None => Some(format!("the {} have no sum: a container has none", self.what)),
        }
    }
}

/// The sums over the running containers of the stack.
struct Sums {
    cpus: Option<f64>,
    memory: Option<f64>,
    reserved_cpus: Option<f64>,
    reserved_memory: Option<f64>,
    table: Vec<serde_json::Value>,
    not_running: usize,
    /// Services that are meant to run and have no container.
    missing: Vec<String>,
}

impl Sums {
    fn of(world: &World) -> Sums {
        let (running, others): (Vec<&Sight>, Vec<&Sight>) =
            world.services.values().flatten().partition(|sight| sight.container.is_running());
        let sum = |of: fn(&Sight) -> Option<f64>| running.iter().map(|sight| of(sight)).sum();
        let table = running.iter().map(|sight| {
            json!([
                sight.container.short_name(),
                cpus(sight),
                memory(sight),
                reserved_cpus(sight),
                reserved_memory(sight)
            ])
        });
        Sums {
            cpus: sum(cpus),
            memory: sum(memory),
            reserved_cpus: sum(reserved_cpus),
            reserved_memory: sum(reserved_memory),
            table: table.collect(),
            not_running: others.len(),
            missing: world
                .model
                .services
                .iter()
                .filter(|(name, service)| service.is_meant_to_run && world.sights(name).is_empty())
                .map(|(name, _)| name.clone())
                .collect(),
        }
    }
}

fn cpus(sight: &Sight) -> Option<f64> {
    sight.container.host_config.cores()
}

fn memory(sight: &Sight) -> Option<f64> {
    configured(sight.container.host_config.memory)
}

/// The engine knows no such thing, so what is declared has to do.
fn reserved_cpus(sight: &Sight) -> Option<f64> {
    sight.declared.reserved_cpus
}

fn reserved_memory(sight: &Sight) -> Option<f64> {
    configured(sight.container.host_config.memory_reservation)
}
