//! `swap-limit`: the swap on top of the memory limit is declared, configured and enforced alike.
//! Undeclared, the engine allows as much swap as memory. On a host without swap nothing can be
//! swapped whatever the limit says, so an agreement is then reported as not applicable.

use super::limits::{ThreeWay, as_float, bytes};
use super::{Finding, each_container};
use crate::scenario::check::SwapLimit;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

const PAGE: f64 = 65_536.0;

pub(super) fn judge(check: &SwapLimit, service: &str, world: &World) -> Finding {
    each_container(service, world, "a swap limit", |sight| judge_one(check, sight))
}

fn judge_one(check: &SwapLimit, sight: &Sight) -> Finding {
    let name = sight.container.short_name();
    let cgroup = sight.own().and_then(|reply| reply.cgroup());
    let kernel = cgroup.clone().and_then(|cgroup| {
        let raw = serde_json::json!(cgroup.files);
        Ok((cgroup.swap()?.map(as_float), raw))
    });
    let host = &sight.container.host_config;
    let finding = ThreeWay {
        what: "swap",
        stated: Some(check.swap.map_or(0.0, |swap| as_float(swap.0))),
        declared: swap(sight.declared.memory_swap, sight.declared.memory),
        engine: swap(host.memory_swap, host.memory.and_then(|memory| u64::try_from(memory).ok())),
        kernel,
        host: None,
        tolerance: PAGE,
        show: bytes,
    }
    .judge(name)
    .reproduce(format!("docker inspect {name} --format '{{{{.HostConfig.MemorySwap}}}}'"));
    let no_swap = cgroup.is_ok_and(|cgroup| !cgroup.host_has_swap());
    if finding.verdict == Verdict::Held && no_swap {
        let message =
            format!("{}; the host has no swap, so it cannot be seen to bind", finding.message);
        return Finding { verdict: Verdict::Skipped, message, ..finding };
    }
    finding
}

/// What is left of "memory plus swap" when the memory is taken off. Undeclared or 0 it is as
/// much again as the memory; -1 is no limit.
fn swap(both: Option<i64>, memory: Option<u64>) -> Option<f64> {
    let memory = memory.filter(|memory| *memory > 0)?;
    match both {
        None | Some(0) => Some(as_float(memory)),
        Some(both) => {
            let both = u64::try_from(both).ok()?;
            Some(as_float(both.saturating_sub(memory)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(None, Some(64), Some(64.0))]
    #[case(Some(0), Some(64), Some(64.0))]
    #[case(Some(64), Some(64), Some(0.0))]
    #[case(Some(96), Some(64), Some(32.0))]
    #[case(Some(-1), Some(64), None)]
    #[case(Some(64), None, None)]
    fn swap_is_what_is_left_of_both(
        #[case] both: Option<i64>,
        #[case] memory: Option<u64>,
        #[case] left: Option<f64>,
    ) {
        assert_eq!(swap(both, memory), left);
    }
}
