//! stackproof proves that a Docker Compose stack enforces the security its documentation claims.
//!
//! The flow goes one way: a scenario is parsed, planned against the resolved Compose model,
//! brought up, observed through the Engine API and by a static probe, judged, and reported.
//! ARCHITECTURE.md has the map and the invariants.

pub mod check;
pub mod cli;
pub mod compose;
pub mod diagnostic;
pub mod doctor;
pub mod documented;
pub mod engine;
pub mod event;
pub mod exit_code;
pub mod failure;
pub mod image;
pub mod interrupt;
pub mod lease;
pub mod mutation;
pub mod observation;
pub mod observe;
pub mod plan;
pub mod probe;
pub mod progress;
pub mod record;
pub mod redact;
pub mod report;
pub mod run;
pub mod run_id;
pub mod scenario;
pub mod stack;
pub mod sweep;
pub mod timeline;
pub mod verdict;
pub mod world;
pub mod yaml;
