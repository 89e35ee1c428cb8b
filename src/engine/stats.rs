//! What a container uses, as the engine counts it.

use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::TryStreamExt;

use super::{Engine, EngineError};

/// What a container uses. A value that the engine does not give is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// The CPU time used since the container was started, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// The memory charged to the container, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

impl Engine {
    /// What a container uses now. Engines before API 1.41 take a second or two to say it.
    ///
    /// # Errors
    /// When there is no such container, or the engine does not answer.
    pub async fn stats(&self, id: &str) -> Result<Stats, EngineError> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut stream = Box::pin(self.docker.stats(id, Some(options)));
        let answer = stream
            .try_next()
            .await
            .map_err(|error| EngineError::of("read the statistics of container", id, &error))?;
        let no_answer =
            || EngineError::other("read the statistics of container", id, "the engine gave none");
        let answer = answer.ok_or_else(no_answer)?;
        let cpu = answer.cpu_stats.and_then(|cpu| cpu.cpu_usage);
        let seen = Stats {
            cpu_ns: cpu.and_then(|usage| usage.total_usage),
            memory_bytes: answer.memory_stats.and_then(|memory| memory.usage),
            pids: answer.pids_stats.and_then(|pids| pids.current),
        };
        // Of a container that does not run the engine says zero, which is not what it uses.
        let runs = seen.pids.is_some_and(|pids| pids > 0) || seen.memory_bytes.is_some();
        if runs { Ok(seen) } else { Err(no_answer()) }
    }
}
