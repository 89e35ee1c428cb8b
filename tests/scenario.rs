//! Scenario files as users write them: what is accepted, and what exactly is said of mistakes.

#![expect(clippy::unwrap_used, reason = "a failing test reports itself")]

#[path = "scenario/any.rs"]
mod any;
#[path = "scenario/extends.rs"]
mod extends;
#[path = "scenario/files.rs"]
mod files;
#[path = "scenario/invalid.rs"]
mod invalid;
#[path = "scenario/rules.rs"]
mod rules;
#[path = "scenario/schema.rs"]
mod schema;
#[path = "scenario/services.rs"]
mod services;
#[path = "scenario/written.rs"]
mod written;
