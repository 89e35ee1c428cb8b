//! What is read from YAML text, and how problems with it are told.

mod deserialize;
mod parse;

use std::time::Duration;

use super::*;
use crate::diagnostic::{Problems, Sources, render_plain};

const TOLERANT: Dialect = Dialect { tags: &["!reset"], ..Dialect::PLAIN };

/// The tree and the lines of the problems.
fn read(text: &str) -> (Option<Node>, Vec<String>) {
    let mut problems = Problems::default();
    let node = parse(text, 0, &TOLERANT, &mut problems);
    (node, lines(text, problems))
}

fn lines(text: &str, problems: Problems) -> Vec<String> {
    let mut sources = Sources::default();
    sources.add("x", text);
    let diagnostics = problems.into_sorted();
    diagnostics.iter().map(|d| format!("{} {}", d.code, d.line(&sources))).collect()
}

/// The problems as a user sees them.
fn shown(text: &str, problems: Problems) -> String {
    let mut sources = Sources::default();
    sources.add("x", text);
    render_plain(&sources, &problems.into_sorted(), &"x")
}

/// The tree as JSON, to compare it at a glance.
fn plain(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Scalar(scalar) => match scalar.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool(value) => value.into(),
            Kind::Integer(value) => i64::try_from(value).unwrap().into(),
            Kind::Float(value) => value.into(),
            Kind::Text => scalar.text.as_str().into(),
        },
        Value::Sequence(items) => items.iter().map(plain).collect(),
        Value::Mapping(entries) => {
            let entries = entries.iter().map(|e| (e.key.value.clone(), plain(&e.value)));
            serde_json::Value::Object(entries.collect())
        }
        Value::Refused => "REFUSED".into(),
    }
}

/// The time that this thread has spent computing: a busy machine must not fail a test.
fn computed() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
