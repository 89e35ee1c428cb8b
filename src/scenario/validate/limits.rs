//! The rules for the parameters of single checks.

use std::time::Duration;

use super::super::CheckSpec;
use super::super::amount::Bytes;
use super::super::capability;
use super::super::check::{Baseline, ImageSize, LatencyBudget, Load, Services, Watch};
use crate::compose::restart;
use crate::diagnostic::{Diagnostic, Problems, nearest};
use crate::yaml::Spanned;

/// The namespaces that a service can have of its own.
const NAMESPACES: [&str; 5] = ["pid", "net", "ipc", "uts", "mnt"];

/// A shorter time has too few of the periods in which a CPU limit binds.
const SHORTEST: Duration = Duration::from_secs(1);
/// A longer time would make health checks fail.
const LONGEST: Duration = Duration::from_secs(30);

/// Adds what is wrong with the parameters of a check.
pub(super) fn limits(check: &Spanned<CheckSpec>, problems: &mut Problems) {
    // Numbers have no place of their own; they are shown at their check.
    let mut wrong = |message: String| {
        let message = format!("`{}`: {message}", check.code());
        problems.push(Diagnostic::new("wrong-limit", message).at(check.span));
    };
    match &check.value {
        CheckSpec::Capabilities(capabilities) => {
            problems.extend(capabilities.allowed.iter().filter_map(unknown_capability));
        }
        CheckSpec::Namespaces(namespaces) => {
            problems.extend(namespaces.own.iter().filter_map(unknown_namespace));
        }
        CheckSpec::CpuLimit(limit) => {
            if limit.cpus.is_some_and(|cpus| !cpus.is_finite() || cpus <= 0.0) {
                wrong("`cpus` must be more than 0".to_owned());
            }
        }
        CheckSpec::MemoryLimit(limit) => {
            if limit.limit == Some(Bytes(0)) {
                wrong("a `limit` of 0 is none".to_owned());
            }
        }
        CheckSpec::PidsLimit(limit) => {
            if limit.limit == Some(0) {
                wrong("a `limit` of 0 is none".to_owned());
            }
        }
        CheckSpec::OomBlastRadius(check) => {
            watched(&check.services, &check.watch, &check.latency_budget, &mut wrong);
        }
        CheckSpec::CpuLimitEnforced(check) => {
            if !(check.tolerance > 0.0 && check.tolerance < 1.0) {
                wrong("`tolerance` must be between 0 and 1".to_owned());
            }
            if !(SHORTEST..=LONGEST).contains(&check.duration.0) {
                wrong("`duration` must be from 1s to 30s".to_owned());
            }
        }
        CheckSpec::Load(load) => load_shape(load, &mut wrong),
        CheckSpec::ImageSize(size) => image_size(size, &mut wrong),
        CheckSpec::Reservation(reservation) => {
            if reservation.memory.is_none() && reservation.cpus.is_none() {
                wrong("state at least one of `memory` and `cpus`".to_owned());
            }
        }
        CheckSpec::CapacityTotals(totals) => {
            let cpus = [totals.cpus, totals.reserved_cpus];
            let memory = [totals.memory, totals.reserved_memory];
            if cpus.iter().all(Option::is_none) && memory.iter().all(Option::is_none) {
                wrong("state at least one sum".to_owned());
            }
        }
        CheckSpec::HostCapacity(host) => {
            if host.cpus.is_none() && host.memory.is_none() && host.disk.is_none() {
                wrong("state at least one of `cpus`, `memory` and `disk`".to_owned());
            }
        }
        CheckSpec::NoEnv(check) => {
            if check.names.is_empty() {
                wrong("`names` names no variable".to_owned());
            }
        }
        CheckSpec::RestartPolicy(check) => {
            if restart::Policy::parse(&check.policy).is_none() {
                let message = format!("unknown restart policy `{}`", check.policy.value);
                let unknown = Diagnostic::new("unknown-policy", message).at(check.policy.span);
                problems.push(unknown.suggest(&check.policy, &restart::NAMES));
            }
        }
        CheckSpec::RunsAs(_)
        | CheckSpec::NoDockerAccess(_)
        | CheckSpec::DockerAccessVia(_)
        | CheckSpec::NoNewPrivileges(_)
        | CheckSpec::Seccomp(_)
        | CheckSpec::Apparmor(_)
        | CheckSpec::ReadOnlyRoot(_)
        | CheckSpec::SwapLimit(_)
        | CheckSpec::OomContained(_)
        | CheckSpec::PidsLimitEnforced(_)
        | CheckSpec::NoBuildTools(_)
        | CheckSpec::NoSecretsInImage(_)
        | CheckSpec::SingleDependencySource(_)
        | CheckSpec::Healthy(_)
        | CheckSpec::NoRawSocketMount(_)
        | CheckSpec::NoPublishedOnAllInterfaces(_)
        | CheckSpec::LogRotation(_)
        | CheckSpec::TmpfsBounded(_) => {}
    }
}

