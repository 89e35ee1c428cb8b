//! The figures of a stack that its host cannot give, and what they are scaled to. Pure.

use crate::check::limits::{as_float, bytes, cores};
use crate::compose::{Model, Service};

/// What the engine says of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The processors.
    pub cpus: Option<u64>,
    /// The memory in bytes.
    pub memory: Option<u64>,
}

/// A figure of a service that is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// The CPU limit, in cores.
    Cpus,
    /// The reserved cores.
    ReservedCpus,
    /// The memory limit, in bytes.
    Memory,
    /// The reserved memory, in bytes.
    ReservedMemory,
    /// Memory plus swap, in bytes.
    MemorySwap,
}

/// One figure of one service, and what it is scaled to.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The service.
    pub service: String,
    /// What is changed.
    pub figure: Figure,
    /// What is declared.
    pub declared: f64,
    /// What fits the host.
    pub scaled: f64,
}

/// The smallest unit of memory that is proposed, so that the file can be read.
const MIB: u64 = 1 << 20;

impl Figure {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Figure::Cpus => "CPU limit",
            Figure::ReservedCpus => "CPU reservation",
            Figure::Memory => "memory limit",
            Figure::ReservedMemory => "memory reservation",
            Figure::MemorySwap => "limit of memory and swap",
        }
    }

    /// A value of it for people.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Figure::Cpus | Figure::ReservedCpus => cores(value),
            Figure::Memory | Figure::ReservedMemory | Figure::MemorySwap => bytes(value),
        }
    }

    /// Whether the host, and not another figure of the service, is what is too small for it.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(self, Figure::Cpus | Figure::Memory)
    }
}

/// Every figure of the model that does not fit the host. What the engine does not tell of its
/// host, nothing is compared with.
#[must_use]
pub fn changes(model: &Model, host: Host) -> Vec<Change> {
    let meant_to_run = model.services.iter().filter(|(_, service)| service.is_meant_to_run);
    meant_to_run
        .flat_map(|(name, service)| {
            let figures = [host.cpus.map(|cpus| of_cpus(service, cpus)), {
                host.memory.map(|memory| of_memory(service, memory))
            }];
            let change = |(figure, declared, scaled)| Change {
                service: name.clone(),
                figure,
                declared,
                scaled,
            };
            figures.into_iter().flatten().flatten().map(change).collect::<Vec<_>>()
        })
        .collect()
}

/// A figure, what is declared and what fits.
type Scaled = (Figure, f64, f64);

/// A limit of all cores is one that the engine accepts. A reservation above it would be nonsense.
fn of_cpus(service: &Service, host: u64) -> Vec<Scaled> {
    let host = as_float(host);
    let Some(declared) = service.cpus.filter(|cpus| *cpus > host) else { return vec![] };
    let reserved = service.reserved_cpus.filter(|reserved| *reserved > host);
    let reserved = reserved.map(|reserved| (Figure::ReservedCpus, reserved, host));
    std::iter::once((Figure::Cpus, declared, host)).chain(reserved).collect()
}

