//! A look at the text of a Compose file, for problems that can be shown with a position before
//! the Compose tool is asked. What it cannot tell it leaves to the tool.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::yaml::{Kind, Node, Span};

/// The names of the services; none where other files are included, which may have more.
#[must_use]
pub fn services(file: &Node) -> Option<Vec<String>> {
    if file.get("include").is_some() {
        return None;
    }
    Some(members(file.get("services")).map(|(name, _)| name.to_owned()).collect())
}

/// A circle of services that wait for each other, if there is one.
#[must_use]
pub fn depends_cycle(file: &Node) -> Option<Diagnostic> {
    let mut waits: BTreeMap<&str, Vec<(&str, Span)>> = BTreeMap::new();
    for (name, service) in members(file.get("services")) {
        let edges = match service.get("depends_on").map(|node| &node.kind) {
            Some(Kind::Sequence(nodes)) => nodes
                .iter()
                .filter_map(|node| match &node.kind {
                    Kind::Text(text) => Some((text.as_str(), node.span)),
                    _ => None,
                })
                .collect(),
            Some(Kind::Mapping(members)) => {
                members.iter().map(|(key, _)| (key.text.as_str(), key.span)).collect()
            }
            _ => vec![],
        };
        waits.insert(name, edges);
    }
    waits.keys().find_map(|start| {
        let (path, span) = circle(&waits, start, &mut vec![start])?;
        let message = format!("services wait for each other: {}", path.join(" -> "));
        let hint = "one of them must start without the other";
        Some(Diagnostic::new("depends-cycle", message).at(span).hint(hint))
    })
}

/// A way from the last service of `path` back to `start`, and where its last step stands.
fn circle<'a>(
    waits: &BTreeMap<&'a str, Vec<(&'a str, Span)>>,
    start: &'a str,
    path: &mut Vec<&'a str>,
) -> Option<(Vec<String>, Span)> {
    let here = *path.last()?;
    for (next, span) in waits.get(here)? {
        if *next == start {
            let whole = path.iter().chain([next]).map(ToString::to_string).collect();
            return Some((whole, *span));
        }
        if !path.contains(next) {
            path.push(next);
            let found = circle(waits, start, path);
            path.pop();
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

fn members(node: Option<&Node>) -> impl Iterator<Item = (&str, &Node)> {
    let members = match node.map(|node| &node.kind) {
        Some(Kind::Mapping(members)) => members.as_slice(),
        _ => &[],
    };
    members.iter().map(|(key, value)| (key.text.as_str(), value))
}
