//! Whether the neighbours of a service noticed what was done to it, for the checks that do
//! something.
//!
//! A neighbour keeps its processes, is not started again, loses none to the OOM killer of its own
//! cgroup, stays as healthy as it was, and those that were asked answer as before and within a
//! budget. Where one of these could not be seen of one neighbour, nothing is held.

use super::limits::as_float;
use crate::scenario::check::LatencyBudget;
use crate::verdict::Verdict;
use crate::world::neighbours::{Answers, Latency, Neighbour, Neighbours, Samples, Standing};

/// What the neighbours noticed: a verdict, and why in a sentence.
pub fn judge(neighbours: &Neighbours, budget: &LatencyBudget) -> (Verdict, String) {
    if neighbours.others.is_empty() {
        return (Verdict::Inconclusive, "no other service runs that could notice".to_owned());
    }
    let others = neighbours.others.iter().map(standing);
    let asked = neighbours.latency.iter().map(|latency| answers(latency, budget));
    let all: Vec<(Verdict, String)> = others.chain(asked).collect();
    let verdict = Verdict::worst(all.iter().map(|(verdict, _)| *verdict));
    if verdict == Verdict::Held {
        let others = neighbours.others.len();
        let slowest = neighbours.latency.iter().max_by_key(|latency| p95(latency));
        let asked = match slowest.map(|latency| answers(latency, budget)) {
            None => "none was asked how fast it answers".to_owned(),
            Some((_, text)) => format!("{} asked, slowest {text}", neighbours.latency.len()),
        };
        return (verdict, format!("{others} others went on as before; {asked}"));
    }
    let why = all.into_iter().filter(|(one, _)| *one == verdict).map(|(_, why)| why);
    (verdict, why.collect::<Vec<_>>().join("; "))
}

/// What 95 of 100 answers meanwhile did not exceed, in microseconds.
fn p95(latency: &Latency) -> u64 {
    latency.answers.as_ref().map_or(0, |answers| answers.during.p95_us)
}

/// Whether one neighbour stands as before.
fn standing(other: &Neighbour) -> (Verdict, String) {
    let name = &other.container;
    let before = match &other.before {
        Ok(before) => before,
        Err(why) => return (Verdict::Inconclusive, format!("{name} before: {why}")),
    };
    let after = match &other.after {
        Ok(after) => after,
        Err(why) => return (Verdict::Inconclusive, format!("{name} after: {why}")),
    };
    if let Some(what) = fallen(before, after) {
        return (Verdict::Broken, format!("{name} {what}"));
    }
    let bad = ["die", "oom", "restart", "health_status: unhealthy"];
    if let Some(event) = other.events.iter().find(|event| bad.contains(&event.as_str())) {
        return (Verdict::Broken, format!("the engine reported {event} of {name}"));
    }
    let (was, is) = match (&before.processes, &after.processes) {
        (Ok(was), Ok(is)) => (was, is),
        (Err(why), _) | (_, Err(why)) => {
            return (Verdict::Inconclusive, format!("processes of {name}: {why}"));
        }
    };
    let gone: Vec<String> = was
        .iter()
        .filter(|process| {
            !is.iter().any(|now| now.pid == process.pid && now.started == process.started)
        })
        .map(|process| format!("{} (pid {})", process.name, process.pid))
        .collect();
    if !gone.is_empty() {
        return (Verdict::Broken, format!("{name} lost {}", gone.join(", ")));
    }
    if was.is_empty() {
        return (Verdict::Inconclusive, format!("{name} has no process that could be followed"));
    }
    match (&before.oom_kills, &after.oom_kills) {
        (Ok(was), Ok(is)) if is > was => {
            (Verdict::Broken, format!("the kernel killed {} in {name} for memory", is - was))
        }
        (Ok(_), Ok(_)) => (Verdict::Held, String::new()),
        (Err(why), _) | (_, Err(why)) => {
            (Verdict::Inconclusive, format!("the OOM counter of {name}: {why}"))
        }
    }
}