/// A memory limit of the whole host cannot be reached. Half of it can, because the rest of the
/// stack and the host itself need some, too. The engine refuses a reservation above the limit, and
/// the swap that the service may use stays what it was.
fn of_memory(service: &Service, host: u64) -> Vec<Scaled> {
    let Some(declared) = service.memory.filter(|memory| *memory >= host) else { return vec![] };
    let fits = (host / 2 / MIB).max(1) * MIB;
    let reserved = service.reserved_memory.filter(|reserved| *reserved > fits);
    let both = service.memory_swap.and_then(|both| u64::try_from(both).ok());
    let swap = both.and_then(|both| Some((both, both.checked_sub(declared)?)));
    let scaled = |figure, declared, fits| (figure, as_float(declared), as_float(fits));
    std::iter::once(scaled(Figure::Memory, declared, fits))
        .chain(reserved.map(|reserved| scaled(Figure::ReservedMemory, reserved, fits)))
        .chain(swap.map(|(both, swap)| scaled(Figure::MemorySwap, both, fits + swap)))
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const GIB: f64 = 1_073_741_824.0;

    /// A host with one core and 3 GiB of memory.
    const ONE_CORE: Host = Host { cpus: Some(1), memory: Some(3 << 30) };

    fn of(service: &Value) -> Vec<Scaled> {
        let model = Model::of(json!({"services": {"a": service}})).unwrap();
        let changes = changes(&model, ONE_CORE);
        changes.into_iter().map(|change| (change.figure, change.declared, change.scaled)).collect()
    }

    #[rstest]
    #[case::above_the_host(json!({"deploy": {"resources": {"limits": {"cpus": 2}}}}), vec![(Figure::Cpus, 2.0, 1.0)])]
    #[case::a_little_above_it(json!({"cpus": 1.01}), vec![(Figure::Cpus, 1.01, 1.0)])]
    #[case::in_the_older_key(json!({"cpus": "2.5"}), vec![(Figure::Cpus, 2.5, 1.0)])]
    #[case::with_a_reservation_above_the_host(
        json!({"deploy": {"resources": {"limits": {"cpus": 4}, "reservations": {"cpus": 2}}}}),
        vec![(Figure::Cpus, 4.0, 1.0), (Figure::ReservedCpus, 2.0, 1.0)]
    )]
    #[case::with_a_reservation_that_fits(
        json!({"deploy": {"resources": {"limits": {"cpus": 2}, "reservations": {"cpus": 1}}}}),
        vec![(Figure::Cpus, 2.0, 1.0)]
    )]
    #[case::of_all_cores(json!({"cpus": 1}), vec![])]
    #[case::of_none(json!({}), vec![])]
    #[case::of_a_service_that_has_no_containers(json!({"cpus": 2, "scale": 0}), vec![])]
    // Compose drops it, so it keeps nothing from starting.
    #[case::only_reserved(json!({"deploy": {"resources": {"reservations": {"cpus": 2}}}}), vec![])]
    fn on_one_core_a_cpu_limit(#[case] service: Value, #[case] expected: Vec<Scaled>) {
        assert_eq!(of(&service), expected);
    }

    #[rstest]
    #[case::above_the_host(
        json!({"deploy": {"resources": {"limits": {"memory": "4294967296"}}}}),
        vec![(Figure::Memory, 4.0 * GIB, 1.5 * GIB)]
    )]
    #[case::of_the_whole_host(json!({"mem_limit": "3221225472"}), vec![(Figure::Memory, 3.0 * GIB, 1.5 * GIB)])]
    #[case::below_the_host(json!({"mem_limit": "3221225471"}), vec![])]
    #[case::with_a_reservation_and_swap(
        json!({"mem_limit": "4294967296", "mem_reservation": "2147483648", "memswap_limit": "5368709120"}),
        vec![
            (Figure::Memory, 4.0 * GIB, 1.5 * GIB),
            (Figure::ReservedMemory, 2.0 * GIB, 1.5 * GIB),
            (Figure::MemorySwap, 5.0 * GIB, 2.5 * GIB),
        ]
    )]
    #[case::with_unlimited_swap(
        json!({"mem_limit": "4294967296", "memswap_limit": "-1"}),
        vec![(Figure::Memory, 4.0 * GIB, 1.5 * GIB)]
    )]
    fn with_3_gib_a_memory_limit(#[case] service: Value, #[case] expected: Vec<Scaled>) {
        assert_eq!(of(&service), expected);
    }

    #[test]
    fn nothing_is_compared_with_what_the_engine_does_not_tell() {
        let model = json!({"services": {"a": {"cpus": 64, "mem_limit": "1099511627776"}}});
        let unknown = Host { cpus: None, memory: None };
        assert_eq!(changes(&Model::of(model).unwrap(), unknown), vec![]);
    }
}
