//! What a scenario must be beyond its form. Pure; every problem at once.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::check::Baseline;
use super::{CheckSpec, Claim, Satisfied, Scenario};
use crate::check::capability_names;
use crate::diagnostic::Diagnostic;
use crate::yaml::deserialize::{did_you_mean, nearest};
use crate::yaml::{Span, Spanned};

/// The kinds of namespaces that a claim may name.
const NAMESPACES: [&str; 5] = ["pid", "net", "ipc", "uts", "mnt"];

/// Every problem that can be told from the scenario alone.
#[must_use]
pub fn problems(scenario: &Scenario) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    kebab("the name", &scenario.name, &mut problems);
    if scenario.compose.is_empty() {
        let message = "the scenario names no Compose file";
        problems.push(
            Diagnostic::new("missing-key", message)
                .at(scenario.name.span)
                .hint("add `compose: [compose.yaml]`"),
        );
    }
    if scenario.claims.is_empty() {
        let message = "the scenario makes no claim";
        problems.push(Diagnostic::new("no-claims", message).at(scenario.name.span));
    }
    let mut ids: BTreeMap<&str, Span> = BTreeMap::new();
    for claim in &scenario.claims {
        kebab("the claim's id", &claim.id, &mut problems);
        if let Some(first) = ids.insert(&claim.id.value, claim.id.span) {
            let message = format!("two claims have the id `{}`", claim.id.value);
            problems.push(
                Diagnostic::new("duplicate-id", message)
                    .at(claim.id.span)
                    .label(first, "the other one")
                    .hint("an id is how a claim is found again in every report"),
            );
        }
        of_claim(claim, &mut problems);
    }
    problems
}

/// Services that the scenario names and the stack does not have.
#[must_use]
pub fn unknown_services(scenario: &Scenario, known: &BTreeSet<String>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for check in scenario.claims.iter().flat_map(|claim| &claim.checks) {
        let (services, except) = check.services();
        let via = match &check.value {
            CheckSpec::DockerAccessVia(check) => Some(&check.via),
            _ => None,
        };
        for service in services.iter().chain(except).chain(via) {
            if service.value != "*" && !known.contains(&service.value) {
                problems.push(unknown_service(service, known.iter().map(String::as_str)));
            }
        }
    }
    problems
}

/// Whether the Compose file of a baseline has the service that it names.
#[must_use]
pub fn unknown_baseline(baseline: &Baseline, known: &[String]) -> Option<Diagnostic> {
    let there = known.contains(&baseline.service.value);
    (!there).then(|| unknown_service(&baseline.service, known.iter().map(String::as_str)))
}

/// The baselines that images are compared with.
pub fn baselines(scenario: &Scenario) -> impl Iterator<Item = &Baseline> {
    let checks = scenario.claims.iter().flat_map(|claim| &claim.checks);
    checks.filter_map(|check| match &check.value {
        CheckSpec::ImageSize(size) => size.baseline.as_ref(),
        _ => None,
    })
}

fn unknown_service<'a>(
    service: &Spanned<String>,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let hint = nearest(&service.value, known.clone()).map_or_else(
        || format!("the stack has {}", known.collect::<Vec<_>>().join(", ")),
        did_you_mean,
    );
    let message = format!("the stack has no service `{}`", service.value);
    Diagnostic::new("unknown-service", message).at(service.span).hint(hint)
}