/// What became of a container by the engine's word, if anything did.
fn fallen(before: &Standing, after: &Standing) -> Option<String> {
    if before.running && !after.running {
        return Some("does not run any more".to_owned());
    }
    if after.restarts > before.restarts || after.started_at != before.started_at {
        return Some("was started again".to_owned());
    }
    let health = |standing: &Standing| standing.health.clone().unwrap_or_default();
    let (was, is) = (health(before), health(after));
    (was == "healthy" && is != "healthy").then(|| format!("was {was} and is {is}"))
}

/// Whether one neighbour answered as before.
fn answers(latency: &Latency, budget: &LatencyBudget) -> (Verdict, String) {
    let asked = &latency.asked;
    let Answers { before, during } = match &latency.answers {
        Ok(answers) => answers,
        Err(why) => return (Verdict::Inconclusive, format!("{asked} could not be asked: {why}")),
    };
    let failures = |samples: &Samples| {
        let first = samples.first_failure.as_deref().unwrap_or_default();
        format!("{} of {} times: {first}", samples.failed, samples.asked)
    };
    if before.failed > 0 || before.asked == 0 {
        let text = format!("{asked} was not answered before either, {}", failures(before));
        return (Verdict::Inconclusive, text);
    }
    if during.asked == 0 {
        return (Verdict::Inconclusive, format!("{asked} was not asked meanwhile"));
    }
    if during.failed > 0 {
        return (Verdict::Broken, format!("{asked} was not answered {}", failures(during)));
    }
    let floor = budget.floor.0.as_secs_f64() * 1e6;
    let most = (as_float(before.p95_us) * budget.ratio).max(floor);
    let text = format!(
        "95 % of {asked} within {:.1} ms, before {:.1} ms, at most {:.1} ms",
        as_float(during.p95_us) / 1e3,
        as_float(before.p95_us) / 1e3,
        most / 1e3,
    );
    let slow = as_float(during.p95_us) > most;
    (if slow { Verdict::Broken } else { Verdict::Held }, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::neighbours::Lived;
    use rstest::rstest;

    fn as_before() -> Standing {
        Standing {
            running: true,
            started_at: Some("2026-01-01T00:00:00Z".to_owned()),
            restarts: 0,
            health: Some("healthy".to_owned()),
            processes: Ok(vec![Lived { pid: 1, started: Some(7), name: "web".to_owned() }]),
            oom_kills: Ok(0),
        }
    }

    fn answered(p95_us: u64) -> Samples {
        Samples { asked: 40, p95_us, ..Samples::default() }
    }

    fn undisturbed() -> Neighbours {
        let answers = Answers { before: answered(1_000), during: answered(3_000) };
        Neighbours {
            others: vec![Neighbour {
                service: "web".to_owned(),
                container: "web-1".to_owned(),
                before: Ok(as_before()),
                after: Ok(as_before()),
                events: vec!["health_status: healthy".to_owned()],
            }],
            latency: vec![Latency {
                service: "web".to_owned(),
                asked: "GET / of web:80".to_owned(),
                answers: Ok(answers),
            }],
        }
    }

    /// Changes how the neighbour is after.
    fn after(neighbours: &mut Neighbours, change: impl FnOnce(&mut Standing)) {
        let mut standing = as_before();
        change(&mut standing);
        neighbours.others[0].after = Ok(standing);
    }

    /// Changes how the neighbour answered.
    fn answer(neighbours: &mut Neighbours, before: Samples, during: Samples) {
        neighbours.latency[0].answers = Ok(Answers { before, during });
    }

    fn failing() -> Samples {
        Samples { failed: 2, first_failure: Some("refused".to_owned()), ..answered(1_000) }
    }

    use Verdict::{Broken, Held, Inconclusive};

    #[rstest]
    #[case::three_times_one_millisecond(|_: &mut Neighbours| {}, Held, "1 others went on as before; 1 asked, slowest 95 % of GET / of web:80 within 3.0 ms, before 1.0 ms, at most 100.0 ms")]
    #[case::nobody_asked(|n: &mut Neighbours| n.latency.clear(), Held, "none was asked how fast it answers")]
    #[case::alone(|n: &mut Neighbours| n.others.clear(), Inconclusive, "no other service runs")]
    #[case::gone(|n: &mut Neighbours| after(n, |s| s.running = false), Broken, "web-1 does not run any more")]
    #[case::restarted(|n: &mut Neighbours| after(n, |s| s.restarts = 1), Broken, "web-1 was started again")]
    #[case::started_by_hand(|n: &mut Neighbours| after(n, |s| s.started_at = None), Broken, "web-1 was started again")]
    #[case::unhealthy(|n: &mut Neighbours| after(n, |s| s.health = Some("unhealthy".into())), Broken, "web-1 was healthy and is unhealthy")]
    #[case::unhealthy_meanwhile(|n: &mut Neighbours| n.others[0].events.push("health_status: unhealthy".into()), Broken, "the engine reported health_status: unhealthy of web-1")]
    #[case::another_process(|n: &mut Neighbours| after(n, |s| s.processes = Ok(vec![Lived { pid: 1, started: Some(8), name: "web".into() }])), Broken, "web-1 lost web (pid 1)")]
    #[case::killed(|n: &mut Neighbours| after(n, |s| s.oom_kills = Ok(2)), Broken, "the kernel killed 2 in web-1 for memory")]
    #[case::not_seen_before(|n: &mut Neighbours| n.others[0].before = Err("paused".into()), Inconclusive, "web-1 before: paused")]
    #[case::not_seen_after(|n: &mut Neighbours| n.others[0].after = Err("no reply".into()), Inconclusive, "web-1 after: no reply")]
    #[case::not_looked_into(|n: &mut Neighbours| after(n, |s| s.processes = Err("shared".into())), Inconclusive, "processes of web-1: shared")]
    #[case::not_counted(|n: &mut Neighbours| after(n, |s| s.oom_kills = Err("no file".into())), Inconclusive, "the OOM counter of web-1: no file")]
    #[case::not_reached(|n: &mut Neighbours| n.latency[0].answers = Err("no address".into()), Inconclusive, "could not be asked: no address")]
    #[case::failing_before(|n: &mut Neighbours| answer(n, failing(), answered(1)), Inconclusive, "was not answered before either, 2 of 40 times: refused")]
    #[case::failing(|n: &mut Neighbours| answer(n, answered(1), failing()), Broken, "was not answered 2 of 40 times: refused")]
    #[case::not_asked(|n: &mut Neighbours| answer(n, answered(1), Samples::default()), Inconclusive, "was not asked meanwhile")]
    #[case::slow(|n: &mut Neighbours| answer(n, answered(1_000), answered(100_001)), Broken, "at most 100.0 ms")]
    #[case::slow_by_ratio(|n: &mut Neighbours| answer(n, answered(50_000), answered(151_000)), Broken, "within 151.0 ms, before 50.0 ms, at most 150.0 ms")]
    #[case::slow_before_too(|n: &mut Neighbours| answer(n, answered(50_000), answered(149_000)), Held, "at most 150.0 ms")]
    fn a_neighbour_that_notices_breaks_and_one_that_was_not_seen_holds_nothing(
        #[case] change: impl FnOnce(&mut Neighbours),
        #[case] verdict: Verdict,
        #[case] reason: &str,
    ) {
        let mut neighbours = undisturbed();
        change(&mut neighbours);
        let (found, why) = judge(&neighbours, &LatencyBudget::default());
        assert_eq!(found, verdict, "{why}");
        assert!(why.contains(reason), "{why}");
    }
}
