//! The rules that a scenario must keep beyond its types.

use std::collections::{BTreeSet, HashMap, HashSet};

use regex::Regex;

use super::check::{Baseline, Watch};
use super::{CheckSpec, Claim, Documented, Satisfied, Scenario};
use crate::diagnostic::{Diagnostic, MOST_PROBLEMS, Problems};
use crate::yaml::{Span, Spanned};

mod limits;
mod mutants;

/// Adds whatever is wrong with a scenario. `problems` holds those found before: a list of which
/// every entry was unreadable is not empty.
pub fn validate(scenario: &Scenario, problems: &mut Problems) {
    let name = &scenario.name;
    kebab_case("the name", name, problems);
    if problems.is_empty() && scenario.compose.is_empty() {
        problems.push(empty_list("a scenario needs a Compose file", name.span));
    }
    if problems.is_empty() && scenario.claims.is_empty() {
        problems.push(empty_list("a scenario without claims proves nothing", name.span));
    }
    unique_ids(&scenario.claims, problems);
    for claim in &scenario.claims {
        claim_rules(claim, problems);
    }
    mutants::mutants(&scenario.mutants, problems);
}

/// The services that a scenario names and that are not in `known`.
#[must_use]
pub fn unknown_services(scenario: &Scenario, known: &BTreeSet<String>) -> Vec<Diagnostic> {
    let checks = scenario.claims.iter().flat_map(|claim| &claim.checks);
    let changed = scenario.mutants.iter().flat_map(|mutant| &mutant.services);
    let named = checks.flat_map(|check| {
        let (services, except) = check.services();
        let further = match &check.value {
            CheckSpec::DockerAccessVia(access) => std::slice::from_ref(&access.via),
            CheckSpec::StartsInAnyOrder(order) => &order.delayed,
            _ => &[],
        };
        let watched: &[Watch] = match &check.value {
            CheckSpec::OomBlastRadius(blast) => &blast.watch,
            CheckSpec::Load(load) => &load.watch,
            _ => &[],
        };
        let watched = watched.iter().map(|watch| &watch.service);
        let named = services.iter().filter(|service| service.value != "*");
        named.chain(except).chain(further).chain(watched)
    });
    named
        .chain(changed)
        .filter_map(|service| unknown_service(service, known))
        .take(MOST_PROBLEMS + 1)
        .collect()
}

/// The problem of a baseline whose service is not in `known`, the services of its Compose file.
#[must_use]
pub fn unknown_baseline(baseline: &Baseline, known: &BTreeSet<String>) -> Option<Diagnostic> {
    unknown_service(&baseline.service, known)
}

