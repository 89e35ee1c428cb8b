//! What was seen of one container so far, kept within a bound: where there are too many entries,
//! two neighbours become one.

use jiff::Timestamp;

use super::Usage;
use crate::engine::container::Container;
use crate::record::{Course, HealthCourse, Source};
use crate::world::Blind;

/// The most runs of a health check that are kept.
const MOST_RUNS: usize = 96;
/// The most changes of the status that are kept.
const MOST_STATUSES: usize = 64;

impl Course {
    /// The course of a container of which nothing was seen yet.
    pub(super) fn of(service: &str, container: &Container) -> Course {
        Course {
            service: service.to_owned(),
            container: container.short_name().to_owned(),
            source: Source::Cgroup,
            unseen: None,
            cpu_ns: vec![],
            memory_bytes: vec![],
            pids: vec![],
            oom_kills: vec![],
            statuses: vec![],
            health: HealthCourse::default(),
        }
    }

    /// Adds a sample.
    pub(super) fn add(&mut self, source: Source, usage: &Result<Usage, Blind>) {
        let seen = usage.as_ref().copied().unwrap_or_default();
        self.source = source;
        if let Err(why) = usage {
            self.unseen = Some(why.clone());
        }
        self.cpu_ns.push(seen.cpu_ns);
        self.memory_bytes.push(seen.memory_bytes);
        self.pids.push(seen.pids);
        self.oom_kills.push(seen.oom_kills);
    }

    /// Notes what an inspection says at `now`: the status, and runs of the health check that are
    /// new. What began before the timeline is no part of it.
    pub(super) fn inspect(&mut self, container: &Container, began: Timestamp, now: u64) {
        let health = container.state.health.as_ref();
        let status = health.and_then(|health| health.status.as_ref());
        let status = status.or(container.state.status.as_ref()).cloned().unwrap_or_default();
        let is_new = self.statuses.last().is_none_or(|(_, last)| *last != status);
        if is_new && self.statuses.len() < MOST_STATUSES {
            self.statuses.push((now, status));
        }
        for run in health.and_then(|health| health.log.as_ref()).into_iter().flatten() {
            let time = |text: &Option<String>| text.as_deref()?.parse::<Timestamp>().ok();
            let (Some(start), Some(end)) = (time(&run.start), time(&run.end)) else { continue };
            let Ok(at) = u64::try_from(start.duration_since(began).as_millis()) else { continue };
            let took = u64::try_from(end.duration_since(start).as_millis()).unwrap_or(0);
            if start >= began && self.health.at_ms.last().is_none_or(|last| at > *last) {
                self.health.at_ms.push(at);
                self.health.took_ms.push(took);
                self.health.exit_code.push(run.exit_code.unwrap_or(-1));
            }
        }
    }

    /// Makes one sample of each two.
    pub(super) fn halve(&mut self) {
        // A counter is what it is at the end of the time that the sample stands for.
        halve(&mut self.cpu_ns, |_, last| last);
        halve(&mut self.oom_kills, |first, last| last.or(first));
        halve(&mut self.memory_bytes, Option::max);
        halve(&mut self.pids, Option::max);
    }

    /// The course as it is kept: columns in which nothing was ever seen are left out, and runs of
    /// the health check beyond the bound. Only the end thins those out, so that it is even.
    pub(super) fn finished(mut self) -> Course {
        while self.health.at_ms.len() > MOST_RUNS {
            self.health.halve();
        }
        let columns =
            [&mut self.cpu_ns, &mut self.memory_bytes, &mut self.pids, &mut self.oom_kills];
        for column in columns {
            if column.iter().all(Option::is_none) {
                column.clear();
            }
        }
        self
    }
}

impl HealthCourse {
    /// Keeps the slower of each two runs: what is to be seen in a timeline is what went badly.
    fn halve(&mut self) {
        let slower = |first: usize| {
            let second = first + 1;
            let is_second = self.took_ms.get(second) > self.took_ms.get(first);
            if is_second { second } else { first }
        };
        let kept: Vec<usize> = (0..self.at_ms.len()).step_by(2).map(slower).collect();
        *self = HealthCourse {
            at_ms: kept.iter().map(|at| self.at_ms[*at]).collect(),
            took_ms: kept.iter().map(|at| self.took_ms[*at]).collect(),
            exit_code: kept.iter().map(|at| self.exit_code[*at]).collect(),
        };
    }
}

