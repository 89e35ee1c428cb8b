//! `pids-limit-enforced`: a service that forks without end is refused at its limit, its
//! neighbours still fork meanwhile, and afterwards it can be executed in again.
//!
//! That a fork failed proves nothing by itself: a limit of the user or of a cgroup above fails
//! with the same error. What counts is that it failed where the cgroup was at its limit, and that
//! the kernel's own counter of refusals moved, where there is one.

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::verdict::Verdict;
use crate::world::{Act, Blind, Pids, Sight, World};

const EXPECTED: &str = "forking without end is refused at the limit, and the neighbours still fork";

/// How many processes of the service may have ended between the refusal and the count.
const SLACK: u64 = 4;

pub(super) fn judge(service: &str, world: &World) -> Finding {
    each_container(service, world, EXPECTED, |sight| judge_one(sight, world))
}

fn judge_one(sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker exec {name} sh -c 'i=0; while [ $i -lt 3000 ]; do sleep 5 & i=$((i+1)); done'; \
         cat /sys/fs/cgroup/pids/docker/$(docker inspect {name} --format '{{{{.Id}}}}')/pids.events"
    );
    // Without a limit nothing would refuse, and that needs no fork to be seen.
    if let Ok(None) = sight.own().and_then(|reply| reply.cgroup()).and_then(|c| c.pids()) {
        let seen = Observation::now(Vantage::Inside, "limit on processes in the cgroup", "none");
        return Finding::new(Verdict::Broken, EXPECTED, Evidence::one(seen))
            .observed("no limit on processes")
            .message("the service has no limit on processes, so it can fork until the host cannot")
            .reproduce(format!("docker inspect {name} --format '{{{{.HostConfig.PidsLimit}}}}'"));
    }
    let pids = match world.act("pids-limit-enforced", &sight.container.id, Act::pids) {
        Ok(pids) => pids,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    let evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        format!("{name} and its neighbours while it forked without end"),
        json!(pids),
    ));
    let (verdict, text) = settle(pids).unwrap_or_else(|why| (Verdict::Inconclusive, why));
    Finding::new(verdict, EXPECTED, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}

fn settle(pids: &Pids) -> Result<(Verdict, String), Blind> {
    let Pids { limit, forked, .. } = pids;
    let Some(errno) = &pids.errno else {
        let text = format!("{forked} processes were forked at a limit of {limit}, none refused");
        return Ok((Verdict::Broken, text));
    };
    let reached = pids.exhausted.pids_current()?;
    if reached > *limit {
        let text = format!("{reached} processes were there at a limit of {limit}");
        return Ok((Verdict::Broken, text));
    }
    if let Err(why) = &pids.fresh_exec {
        return Ok((Verdict::Broken, format!("nothing can be executed in it afterwards: {why}")));
    }
    if errno != "EAGAIN" || reached + SLACK < *limit {
        return Err(format!(
            "a fork was refused with {errno} at {reached} of {limit} processes: something else \
             than the limit refused it"
        ));
    }
    if let (Some(before), Some(after)) = (pids.before.pids_refused(), pids.exhausted.pids_refused())
        && after <= before
    {
        return Err("a fork was refused, but the kernel did not count it".to_owned());
    }
    let affected: Vec<String> = pids
        .neighbours
        .iter()
        .filter(|neighbour| neighbour.before.is_ok())
        .filter_map(|neighbour| {
            let why = neighbour.during.as_ref().err()?;
            Some(format!("{}: {why}", neighbour.container))
        })
        .collect();
    // Who answered after the children had ended was not asked while the limit was exhausted.
    if !pids.held {
        return Err("the neighbours did not answer while the limit was exhausted".to_owned());
    }
    if !affected.is_empty() {
        let text = format!("neighbours could not fork meanwhile: {}", affected.join("; "));
        return Ok((Verdict::Broken, text));
    }
    let unseen = pids.neighbours.iter().find_map(|neighbour| {
        let why = neighbour.before.as_ref().err()?;
        Some(format!("neighbour {} cannot be asked to fork: {why}", neighbour.container))
    });
    if let Some(why) = unseen {
        return Err(why);
    }
    let others = match pids.neighbours.len() {
        0 => "no other service runs".to_owned(),
        count => format!("{count} neighbours still forked"),
    };
    let text = format!(
        "refused with EAGAIN at {reached} of {limit} processes, {forked} of them ours; {others}"
    );
    Ok((Verdict::Held, text))
}