fn unknown_service(service: &Spanned<String>, known: &BTreeSet<String>) -> Option<Diagnostic> {
    if known.contains(&service.value) {
        return None;
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let message = format!("unknown service `{}`", service.value);
    let unknown = Diagnostic::new("unknown-service", message).at(service.span);
    Some(unknown.suggest(&service.value, &known))
}

fn empty_list(message: &str, span: Span) -> Diagnostic {
    Diagnostic::new("empty-list", message).at(span)
}

fn kebab_case(subject: &str, word: &Spanned<String>, problems: &mut Problems) {
    let letters = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let is_kebab =
        word.split('-').all(letters) && word.starts_with(|c: char| c.is_ascii_lowercase());
    if is_kebab {
        return;
    }
    let message = format!("{subject} `{}` is not in kebab-case", word.value);
    let problem = Diagnostic::new("not-kebab-case", message).at(word.span);
    let lower = word.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let kebab = words.collect::<Vec<_>>().join("-");
    problems.push(if kebab.starts_with(|c: char| c.is_ascii_lowercase()) {
        problem.hint(format!("write `{kebab}`"))
    } else {
        problem.hint("begin with a letter; use lower case, digits and single hyphens")
    });
}

fn unique_ids(claims: &[Spanned<Claim>], problems: &mut Problems) {
    let mut first: HashMap<&str, &Spanned<Claim>> = HashMap::new();
    for claim in claims {
        let Some(earlier) = first.get(claim.id.value.as_str()) else {
            first.insert(&claim.id.value, claim);
            continue;
        };
        // An alias repeats a claim as a whole; then only the claims tell the places apart.
        let (here, there) = if earlier.id.span == claim.id.span {
            (claim.span, earlier.span)
        } else {
            (claim.id.span, earlier.id.span)
        };
        let message = format!("two claims have the id `{}`", claim.id.value);
        let problem = Diagnostic::new("duplicate-id", message).at(here);
        problems.push(problem.label(there, "first here"));
    }
}

fn claim_rules(claim: &Spanned<Claim>, problems: &mut Problems) {
    let id = &claim.id;
    kebab_case("the id", id, problems);
    let waiver = claim.waived.as_ref();
    let texts = [
        ("text", Some(&claim.text)),
        ("source", Some(&claim.source)),
        ("pending", claim.pending.as_ref()),
        ("unproven", claim.unproven.as_ref()),
        ("reason", waiver.map(|waiver| &waiver.reason)),
    ];
    for (key, _) in texts.iter().filter(|(_, text)| text.is_some_and(|t| t.trim().is_empty())) {
        let message = format!("`{key}` of the claim `{}` is empty", id.value);
        problems.push(Diagnostic::new("empty-text", message).at(id.span));
    }
    match (claim.checks.is_empty(), &claim.pending) {
        (true, None) if !problems.any_within(claim.span) => {
            let message = format!("the claim `{}` has no checks", id.value);
            let problem = Diagnostic::new("no-checks", message).at(id.span);
            problems.push(problem.hint("say with `pending` why it cannot be verified yet"));
        }
        (false, Some(_)) => {
            let message = format!("the claim `{}` has checks and is pending", id.value);
            let problem = Diagnostic::new("checks-and-pending", message).at(id.span);
            problems.push(problem.hint("a claim that is verified is not pending"));
        }
        (true, _) | (false, None) => {}
    }
    if let Some(waiver) = waiver.filter(|waiver| waiver.last_day().is_none()) {
        let message = format!("`{}` is no date", waiver.until.value);
        let problem = Diagnostic::new("wrong-date", message).at(waiver.until.span);
        problems.push(problem.hint("write year, month and day: 2026-12-31"));
    }
    if let Some(documented) = &claim.documented {
        documented_rules(documented, problems);
    }
    for check in &claim.checks {
        service_rules(check, problems);
        limits::limits(check, problems);
    }
    once_per_service(claim, problems);
}

fn documented_rules(documented: &Documented, problems: &mut Problems) {
    let Satisfied::OutputMatches(pattern) = &documented.satisfied_when else { return };
    if let Err(error) = Regex::new(pattern) {
        // The first lines of the message show the pattern again; the last says what is wrong.
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let message = format!("not a regular expression: {why}");
        problems.push(Diagnostic::new("wrong-pattern", message).at(pattern.span));
    }
}

fn service_rules(check: &Spanned<CheckSpec>, problems: &mut Problems) {
    let (services, except) = check.services();
    let all = services.iter().any(|service| service.value == "*");
    let named = !services.is_empty() || check.is_about_the_stack();
    if !named && !problems.any_within(check.span) {
        let message = format!("`{}` names no services", check.code());
        let problem = empty_list(&message, check.span);
        problems.push(problem.hint("name them, or write [\"*\"] for all"));
    }
    if let Some(first) = except.first().filter(|_| !all && !services.is_empty()) {
        let message = "`except` leaves services out of \"*\" only";
        let problem = Diagnostic::new("except-without-all", message).at(first.span);
        problems.push(problem.hint("leave them out of `services`"));
    }
}

/// A check is asked of a service once per claim: a report tells results apart by the claim, the
/// check and the service.
fn once_per_service(claim: &Claim, problems: &mut Problems) {
    let mut of_the_stack: HashMap<&str, Span> = HashMap::new();
    for check in claim.checks.iter().filter(|check| check.is_about_the_stack()) {
        if let Some(earlier) = of_the_stack.insert(check.code(), check.span) {
            let message = format!("`{}` is asked twice in one claim", check.code());
            let problem = Diagnostic::new("duplicate-check", message).at(check.span);
            problems.push(problem.label(earlier, "first here"));
        }
    }
    let mut all: HashMap<&str, (Span, HashSet<&str>)> = HashMap::new();
    let named = |all: bool| {
        claim.checks.iter().flat_map(move |check| {
            let (services, except) = check.services();
            let services = services.iter().filter(move |service| (service.value == "*") == all);
            services.map(move |service| (check.code(), service, except))
        })
    };
    let mut twice = |code: &str, service: &Spanned<String>, earlier: Span| {
        let message = format!("`{code}` is asked of `{}` twice in one claim", service.value);
        let problem = Diagnostic::new("duplicate-check", message).at(service.span);
        problems.push(problem.label(earlier, "first here"));
    };
    for (code, service, except) in named(true) {
        if let Some((earlier, _)) = all.get(code) {
            twice(code, service, *earlier);
        } else {
            let except = except.iter().map(|service| service.value.as_str()).collect();
            all.insert(code, (service.span, except));
        }
    }
    let mut seen: HashMap<(&str, &str), Span> = HashMap::new();
    for (code, service, _) in named(false) {
        let name = service.value.as_str();
        let by_all = all.get(code).filter(|(_, except)| !except.contains(name));
        match seen.get(&(code, name)).or(by_all.map(|(span, _)| span)) {
            Some(earlier) => twice(code, service, *earlier),
            None => {
                seen.insert((code, name), service.span);
            }
        }
    }
}
