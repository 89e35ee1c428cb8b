//! What the text of Compose files says of services, before Compose is asked: their names and
//! places, and who waits for whom. The resolved model has the last word.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Problems};
use crate::yaml::{self, Budget, Dialect, Entry, Node, Span, Spanned, Value};

/// YAML as Compose reads it.
pub const DIALECT: Dialect = Dialect { tags: &["!reset", "!override"], budget: Budget::USUAL };

/// So many services of a circle are named; nobody follows more.
const LONGEST_WAY: usize = 12;

/// The services of a stack as its Compose files state them, merged in their order.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// The services and where each is stated first.
    pub names: BTreeMap<String, Span>,
    /// Whether there are no others: a file that includes or extends another may have more.
    pub complete: bool,
    waits_for: BTreeMap<String, Vec<Spanned<String>>>,
}

impl Services {
    /// No services, and none that are not known.
    #[must_use]
    pub fn none() -> Services {
        Services { complete: true, ..Services::default() }
    }

    /// Adds what a further Compose file states. Where the file cannot be understood, the problems
    /// say so, and the services are no longer complete.
    pub fn add(&mut self, text: &str, source: usize, problems: &mut Problems) {
        let Some(root) = yaml::parse(text, source, &DIALECT, problems) else {
            self.complete = false;
            return;
        };
        let Some(entries) = root.as_mapping() else {
            self.complete = false;
            problems.push(not_compose("a Compose file", &root));
            return;
        };
        for entry in entries {
            match entry.key.value.as_str() {
                "include" => self.complete = false,
                "services" => self.add_services(&entry.value, problems),
                _ => {}
            }
        }
    }

    fn add_services(&mut self, services: &Node, problems: &mut Problems) {
        let entries = match &services.value {
            Value::Mapping(entries) => entries,
            Value::Scalar(_) if services.is_null() => return,
            Value::Refused => return self.complete = false,
            Value::Scalar(_) | Value::Sequence(_) => {
                self.complete = false;
                problems.push(not_compose("`services`", services));
                return;
            }
        };
        for Entry { key, value } in entries {
            if value.tag.as_deref() == Some("!reset") {
                self.names.remove(&key.value);
                self.waits_for.remove(&key.value);
                continue;
            }
            self.names.entry(key.value.clone()).or_insert(key.span);
            if value.get("extends").is_some() {
                self.complete = false;
            }
            if let Some(depends_on) = value.get("depends_on") {
                self.add_waits(&key.value, depends_on);
            }
        }
    }

    /// Adds the services that one service waits for, from the short or the long form.
    fn add_waits(&mut self, service: &str, depends_on: &Node) {
        let waits = self.waits_for.entry(service.to_owned()).or_default();
        match depends_on.tag.as_deref() {
            Some("!reset") => return waits.clear(),
            Some("!override") => waits.clear(),
            _ => {}
        }
        let short = depends_on.as_sequence().unwrap_or_default().iter().filter_map(|item| {
            Some(Spanned { value: item.as_text()?.to_owned(), span: item.span })
        });
        let long = depends_on.as_mapping().unwrap_or_default();
        waits.extend(short.chain(long.iter().map(|entry| entry.key.clone())));
    }

    /// The services that wait for each other in a circle, so that none of them can start.
    #[must_use]
    pub fn cycles(&self) -> Vec<Diagnostic> {
        let mut done = BTreeSet::new();
        self.names.keys().filter_map(|service| self.cycle_from(service, &mut done)).collect()
    }

    /// The first circle that is reached from a service. It walks without recursion: nothing
    /// bounds how many services wait in a row.
    fn cycle_from<'a>(
        &'a self,
        service: &'a str,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Diagnostic> {
        if done.contains(service) {
            return None;
        }
        let mut found = None;
        let mut path: Vec<Step<'a>> = vec![self.step(service)];
        let mut on_path = BTreeSet::from([service]);
        while let Some(step) = path.last_mut() {
            let Some(next) = step.left.next() else {
                done.insert(step.service);
                on_path.remove(step.service);
                path.pop();
                continue;
            };
            let name = next.value.as_str();
            step.taken = Some(next);
            if on_path.contains(name) {
                found = found.or_else(|| circle(&path, name));
            } else if self.names.contains_key(name) && !done.contains(name) {
                on_path.insert(name);
                path.push(self.step(name));
            }
        }
        found
    }

    fn step<'a>(&'a self, service: &'a str) -> Step<'a> {
        let left = self.waits_for.get(service).map(Vec::as_slice).unwrap_or_default().iter();
        Step { service, left, taken: None }
    }
}

/// A service on the way, and the one behind it that is looked at.
struct Step<'a> {
    service: &'a str,
    left: std::slice::Iter<'a, Spanned<String>>,
    taken: Option<&'a Spanned<String>>,
}

/// The problem of a way that leads back to `service`.
fn circle(path: &[Step<'_>], service: &str) -> Option<Diagnostic> {
    let start = path.iter().position(|step| step.service == service)?;
    let mut circle: Vec<(&str, &Spanned<String>)> =
        path.get(start..)?.iter().filter_map(|step| Some((step.service, step.taken?))).collect();
    // Wherever the walk began, a circle is told from the same place.
    let first = (0..circle.len()).min_by_key(|place| circle.get(*place).map(|step| step.0))?;
    circle.rotate_left(first);
    let mut steps = circle.iter();
    let (name, waits_for) = steps.next()?;
    let names: Vec<&str> = circle.iter().map(|step| step.0).take(LONGEST_WAY).collect();
    let more = circle.len() - names.len();
    let rest = if more > 0 { format!(" -> {more} more -> ") } else { " -> ".to_owned() };
    let message = format!("services wait for each other: {}{rest}{name}", names.join(" -> "));
    let problem = Diagnostic::new("depends-cycle", message).at(waits_for.span);
    Some(steps.take(LONGEST_WAY).fold(problem, |problem, (name, waits_for)| {
        problem.label(waits_for.span, format!("`{name}` waits for `{}`", waits_for.value))
    }))
}

fn not_compose(subject: &str, node: &Node) -> Diagnostic {
    let message = format!("{subject} must be a mapping, not {}", node.described());
    Diagnostic::new("not-compose", message).at(node.span)
}
