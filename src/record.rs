//! The whole run as one versioned value. Every report is a pure function of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::observation::Evidence;
use crate::scenario::Severity;
use crate::verdict::Verdict;

/// The version that a reader of the record must know.
pub const SCHEMA: &str = "stackproof.record/1";

/// What a check observed that the run was cut short before.
pub const NOT_REACHED: &str = "not reached";
/// What a check observed that the command line left out.
pub const NOT_ASKED: &str = "not asked";

/// One run of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The run, also the value of the label on everything that it made in the engine.
    pub run_id: String,
    /// The scenario's name.
    pub scenario: String,
    /// When the run began, in UTC.
    pub started: Timestamp,
    /// When it ended, in UTC.
    pub finished: Timestamp,
    /// Where it ran: `engine`, `api`, `compose`, `cgroup`, `kernel` and further facts. A value
    /// that could not be found out is null.
    pub environment: Map<String, Value>,
    /// The images of the services.
    pub images: Vec<ImageRecord>,
    /// What was changed in the Compose model to keep this run apart from others, a sentence each.
    /// Empty for an attached stack.
    pub changes: Vec<String>,
    /// The claims, in the order of the scenario.
    pub claims: Vec<ClaimRecord>,
    /// How many claims came to which verdict.
    pub summary: Summary,
    /// Why the run was cut short, where it was.
    pub aborted: Option<String>,
    /// Objects that could not be removed, an entry each.
    pub leftovers: Vec<String>,
    /// What the services used from when the stack was up until it went down; null where the run
    /// was cut short before.
    #[serde(default)]
    pub timeline: Option<Timeline>,
}

/// What the services used while the stack was up. Offsets are in milliseconds from `began`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// When the first sample was taken, in UTC.
    pub began: Timestamp,
    /// When each sample was taken; it is one moment for all containers.
    pub at_ms: Vec<u64>,
    /// The containers.
    pub courses: Vec<Course>,
}

/// What one container used. Each column has an entry per sample of the timeline, null where
/// nothing could be seen, as while a container is started again; a column in which nothing was
/// ever seen is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// The service.
    pub service: String,
    /// The container's name.
    pub container: String,
    /// Where the samples come from.
    pub source: Source,
    /// Why something could not be seen, where that was so last.
    pub unseen: Option<String>,
    /// The CPU time used since the container was started, in nanoseconds.
    pub cpu_ns: Vec<Option<u64>>,
    /// The memory charged to the container, in bytes, file cache included; the most of what a
    /// sample stands for.
    pub memory_bytes: Vec<Option<u64>>,
    /// Processes and threads; the most of what a sample stands for.
    pub pids: Vec<Option<u64>>,
    /// Processes that the OOM killer has killed since the container was started.
    pub oom_kills: Vec<Option<u64>>,
    /// What the engine called the container at which offset: `healthy`, or `running` where there
    /// is no health check. An entry for each change that was seen.
    pub statuses: Vec<(u64, String)>,
    /// The runs of the health check that began and ended meanwhile.
    pub health: HealthCourse,
}

/// Where samples come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The files of the container's cgroup, read on the engine's host.
    Cgroup,
    /// The engine's statistics.
    Engine,
}

/// Runs of a health check, an entry in each column per run. Of many runs the slower ones of
/// neighbours are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCourse {
    /// When it began.
    pub at_ms: Vec<u64>,
    /// How long it took, in milliseconds; the latency of the service as its own check sees it.
    pub took_ms: Vec<u64>,
    /// What it ended with; 0 is healthy.
    pub exit_code: Vec<i64>,
}

/// The image that a service runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The service.
    pub service: String,
    /// The reference in the model.
    pub reference: String,
    /// The content-addressed id.
    pub id: String,
    /// The sum of the uncompressed layers in bytes, as the engine reports it.
    pub size_bytes: u64,
}

/// One claim with its checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// The stable id.
    pub id: String,
    /// The claim in a sentence.
    pub text: String,
    /// How bad it is when the claim is broken.
    pub severity: Severity,
    /// Where the claim is made.
    pub source: String,
    /// The worst of the checks' verdicts.
    pub verdict: Verdict,
    /// What the document's own command said, where the document gives one.
    pub documented: Option<DocumentedRecord>,
    /// The checks, one entry per service.
    pub checks: Vec<CheckRecord>,
}

/// The document's own command, run as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentedRecord {
    /// The command as the document gives it.
    pub command: String,
    /// The command as it was run: the names of containers and images of this run put in.
    pub ran: String,
    /// What the document says to expect.
    pub expected: String,
    /// The exit code; null when it did not run or was killed.
    pub exit_code: Option<i32>,
    /// What it printed, both streams, bounded and redacted.
    pub output: String,
    /// What a reader who follows the document would have concluded.
    pub verdict: Verdict,
}

/// One check of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// The stable code of the check.
    pub code: String,
    /// The service; empty where the check is about the stack as a whole.
    pub service: String,
    /// What was established.
    pub verdict: Verdict,
    /// What should be.
    pub expected: String,
    /// What is.
    pub observed: String,
    /// The finding in a sentence or two.
    pub message: String,
    /// A command that a person can paste to see it.
    pub reproduce: String,
    /// How long observing and judging took, in milliseconds.
    pub duration_ms: u64,
    /// What the verdict rests on.
    pub evidence: Evidence,
}

/// How many claims came to which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Claims that hold.
    pub held: usize,
    /// Claims that are broken.
    pub broken: usize,
    /// Claims that could not be settled.
    pub inconclusive: usize,
    /// Claims that do not apply or were not asked.
    pub skipped: usize,
    /// Claims that are broken and accepted until a date.
    pub waived: usize,
}

impl Summary {
    /// Counts the claims.
    #[must_use]
    pub fn of(claims: &[ClaimRecord]) -> Summary {
        let mut summary = Summary::default();
        for claim in claims {
            match claim.verdict {
                Verdict::Held => summary.held += 1,
                Verdict::Broken => summary.broken += 1,
                Verdict::Inconclusive => summary.inconclusive += 1,
                Verdict::Skipped => summary.skipped += 1,
                Verdict::Waived => summary.waived += 1,
            }
        }
        summary
    }

    /// The number of claims.
    #[must_use]
    pub fn total(&self) -> usize {
        self.held + self.broken + self.inconclusive + self.skipped + self.waived
    }
}

impl CheckRecord {
    /// Whether the check was judged: neither left out nor cut short before.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.observed != NOT_ASKED && self.observed != NOT_REACHED
    }
}

impl ClaimRecord {
    /// Whether the run was cut short before any check of the claim.
    #[must_use]
    pub fn was_not_reached(&self) -> bool {
        self.all_observed(NOT_REACHED)
    }

    /// Whether the command line left every check of the claim out.
    #[must_use]
    pub fn was_not_asked(&self) -> bool {
        self.all_observed(NOT_ASKED)
    }

    fn all_observed(&self, what: &str) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.observed == what)
    }

    /// Whether the document's own command would have misled: it said held or broken, and the
    /// checks settled the opposite.
    #[must_use]
    pub fn documented_was_wrong(&self) -> bool {
        let Some(documented) = &self.documented else { return false };
        matches!(
            (documented.verdict, self.verdict),
            (Verdict::Held, Verdict::Broken | Verdict::Waived) | (Verdict::Broken, Verdict::Held)
        )
    }
}
