//! What the neighbours of a service were like before something was done to it, and after.

use serde::Serialize;

use super::Blind;

/// Every other container of the stack that ran, and how those that were asked answered.
#[derive(Debug, Clone, Serialize)]
pub struct Neighbours {
    /// The containers.
    pub others: Vec<Neighbour>,
    /// How long answers took, an entry for each container that was asked.
    pub latency: Vec<Latency>,
}

/// One container beside the one to which something was done.
#[derive(Debug, Clone, Serialize)]
pub struct Neighbour {
    /// Its service.
    pub service: String,
    /// Its name.
    pub container: String,
    /// How it was before.
    pub before: Result<Standing, Blind>,
    /// How it was after.
    pub after: Result<Standing, Blind>,
    /// What the engine reported of it meanwhile, without what concerns execs.
    pub events: Vec<String>,
}

/// How a container is at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Whether PID 1 runs.
    pub running: bool,
    /// When it was started last.
    pub started_at: Option<String>,
    /// How often the engine has started it again.
    pub restarts: i64,
    /// What its health check says; none where it has none.
    pub health: Option<String>,
    /// The service's own processes; before, those that were there at two looks, because some
    /// come and go by themselves.
    pub processes: Result<Vec<Lived>, Blind>,
    /// How many processes of its cgroup the kernel has killed for memory.
    pub oom_kills: Result<u64, Blind>,
}

/// A process, by what tells it from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lived {
    /// The pid in the container's pid namespace.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: Option<u64>,
    /// Its name.
    pub name: String,
}

/// How one container answered.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// Its service.
    pub service: String,
    /// What it was asked and where.
    pub asked: String,
    /// The answers before and meanwhile, or why it could not be asked.
    pub answers: Result<Answers, Blind>,
}

/// The answers before and meanwhile.
#[derive(Debug, Clone, Serialize)]
pub struct Answers {
    /// The baseline.
    pub before: Samples,
    /// From the beginning of the act until its end.
    pub during: Samples,
}

/// Answers to one question, asked at fixed times whether or not the one before was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Samples {
    /// How often it was asked.
    pub asked: usize,
    /// How often there was no answer, or another one than at first.
    pub failed: usize,
    /// What came instead, the first time.
    pub first_failure: Option<String>,
    /// The median from when it was to be asked to the answer, in microseconds.
    pub p50_us: u64,
    /// What 95 of 100 answers did not exceed, in microseconds.
    pub p95_us: u64,
    /// The longest, in microseconds.
    pub max_us: u64,
}

impl Samples {
    /// Sums up what each time of asking came to: microseconds, or what came instead.
    #[must_use]
    pub fn of(outcomes: Vec<Result<u64, Blind>>) -> Samples {
        let asked = outcomes.len();
        let first_failure = outcomes.iter().find_map(|outcome| outcome.as_ref().err().cloned());
        let mut times: Vec<u64> = outcomes.into_iter().filter_map(Result::ok).collect();
        times.sort_unstable();
        Samples {
            asked,
            failed: asked - times.len(),
            first_failure,
            p50_us: quantile(&times, 50),
            p95_us: quantile(&times, 95),
            max_us: times.last().copied().unwrap_or(0),
        }
    }
}

/// The smallest of sorted values that `percent` of 100 do not exceed; 0 of none.
fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::none(0, 0, 0, 0)]
    #[case::one(1, 1, 1, 1)]
    #[case::twenty(20, 10, 19, 20)]
    #[case::hundred(100, 50, 95, 100)]
    fn quantiles_are_those_of_the_nearest_rank(
        #[case] count: u64,
        #[case] p50_us: u64,
        #[case] p95_us: u64,
        #[case] max_us: u64,
    ) {
        let samples = Samples::of((1..=count).rev().map(Ok).collect());
        assert_eq!((samples.p50_us, samples.p95_us, samples.max_us), (p50_us, p95_us, max_us));
        assert_eq!(samples.failed, 0);
    }

    #[test]
    fn what_was_not_answered_is_counted_and_the_first_is_quoted() {
        let samples = Samples::of(vec![Ok(5), Err("refused".to_owned()), Err("late".to_owned())]);
        assert_eq!((samples.asked, samples.failed, samples.max_us), (3, 2, 5));
        assert_eq!(samples.first_failure.as_deref(), Some("refused"));
    }
}
