//! Health checks: as configured, and what they have come to.

use serde::{Deserialize, Serialize};

/// The state of a health check.
#[derive(Debug, Clone, Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: Option<String>,
    /// Failures in a row.
    pub failing_streak: Option<i64>,
    /// The last few runs of the check.
    pub log: Option<Vec<HealthRun>>,
}

/// One run of a health check.
#[derive(Debug, Clone, Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthRun {
    /// When it began.
    pub start: Option<String>,
    /// When it ended.
    pub end: Option<String>,
    /// The exit code; 0 is healthy.
    pub exit_code: Option<i64>,
    /// What it printed.
    pub output: Option<String>,
}

/// A health check as configured; times in nanoseconds.
#[derive(Debug, Clone, Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", …]`.
    pub test: Option<Vec<String>>,
    /// The time between two runs.
    pub interval: Option<i64>,
    /// How long one run may take.
    pub timeout: Option<i64>,
    /// Failures in a row until unhealthy.
    pub retries: Option<i64>,
    /// How long failures do not count after the start.
    pub start_period: Option<i64>,
}
