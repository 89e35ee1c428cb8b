//! `load`: the service answers requests that come at fixed times, without more errors than stated
//! and in time; it stays within its limits, and its neighbours do not notice.
//!
//! The latency of a request counts from when it was to be sent. A test that waits for each answer
//! before it asks again, such as `ab -n 1000 -c 10`, leaves out of its figures what it would have
//! asked while the service stalled; ends in a second or two; and says nothing of limits. CPU is
//! judged by the difference of the cgroup's counter: in `docker stats` 100 % is one core, and an
//! idle moment passes any test.
//!
//! What the generator did late by itself is measured, too. Late by a little it still puts the whole
//! load on the service and only sees answers later than they came: that can make latencies too long
//! and never too short, so it takes away from what is broken and not from what holds. Where it is
//! late by more, the load was another than intended, and nothing is judged.

use serde_json::json;

use super::limits::{as_float, bytes, cores};
use super::{Finding, each_container, neighbours};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::amount::Seconds;
use crate::scenario::check::Load as Asked;
use crate::verdict::Verdict;
use crate::world::load::{Answered, Load};
use crate::world::{Act, Blind, Sight, World};

/// How late the generator may be by itself, in microseconds. Beyond that the load was another than
/// intended: nothing for a while, and then much at once.
const OWN_DELAY_US: u64 = 100_000;
/// How late it may be without making a difference: timers have a grain of a millisecond, and a busy
/// machine lets others work for a few.
const GRAIN_US: u64 = 10_000;
/// How many steps a request has, on either side, each of which may come late on a busy machine.
const STEPS: u64 = 20;
/// How many cores the generator may use where it is behind its times: from here on it cannot be
/// told from a slow service.
const OWN_CORES: f64 = 0.8;
/// How far above a CPU limit the measure may be: a limit binds in periods of a tenth of a second.
const MEASURED: f64 = 1.05;

/// One thing that is asserted: a verdict, and why in a few words.
type Part = (Verdict, String);

pub(super) fn judge(check: &Asked, service: &str, world: &World) -> Finding {
    each_container(service, world, &expected(check), |sight| judge_one(check, sight, world))
}

fn expected(check: &Asked) -> String {
    let mut text = format!(
        "{} requests at {} a second over {} connections fail at most {} % of the time",
        check.requests(),
        check.rate(),
        check.connections(),
        check.max_errors * 100.0,
    );
    for (name, budget) in [("95 %", check.p95), ("99 %", check.p99)] {
        if let Some(budget) = budget {
            text.push_str(&format!(", {name} answered within {} ms", budget.0.as_millis()));
        }
    }
    if check.within_limits {
        text.push_str(", within the limits of the service");
    }
    if check.neighbours {
        text.push_str(", unnoticed by its neighbours");
    }
    text
}

fn judge_one(check: &Asked, sight: &Sight, world: &World) -> Finding {
    let expected = expected(check);
    // Without a limit there is nothing to stay within, and that needs no act to be seen.
    if check.within_limits
        && let Ok(Some(missing)) = limits(sight)
    {
        let seen = Observation::now(Vantage::Inside, "limits in the cgroup", missing.as_str());
        return Finding::new(Verdict::Broken, expected, Evidence::one(seen))
            .observed(missing.clone())
            .message(missing)
            .reproduce(format!(
                "docker inspect {} --format '{{{{.HostConfig.NanoCpus}}}} {{{{.HostConfig.Memory}}}}'",
                sight.container.short_name()
            ));
    }
    let load = match world.act("load", &sight.container.id, Act::load) {
        Ok(load) => load,
        Err(why) => return Finding::could_not_observe(expected, why),
    };
    let answers = &load.answers;
    let name = sight.container.short_name();
    let reproduce = format!(
        "ab -n {} -c {} {} & docker stats --no-stream {name}",
        answers.requests, answers.connections, load.asked
    );
    let parts = match own_fault(answers) {
        Some(why) => vec![(Verdict::Inconclusive, why)],
        None => parts(check, load, sight, world),
    };
    let seen = Observation::now(Vantage::Host, format!("load on {name}"), json!(load));
    let judged = Observation::now(Vantage::Host, "what was judged of it", json!(parts));
    // What does not apply here takes nothing away from the rest and adds nothing to it.
    let judging = parts.iter().filter(|(verdict, _)| *verdict != Verdict::Skipped);
    let verdict = Verdict::worst(judging.map(|(verdict, _)| *verdict));
    let text: Vec<&str> = parts
        .iter()
        .filter(|(one, _)| *one == verdict || *one == Verdict::Skipped)
        .map(|(_, text)| text.as_str())
        .collect();
    let text = text.join("; ");
    Finding::new(verdict, expected, Evidence::one(seen).and(judged))
        .observed(summary(answers))
        .message(text)
        .reproduce(reproduce)
}

/// Why the figures are those of the generator, if they are.
fn own_fault(answers: &Answered) -> Option<String> {
    let delay = millis(answers.own_delay_us);
    if answers.own_delay_us > OWN_DELAY_US {
        return Some(format!(
            "this machine could not send as intended: of what nothing kept it from, 5 % was more \
             than {delay} late"
        ));
    }
    let behind = answers.sent_late_us > GRAIN_US;
    (behind && answers.own_cores > OWN_CORES).then(|| {
        format!(
            "this machine could not send {} requests a second: it used {:.2} cores for them and \
             was behind all the same",
            answers.rate, answers.own_cores
        )
    })
}