/// Makes one entry of each two; the last of an odd number stays.
pub(super) fn halve<T: Copy>(column: &mut Vec<T>, both: impl Fn(T, T) -> T) {
    *column = column
        .chunks(2)
        .filter_map(|pair| match pair {
            [first, last] => Some(both(*first, *last)),
            [only] => Some(*only),
            _ => None,
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(status: &str, runs: &[(&str, &str, i64)]) -> Container {
        let log: Vec<_> = runs
            .iter()
            .map(|(start, end, code)| {
                let time = |second: &str| format!("2026-11-24T12:00:{second}Z");
                json!({"Start": time(start), "End": time(end), "ExitCode": code})
            })
            .collect();
        serde_json::from_value(json!({
            "Id": "c", "Name": "/web-1", "Config": {}, "HostConfig": {},
            "State": {"Status": "running", "Health": {"Status": status, "Log": log}},
        }))
        .unwrap()
    }

    fn began() -> Timestamp {
        "2026-11-24T12:00:10Z".parse().unwrap()
    }

    #[test]
    fn each_run_of_the_health_check_is_noted_once_and_none_from_before() {
        let mut course = Course::of("web", &container("healthy", &[]));
        let first = [("09", "09.5", 0), ("12", "12.25", 0), ("14", "14.1", 0)];
        course.inspect(&container("healthy", &first), began(), 5000);
        let second = [("12", "12.25", 0), ("14", "14.1", 0), ("16", "18", 1)];
        course.inspect(&container("unhealthy", &second), began(), 9000);
        assert_eq!(course.health.at_ms, [2000, 4000, 6000]);
        assert_eq!(course.health.took_ms, [250, 100, 2000]);
        assert_eq!(course.health.exit_code, [0, 0, 1]);
        let statuses = [(5000, "healthy".to_owned()), (9000, "unhealthy".to_owned())];
        assert_eq!(course.statuses, statuses);
    }

    #[test]
    fn without_a_health_check_the_status_is_what_the_engine_calls_the_container() {
        let mut bare = container("", &[]);
        bare.state.health = None;
        let mut course = Course::of("web", &bare);
        course.inspect(&bare, began(), 0);
        course.inspect(&bare, began(), 1000);
        assert_eq!(course.statuses, [(0, "running".to_owned())]);
        assert_eq!(course.health, HealthCourse::default());
    }

    #[test]
    fn of_two_samples_the_most_memory_and_the_last_counter_stay() {
        let mut course = Course::of("web", &container("healthy", &[]));
        for (cpu, memory) in [(1, 50), (2, 90), (3, 10)] {
            let (cpu_ns, memory_bytes) = (Some(cpu), Some(memory));
            let usage = Usage { cpu_ns, memory_bytes, pids: Some(1), oom_kills: None };
            course.add(Source::Cgroup, &Ok(usage));
        }
        course.halve();
        let course = course.finished();
        assert_eq!(course.cpu_ns, [Some(2), Some(3)]);
        assert_eq!(course.memory_bytes, [Some(90), Some(10)]);
        assert_eq!(course.pids, [Some(1), Some(1)]);
        assert_eq!(course.oom_kills, []);
        assert_eq!(course.unseen, None);
    }

    #[test]
    fn what_was_not_seen_is_null_and_says_why() {
        let mut course = Course::of("web", &container("healthy", &[]));
        course.add(Source::Cgroup, &Ok(Usage { pids: Some(1), ..Usage::default() }));
        course.add(Source::Engine, &Err("it does not run".to_owned()));
        let course = course.finished();
        assert_eq!(course.pids, [Some(1), None]);
        assert_eq!(course.unseen.as_deref(), Some("it does not run"));
        assert_eq!(course.source, Source::Engine);
    }

    #[test]
    fn runs_of_the_health_check_are_bounded_and_the_slow_ones_stay() {
        let mut course = Course::of("web", &container("healthy", &[]));
        for second in 0..1000_i32 {
            let start = began() + jiff::SignedDuration::from_secs(second.into());
            let took = if second % 100 == 7 { 900 } else { 5 };
            let mut one = container("healthy", &[("00", "00", 0)]);
            let run = &mut one.state.health.as_mut().unwrap().log.as_mut().unwrap()[0];
            run.start = Some(start.to_string());
            run.end = Some((start + jiff::SignedDuration::from_millis(took)).to_string());
            course.inspect(&one, began(), 0);
        }
        let course = course.finished();
        assert!(course.health.at_ms.len() <= MOST_RUNS);
        assert_eq!(course.health.took_ms.iter().filter(|took| **took == 900).count(), 10);
        assert!(course.health.at_ms.is_sorted());
    }
}
