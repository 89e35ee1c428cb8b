//! What the services use while the stack is up, sampled beside everything else that a run does.
//!
//! A sample is four small files per container, read on the host; where the host's cgroups cannot
//! be seen, the engine is asked, half as often because that costs it more. Health checks are not
//! run for this: the engine keeps the last five runs of each, and is asked for them before they
//! are forgotten. Nothing here can fail a run: what cannot be seen is missing and says why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::engine::container::Container;
use crate::record::{Course, Timeline};

pub mod cgroup;
pub mod gauge;

mod course;

use gauge::Gauge;

/// The time between two samples of cgroups.
const CGROUP: Duration = Duration::from_secs(1);
/// The time between two samples of which the engine has to give one.
const ENGINE: Duration = Duration::from_secs(2);
/// The most samples that are kept; from then on each stands for twice the time.
const MOST: usize = 128;
/// The time between two inspections of a container: the engine keeps five runs of a health check.
const INSPECT: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// How long an inspection may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the end of a run may wait for the last look.
const LAST: Duration = Duration::from_millis(500);

/// What one container uses at one moment. What is not known is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The CPU time used since the container was started, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// The memory charged to the container, in bytes, file cache included.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processes that the OOM killer has killed since the container was started.
    pub oom_kills: Option<u64>,
}

/// Takes samples until it is asked for what it has.
#[derive(Debug)]
pub struct Recorder {
    timeline: Arc<Mutex<Timeline>>,
    end: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Begins with the containers as they are now, by service.
    #[must_use]
    pub fn start(engine: &Engine, services: &BTreeMap<String, Vec<Container>>) -> Recorder {
        let all =
            services.iter().flat_map(|(service, list)| list.iter().map(move |c| (service, c)));
        let mut courses: Vec<Course> =
            all.clone().map(|(service, container)| Course::of(service, container)).collect();
        let since = Instant::now();
        let watched: Vec<Watched> =
            all.map(|(_, container)| Watched::of(engine, container, since)).collect();
        for (course, watched) in courses.iter_mut().zip(&watched) {
            course.unseen = watched.gauge.why_not_cgroup().map(str::to_owned);
        }
        let timeline = Timeline { began: Timestamp::now(), at_ms: vec![], courses };
        let timeline = Arc::new(Mutex::new(timeline));
        let end = Arc::new(Notify::new());
        let sampler = Sampler {
            engine: engine.clone(),
            watched,
            timeline: timeline.clone(),
            since,
            every: Duration::ZERO,
        };
        let task = tokio::spawn(sampler.run(end.clone()));
        Recorder { timeline, end, task }
    }

    /// Takes a last sample, and gives everything that was seen.
    pub async fn finish(mut self) -> Timeline {
        self.end.notify_one();
        // Whoever does not answer in time does not hold up the end of a run.
        let _ = tokio::time::timeout(LAST, &mut self.task).await;
        let timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Timeline {
            courses: timeline.courses.into_iter().map(Course::finished).collect(),
            ..timeline
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A container, and when it is to be inspected next.
struct Watched {
    id: String,
    gauge: Gauge,
    every: Duration,
    next: Instant,
}

impl Watched {
    fn of(engine: &Engine, container: &Container, now: Instant) -> Watched {
        let interval = container.config.healthcheck.as_ref().and_then(|check| check.interval);
        let interval = interval.and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
        let [least, most] = INSPECT;
        // Three intervals: with what a run takes, five runs are more than that apart.
        let every = interval.map_or(most, |interval| Duration::from_nanos(interval) * 3);
        Watched {
            id: container.id.clone(),
            gauge: Gauge::of(engine, container),
            every: every.clamp(least, most),
            next: now,
        }
    }
}

struct Sampler {
    engine: Engine,
    watched: Vec<Watched>,
    timeline: Arc<Mutex<Timeline>>,
    since: Instant,
    /// The time between two samples, once they have been thinned out.
    every: Duration,
}

impl Sampler {
    async fn run(mut self, end: Arc<Notify>) {
        loop {
            let began = Instant::now();
            self.sample().await;
            self.inspect(|watched| watched.next <= began).await;
            let next = began + self.every.max(self.pace());
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = end.notified() => break,
            }
        }
        self.sample().await;
        self.inspect(|_| true).await;
    }

    fn pace(&self) -> Duration {
        let by_cgroup = self.watched.iter().all(|watched| watched.gauge.folders().is_some());
        if by_cgroup { CGROUP } else { ENGINE }
    }

    async fn sample(&mut self) {
        let at = self.now();
        let readings = join_all(self.watched.iter().map(|watched| watched.gauge.read())).await;
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        // A second look at the same moment, as at the end, says nothing.
        if timeline.at_ms.last().is_some_and(|last| at <= *last) {
            return;
        }
        timeline.at_ms.push(at);
        for ((course, watched), usage) in
            timeline.courses.iter_mut().zip(&self.watched).zip(&readings)
        {
            course.add(watched.gauge.source(), usage);
        }
        if timeline.at_ms.len() >= MOST {
            course::halve(&mut timeline.at_ms, |_, last| last);
            timeline.courses.iter_mut().for_each(Course::halve);
            self.every = self.every.max(CGROUP) * 2;
        }
    }

    /// Inspects the containers that `which` names, all at once. One that was started since it was
    /// last seen has a cgroup to read from now on.
    async fn inspect(&mut self, which: impl Fn(&Watched) -> bool) {
        let due: Vec<usize> =
            (0..self.watched.len()).filter(|index| which(&self.watched[*index])).collect();
        let asked = due.iter().map(|index| {
            let inspection = self.engine.inspect(&self.watched[*index].id);
            tokio::time::timeout(ANSWER, inspection)
        });
        let answers = join_all(asked).await;
        let at = self.now();
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        let began = timeline.began;
        for (index, answer) in due.into_iter().zip(answers) {
            let watched = &mut self.watched[index];
            watched.next = Instant::now() + watched.every;
            let course = &mut timeline.courses[index];
            match answer {
                Ok(Ok(container)) => {
                    course.inspect(&container, began, at);
                    if watched.gauge.folders().is_none() {
                        watched.gauge = Gauge::of(&self.engine, &container);
                    }
                }
                Ok(Err(error)) => course.unseen = Some(error.to_string()),
                Err(_) => {
                    let seconds = ANSWER.as_secs();
                    course.unseen = Some(format!("the engine did not answer within {seconds} s"));
                }
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