fn parts(check: &Asked, load: &Load, sight: &Sight, world: &World) -> Vec<Part> {
    let mut parts = vec![errors(check, &load.answers)];
    if let Some(what) = &load.ended {
        parts.push((Verdict::Broken, format!("under the load {what}")));
    }
    let latency = load.answers.latency;
    let budgets = [("95 %", check.p95, latency.p95_us), ("99 %", check.p99, latency.p99_us)];
    parts.extend(
        budgets.into_iter().filter_map(|(of, budget, seen)| {
            Some(late(of, budget?, seen, load.answers.own_delay_us))
        }),
    );
    if check.within_limits {
        parts.push(cpu(load, sight, world));
        parts.push(memory(load, sight, world));
    }
    if let Some(seen) = &load.neighbours {
        parts.push(match seen.others.is_empty() && check.watch.is_empty() {
            true => (Verdict::Skipped, "no other service runs that could notice".to_owned()),
            false => neighbours::judge(seen, &check.latency_budget),
        });
    }
    parts
}

fn errors(check: &Asked, answers: &Answered) -> Part {
    let failed = answers.failed();
    let text = if failed == 0 {
        summary(answers)
    } else {
        let mut kinds: Vec<(&String, &u64)> = answers.errors.iter().collect();
        kinds.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        let kinds: Vec<String> =
            kinds.iter().map(|(what, times)| format!("{times} times {what}")).collect();
        format!("{failed} of {} requests failed: {}", answers.requests, kinds.join(", "))
    };
    if answers.answered + failed < answers.requests || answers.requests == 0 {
        let what = answers.answered + failed;
        let text = format!("of {} requests only {what} came to anything", answers.requests);
        return (Verdict::Inconclusive, text);
    }
    let too_many = as_float(failed) > check.max_errors * as_float(answers.requests);
    let held = !too_many && answers.answered > 0;
    (if held { Verdict::Held } else { Verdict::Broken }, text)
}

fn summary(answers: &Answered) -> String {
    let latency = answers.latency;
    format!(
        "{} of {} requests answered at {} a second over {} connections; 50 % within {}, 95 % within \
         {}, 99 % within {}, the last within {}",
        answers.answered,
        answers.requests,
        answers.rate,
        answers.connections,
        millis(latency.p50_us),
        millis(latency.p95_us),
        millis(latency.p99_us),
        millis(latency.max_us),
    )
}

fn late(of: &str, budget: Seconds, seen: u64, own_delay: u64) -> Part {
    let most = u64::try_from(budget.0.as_micros()).unwrap_or(u64::MAX);
    let text = format!("{of} were answered within {}, at most {}", millis(seen), millis(most));
    if seen <= most {
        return (Verdict::Held, text);
    }
    if own_delay > GRAIN_US && seen <= most.saturating_add(own_delay.saturating_mul(STEPS)) {
        let text = format!(
            "{text}, and that this machine was itself {} late at times may have caused it",
            millis(own_delay)
        );
        return (Verdict::Inconclusive, text);
    }
    (Verdict::Broken, text)
}

/// Which limit the service does not have.
fn limits(sight: &Sight) -> Result<Option<String>, Blind> {
    let cgroup = sight.own().and_then(|reply| reply.cgroup())?;
    let missing = [("CPU", cgroup.cpus()?.is_none()), ("memory", cgroup.memory()?.is_none())];
    let missing: Vec<String> = missing
        .into_iter()
        .filter(|(_, is_missing)| *is_missing)
        .map(|(what, _)| format!("there is no {what} limit to stay within"))
        .collect();
    Ok((!missing.is_empty()).then(|| missing.join("; ")))
}

fn cpu(load: &Load, sight: &Sight, world: &World) -> Part {
    let limit = match sight.own().and_then(|reply| reply.cgroup()).and_then(|c| c.cpus()) {
        Ok(Some(limit)) => limit,
        Ok(None) => return (Verdict::Broken, "there is no CPU limit to stay within".to_owned()),
        Err(why) => return (Verdict::Inconclusive, format!("its CPU limit: {why}")),
    };
    let used = match &load.cpu {
        Ok(used) => *used,
        Err(why) => return (Verdict::Inconclusive, format!("its CPU usage: {why}")),
    };
    let text = format!("it used {used:.2} CPU of {}", cores(limit));
    if let Some(processors) = world.about.cpus.filter(|count| limit >= as_float(*count)) {
        let text = format!(
            "{text}, which is not judged: that limit cannot bind on a host with {processors} \
             processors"
        );
        return (Verdict::Skipped, text);
    }
    (if used > limit * MEASURED { Verdict::Broken } else { Verdict::Held }, text)
}

fn memory(load: &Load, sight: &Sight, world: &World) -> Part {
    if let Some(kills) = load.oom_kills.filter(|kills| *kills > 0) {
        return (Verdict::Broken, format!("memory ran out, and {kills} of it were killed"));
    }
    let limit = match sight.own().and_then(|reply| reply.cgroup()).and_then(|c| c.memory()) {
        Ok(Some(limit)) => limit,
        Ok(None) => return (Verdict::Broken, "there is no memory limit to stay within".to_owned()),
        Err(why) => return (Verdict::Inconclusive, format!("its memory limit: {why}")),
    };
    let used = match &load.memory {
        Ok(used) => *used,
        Err(why) => return (Verdict::Inconclusive, why.clone()),
    };
    let text = format!("it had {} of {}", bytes(as_float(used)), bytes(as_float(limit)));
    if let Some(host) = world.about.memory.filter(|host| limit >= *host) {
        let host = bytes(as_float(host));
        let text =
            format!("{text}, which is not judged: that limit cannot bind on a host with {host}");
        return (Verdict::Skipped, text);
    }
    (if used > limit { Verdict::Broken } else { Verdict::Held }, text)
}

fn millis(microseconds: u64) -> String {
    format!("{:.1} ms", as_float(microseconds) / 1e3)
}