fn of_claim(claim: &Spanned<Claim>, problems: &mut Vec<Diagnostic>) {
    match (&claim.pending, claim.checks.is_empty()) {
        (Some(_), false) => {
            let message = format!("the claim `{}` is pending and has checks", claim.id.value);
            problems.push(
                Diagnostic::new("pending-with-checks", message)
                    .at(claim.id.span)
                    .hint("take away `pending` once the claim can be verified"),
            );
        }
        (None, true) => {
            let message = format!("the claim `{}` has no check", claim.id.value);
            problems.push(
                Diagnostic::new("no-checks", message)
                    .at(claim.id.span)
                    .hint("add `checks`, or say with `pending` why it cannot be verified yet"),
            );
        }
        (None, false) | (Some(_), true) => {}
    }
    if let Some(documented) = &claim.documented
        && let Satisfied::OutputMatches(pattern) = &documented.satisfied_when
        && let Err(error) = Regex::new(pattern)
    {
        let message =
            format!("this is not a regular expression: {}", last_line(&error.to_string()));
        problems.push(Diagnostic::new("invalid-value", message).at(pattern.span));
    }
    if let Some(waiver) = &claim.waived
        && waiver.until.parse::<jiff::civil::Date>().is_err()
    {
        let message = format!("`{}` is not a date", waiver.until.value);
        let hint = "write it as 2027-01-31";
        problems.push(Diagnostic::new("invalid-value", message).at(waiver.until.span).hint(hint));
    }
    let mut seen: BTreeMap<(&str, &str), Span> = BTreeMap::new();
    for check in &claim.checks {
        of_check(check, problems);
        // A size against bounds and a size against a baseline are two things.
        if matches!(check.value, CheckSpec::ImageSize(_)) {
            continue;
        }
        for service in check.services().0 {
            let key = (check.code(), service.value.as_str());
            if let Some(first) = seen.insert(key, service.span) {
                let message = format!("`{}` is asked of `{}` twice", key.0, key.1);
                problems.push(
                    Diagnostic::new("duplicate-check", message)
                        .at(service.span)
                        .label(first, "here first"),
                );
            }
        }
    }
}

fn of_check(check: &Spanned<CheckSpec>, problems: &mut Vec<Diagnostic>) {
    let (services, except) = check.services();
    if services.is_empty() {
        let message = format!("`{}` names no service", check.code());
        let hint = "write `services: [api]`, or `services: [\"*\"]` for all";
        problems.push(Diagnostic::new("no-services", message).at(check.span).hint(hint));
    }
    if let Some(first) = except.first()
        && !services.iter().any(|service| service.value == "*")
    {
        let message = "`except` takes away from `\"*\"` only";
        problems.push(Diagnostic::new("invalid-value", message).at(first.span));
    }
    match &check.value {
        CheckSpec::Capabilities(check) => {
            for name in &check.allowed {
                let plain = name.value.to_ascii_uppercase();
                let plain = plain.strip_prefix("CAP_").unwrap_or(&plain);
                if !capability_names().contains(&plain) {
                    let message = format!("there is no capability `{}`", name.value);
                    let hint = nearest(plain, capability_names().iter().copied()).map(did_you_mean);
                    let diagnostic = Diagnostic::new("unknown-name", message).at(name.span);
                    problems.push(diagnostic.hint_if(hint));
                }
            }
        }
        CheckSpec::Namespaces(check) => {
            for kind in check.own.iter().filter(|kind| !NAMESPACES.contains(&kind.value.as_str())) {
                let message = format!("there is no kind of namespace `{}`", kind.value);
                let hint = format!("known are {}", NAMESPACES.join(", "));
                problems.push(Diagnostic::new("unknown-name", message).at(kind.span).hint(hint));
            }
        }
        CheckSpec::ImageSize(size) => {
            let mut wrong = |message: &str| {
                problems.push(Diagnostic::new("invalid-value", message).at(check.span));
            };
            if size.min.is_none() && size.max.is_none() && size.baseline.is_none() {
                wrong("`image-size` has neither `min` nor `max` nor `baseline`");
            }
            if size.min.zip(size.max).is_some_and(|(min, max)| min > max) {
                wrong("`min` is larger than `max`");
            }
            if let Some(baseline) = &size.baseline {
                let least = baseline.smaller_by_at_least;
                let most = baseline.smaller_by_at_most.unwrap_or(100.0);
                if !(0.0..=100.0).contains(&least) || !(least..=100.0).contains(&most) {
                    wrong("`smaller_by_at_least` and `smaller_by_at_most` are percents, in order");
                }
            }
        }
        _ => {}
    }
}

fn kebab(what: &str, text: &Spanned<String>, problems: &mut Vec<Diagnostic>) {
    let fine = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if !text.split('-').all(fine) {
        let message = format!("{what} `{}` is not kebab-case", text.value);
        let hint = "use lower-case letters, digits and single hyphens";
        problems.push(Diagnostic::new("not-kebab-case", message).at(text.span).hint(hint));
    }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim()
}
