//! `cpu-limit-enforced` and `pids-limit-enforced` by what was measured, written by hand, on both
//! versions of cgroups.

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::probe::Question;
use stackproof::probe::answer::Cgroup;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive, Skipped};
use stackproof::world::{Act, Cpu, CpuCount, Forked, Pids, World};

use super::world::{WEB, reply, said, seen};

fn cgroup(version: u64, files: Value) -> Cgroup {
    let whole = json!({
        "version": version, "genuine": true, "folders": {}, "files": files, "swaps": "",
        "meminfo": "MemTotal: 8000000 kB", "online": "0-1",
    });
    serde_json::from_value(whole).unwrap()
}

/// A container that is limited as this, of which the probe saw the same limit on processes.
fn world(configured: Value) -> World {
    let max = configured["PidsLimit"].as_u64().map_or("max".to_owned(), |max| max.to_string());
    let inside = json!(cgroup(2, json!({"pids.max": max})));
    seen(json!({}), configured, reply(&[(Question::Cgroup, inside)]))
}

/// The counters of a cgroup that has used so many milliseconds and was made to wait so often.
fn used(version: u64, milliseconds: u64, waited: u64) -> Cgroup {
    match version {
        1 => cgroup(
            1,
            json!({
                "cpuacct.usage": (milliseconds * 1_000_000).to_string(),
                "cpu.stat": format!("nr_periods 30\nnr_throttled {waited}\nthrottled_time 1"),
            }),
        ),
        _ => cgroup(
            2,
            json!({
                "cpu.stat": format!("usage_usec {}\nnr_throttled {waited}", milliseconds * 1000),
            }),
        ),
    }
}

/// What was counted so many milliseconds after the beginning.
fn at(milliseconds: u64, cgroup: Cgroup) -> CpuCount {
    CpuCount { at_us: milliseconds * 1000, cgroup }
}

/// Three seconds at a limit of half a processor.
fn computed(version: u64) -> Cpu {
    let counts = (0..=3).map(|n| at(n * 1000, used(version, 1000 + n * 500, 4 + n * 9)));
    Cpu { threads: 2, refused: None, counts: counts.collect() }
}

/// Half a second in which the limit was reached, and a busy host around it.
fn mostly_busy(cpu: &mut Cpu) {
    cpu.counts = vec![
        at(0, used(2, 0, 0)),
        at(1000, used(2, 200, 1)),
        at(2000, used(2, 680, 9)),
        at(3000, used(2, 900, 9)),
    ];
}

fn last(cpu: &mut Cpu) -> &mut Cgroup {
    &mut cpu.counts.last_mut().unwrap().cgroup
}

/// The limit was never reached.
fn idle(cpu: &mut Cpu) {
    for (count, milliseconds) in cpu.counts.iter_mut().zip([0, 300, 600, 900]) {
        count.cgroup = used(2, milliseconds, 4 + milliseconds);
    }
}