/// The most requests a second: with more, the generator would measure itself.
const MOST_RATE: f64 = 2000.0;
/// The most connections.
const MOST_CONNECTIONS: u32 = 1000;
/// The longest load.
const LONGEST_LOAD: Duration = Duration::from_secs(600);
/// With fewer requests, 99 of 100 are all.
const LEAST_REQUESTS: u64 = 100;

fn load_shape(load: &Load, wrong: &mut impl FnMut(String)) {
    if !load.path.starts_with('/') || !load.path.bytes().all(|byte| byte.is_ascii_graphic()) {
        wrong("`path` must begin with `/` and hold no space".to_owned());
    }
    if !(load.rate() > 0.0 && load.rate() <= MOST_RATE) {
        wrong(format!("`rate` must be more than 0 and at most {MOST_RATE} a second"));
    } else if load.duration() > LONGEST_LOAD {
        wrong(format!("`duration` must be at most {} s", LONGEST_LOAD.as_secs()));
    } else if load.requests() < LEAST_REQUESTS {
        let requests = load.requests();
        wrong(format!("{requests} requests are too few: {LEAST_REQUESTS} are needed"));
    }
    if !(1..=MOST_CONNECTIONS).contains(&load.connections()) {
        wrong(format!("`connections` must be from 1 to {MOST_CONNECTIONS}"));
    }
    if !(0.0..1.0).contains(&load.max_errors) {
        wrong("`max_errors` must be from 0 to less than 1".to_owned());
    }
    if !load.watch.is_empty() && !load.neighbours {
        wrong("`watch` names neighbours, and `neighbours` says that none is asked".to_owned());
    }
    watched(&load.services, &load.watch, &load.latency_budget, wrong);
}

/// What is wrong with how the neighbours of the services are watched.
fn watched(
    services: &Services,
    watches: &[Watch],
    budget: &LatencyBudget,
    wrong: &mut impl FnMut(String),
) {
    let ratio = budget.ratio;
    if !ratio.is_finite() || ratio < 1.0 {
        wrong("the `ratio` of `latency_budget` must be at least 1".to_owned());
    }
    for watch in watches {
        let name = &watch.service.value;
        if watch.path.is_some() == watch.send.is_some() {
            wrong(format!("`watch` of {name}: state one of `path` and `send`"));
        }
        if watch.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            wrong(format!("`watch` of {name}: a `path` begins with /"));
        }
        if watch.port == 0 {
            wrong(format!("`watch` of {name}: there is no port 0"));
        }
        if services.iter().any(|service| service.value == *name) {
            wrong(format!("`watch`: {name} is no neighbour of itself"));
        }
    }
}

fn image_size(size: &ImageSize, wrong: &mut impl FnMut(String)) {
    if size.min.is_none() && size.max.is_none() && size.baseline.is_none() {
        wrong("state at least one of `min`, `max` and `baseline`".to_owned());
    }
    if let (Some(min), Some(max)) = (size.min, size.max)
        && min > max
    {
        wrong(format!("`min` is {min}, and that is more than `max`, {max}"));
    }
    if let Some(baseline) = &size.baseline {
        percents(baseline, wrong);
    }
}

fn percents(baseline: &Baseline, wrong: &mut impl FnMut(String)) {
    let least = baseline.smaller_by_at_least;
    let most = baseline.smaller_by_at_most;
    for (key, percent) in [("smaller_by_at_least", Some(least)), ("smaller_by_at_most", most)] {
        if percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
            wrong(format!("`{key}` must be from 0 to 100 percent"));
        }
    }
    if most.is_some_and(|most| least > most) {
        wrong("`smaller_by_at_least` is more than `smaller_by_at_most`".to_owned());
    }
}

fn unknown_capability(word: &Spanned<String>) -> Option<Diagnostic> {
    if capability::is_known(word) {
        return None;
    }
    let message = format!("unknown capability `{}`", word.value);
    let unknown = Diagnostic::new("unknown-capability", message).at(word.span);
    let upper = word.to_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    Some(match nearest(name, capability::ALL) {
        Some(meant) => unknown.hint(format!("did you mean `{meant}`?")),
        None => unknown.hint("capabilities(7) lists them"),
    })
}

fn unknown_namespace(word: &Spanned<String>) -> Option<Diagnostic> {
    let message = format!("unknown namespace `{}`", word.value);
    let unknown = || Diagnostic::new("unknown-namespace", message).at(word.span);
    let is_known = NAMESPACES.contains(&word.value.as_str());
    (!is_known).then(|| unknown().suggest(&word.value, &NAMESPACES))
}
