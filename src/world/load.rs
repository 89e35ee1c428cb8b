//! What was seen of a service that was asked for much.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Blind;
use super::neighbours::Neighbours;

/// What was seen while requests were sent at fixed times.
#[derive(Debug, Clone, Serialize)]
pub struct Load {
    /// What was asked, and where.
    pub asked: String,
    /// What came of the requests.
    pub answers: Answered,
    /// The CPU time that the service used in that time, in cores.
    pub cpu: Result<f64, Blind>,
    /// The most memory that was seen charged to the service, in bytes.
    pub memory: Result<u64, Blind>,
    /// Processes of the service that the OOM killer killed meanwhile; none where it is not known.
    pub oom_kills: Option<u64>,
    /// What became of the container, if it did not just run on.
    pub ended: Option<String>,
    /// What the other services were like before and after; none where nobody asked.
    pub neighbours: Option<Neighbours>,
}

/// What came of requests that were to be sent at fixed times.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Answered {
    /// How many were to be sent.
    pub requests: u64,
    /// How many a second.
    pub rate: f64,
    /// Over how many connections.
    pub connections: u32,
    /// How many were answered with a status below 400.
    pub answered: u64,
    /// What came of the others, and how often.
    pub errors: BTreeMap<String, u64>,
    /// From when a request was to be sent to its answer. What was not answered in time counts
    /// with the time that was waited; an answer that is an error does not count.
    pub latency: Quantiles,
    /// From the first request to the last answer, in milliseconds.
    pub took_ms: u64,
    /// How late our own program was with what it had to do at fixed times and nobody kept it from,
    /// in microseconds: 95 of 100 times it was no later.
    pub own_delay_us: u64,
    /// The CPU time that our own program used, in cores.
    pub own_cores: f64,
    /// How long after they were to be sent 95 of 100 requests were sent, in microseconds.
    pub sent_late_us: u64,
}

/// Quantiles of times, in microseconds, to three digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50_us: u64,
    /// 95 of 100.
    pub p95_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Answered {
    /// How many requests failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}