#[rstest]
#[case::kept(|_: &mut Cpu| {}, Held, "0.500 CPU were used for 3.0 s by 2 threads at a limit of 0.5 CPU, 0.500 in the busiest second; the kernel made it wait in 27 periods")]
#[case::reached_once(
    mostly_busy,
    Held,
    "0.300 CPU were used for 3.0 s by 2 threads at a limit of 0.5 CPU, 0.480 in the busiest second"
)]
#[case::passed(|cpu: &mut Cpu| *last(cpu) = used(2, 4000, 33), Broken, "1.000 CPU were used for 3.0 s")]
#[case::not_reached(
    idle,
    Inconclusive,
    "0.300 in the busiest second, so it was not reached: the host was too busy with others"
)]
#[case::no_threads(|cpu: &mut Cpu| { idle(cpu); cpu.refused = Some("EAGAIN".into()); }, Inconclusive, "a further thread was refused with EAGAIN")]
#[case::by_chance(|cpu: &mut Cpu| *last(cpu) = used(2, 2500, 4), Inconclusive, "but the kernel never made it wait")]
#[case::no_time(|cpu: &mut Cpu| cpu.counts.iter_mut().for_each(|count| count.at_us = 0), Inconclusive, "no time passed")]
#[case::read_once(|cpu: &mut Cpu| cpu.counts.truncate(1), Inconclusive, "the kernel's counters were not read twice")]
#[case::not_counted(|cpu: &mut Cpu| *last(cpu) = cgroup(2, json!({})), Inconclusive, "the kernel has no cpu.stat")]
#[case::not_waited(|cpu: &mut Cpu| cpu.counts[0].cgroup = cgroup(2, json!({"cpu.stat": "usage_usec 1000000"})), Inconclusive, "cpu.stat has no counter nr_throttled")]
fn computing_is_judged_by_the_time_that_the_cgroup_used(
    #[case] change: impl FnOnce(&mut Cpu),
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = world(json!({"NanoCpus": 500_000_000}));
    let mut cpu = computed(2);
    change(&mut cpu);
    world.note("cpu-limit-enforced", WEB, Ok(Act::Cpu(Box::new(cpu))));
    let finding = said("cpu-limit-enforced", json!({}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[rstest]
#[case(json!({"NanoCpus": 500_000_000}), json!({}), Held, "0.500 CPU")]
#[case(json!({"CpuQuota": 50_000, "CpuPeriod": 100_000}), json!({}), Held, "0.500 CPU")]
#[case(json!({"NanoCpus": 400_000_000}), json!({}), Broken, "at a limit of 0.4 CPU")]
#[case(json!({"NanoCpus": 400_000_000}), json!({"tolerance": 0.3}), Held, "0.500 CPU")]
#[case(json!({}), json!({}), Broken, "the service has no CPU limit")]
#[case(json!({"NanoCpus": 0}), json!({}), Broken, "the service has no CPU limit")]
#[case(json!({"NanoCpus": 2_000_000_000_i64}), json!({}), Skipped, "a limit of 2 CPU cannot bind on this host, which has 2 processors")]
fn a_limit_is_what_the_engine_has_configured(
    #[case] configured: Value,
    #[case] parameters: Value,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = world(configured);
    world.note("cpu-limit-enforced", WEB, Ok(Act::Cpu(Box::new(computed(1)))));
    let finding = said("cpu-limit-enforced", parameters, &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

fn forked(current: u64, refused: &str) -> Cgroup {
    cgroup(1, json!({"pids.current": current.to_string(), "pids.events": refused}))
}

/// Of 32 processes, one was there, the probe was another, and the rest was forked.
fn exhausted() -> Pids {
    let neighbour = |name: &str| Forked { container: name.into(), before: Ok(()), during: Ok(()) };
    Pids {
        limit: 32,
        forked: 30,
        errno: Some("EAGAIN".to_owned()),
        reaped: 30,
        before: forked(2, "max 0"),
        exhausted: forked(32, "max 1"),
        after: forked(2, "max 1"),
        held: true,
        neighbours: vec![neighbour("db"), neighbour("proxy")],
        fresh_exec: Ok(()),
    }
}

fn no_longer() -> Result<(), String> {
    Err("no reply".to_owned())
}

#[rstest]
#[case::refused(|_: &mut Pids| {}, Held, "refused with EAGAIN at 32 of 32 processes, 30 of them ours; 2 neighbours still forked")]
#[case::alone(|pids: &mut Pids| pids.neighbours.clear(), Held, "no other service runs")]
#[case::without_a_counter(|pids: &mut Pids| pids.exhausted = cgroup(1, json!({"pids.current": "32"})), Held, "refused with EAGAIN")]
#[case::one_ended_meanwhile(|pids: &mut Pids| pids.exhausted = forked(29, "max 1"), Held, "at 29 of 32")]
#[case::never_refused(|pids: &mut Pids| { pids.errno = None; pids.forked = 40; }, Broken, "40 processes were forked at a limit of 32, none refused")]
#[case::passed(|pids: &mut Pids| pids.exhausted = forked(40, "max 1"), Broken, "40 processes were there at a limit of 32")]
#[case::wedged(|pids: &mut Pids| pids.fresh_exec = no_longer(), Broken, "nothing can be executed in it afterwards: no reply")]
#[case::neighbour(|pids: &mut Pids| pids.neighbours[1].during = no_longer(), Broken, "neighbours could not fork meanwhile: proxy: no reply")]
#[case::neighbour_before(|pids: &mut Pids| pids.neighbours[1].before = no_longer(), Inconclusive, "neighbour proxy cannot be asked to fork: no reply")]
#[case::too_late(|pids: &mut Pids| pids.held = false, Inconclusive, "the neighbours did not answer while the limit was exhausted")]
#[case::another_limit(|pids: &mut Pids| pids.exhausted = forked(20, "max 0"), Inconclusive, "refused with EAGAIN at 20 of 32 processes: something else")]
#[case::another_reason(|pids: &mut Pids| pids.errno = Some("ENOMEM".into()), Inconclusive, "refused with ENOMEM at 32 of 32 processes: something else")]
#[case::not_counted(|pids: &mut Pids| pids.exhausted = forked(32, "max 0"), Inconclusive, "the kernel did not count it")]
#[case::not_seen(|pids: &mut Pids| pids.exhausted = cgroup(1, json!({})), Inconclusive, "the kernel has no pids.current")]
fn forking_is_judged_by_where_it_was_refused(
    #[case] change: impl FnOnce(&mut Pids),
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let mut world = world(json!({"PidsLimit": 32}));
    let mut pids = exhausted();
    change(&mut pids);
    world.note("pids-limit-enforced", WEB, Ok(Act::Pids(Box::new(pids))));
    let finding = said("pids-limit-enforced", json!({}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[test]
fn without_a_limit_on_processes_nothing_is_forked() {
    let finding = said("pids-limit-enforced", json!({}), &world(json!({})));
    assert_eq!(finding.verdict, Broken);
    assert!(finding.message.contains("no limit on processes"), "{}", finding.message);
}

#[rstest]
#[case("cpu-limit-enforced", json!({"NanoCpus": 500_000_000}))]
#[case("pids-limit-enforced", json!({"PidsLimit": 32}))]
fn what_was_not_tried_shows_nothing(#[case] code: &str, #[case] configured: Value) {
    let finding = said(code, json!({}), &world(configured));
    let expected = (Inconclusive, format!("the act of {code} was not done"));
    assert_eq!((finding.verdict, finding.message), expected);
}
