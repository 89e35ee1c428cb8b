//! What a host is too small for, what follows, and an overlay with which the stack starts there.
//! Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Sign;
use super::overlay::overlay;
use super::scale::{Change, Figure, Host, changes};
use crate::compose::Model;
use crate::plan::{Plan, PlannedCheck, Selection, plan};
use crate::scenario::{CheckSpec, Scenario};

/// By how much two figures may differ and still be the same, as the checks compare them: cores,
/// and bytes.
const SAME: (f64, f64) = (0.001, 65_536.0);

/// What the signs are about.
const LIMITS: &str = "limits";

/// The proposal for one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// A sign for each limit that does not fit, or one that says that all do.
    pub signs: Vec<Sign>,
    /// The overlay, a Compose file. It changes nothing where all limits fit.
    pub overlay: String,
    /// Whether the overlay changes anything.
    pub changes_anything: bool,
    /// The claims that are broken with the overlay, because they state other figures.
    broken: Vec<String>,
    /// The claims with a limit that nothing can exceed there, so that it cannot be seen to bind.
    unseen: Vec<String>,
}

impl Proposal {
    /// Compares the limits of a scenario's stack with the host. `shown` is the scenario's path.
    #[must_use]
    pub fn of(scenario: &Scenario, shown: &Path, model: &Model, host: Host) -> Proposal {
        let changes = changes(model, host);
        let plan = plan(scenario, model, &Selection::default());
        Proposal {
            signs: signs(scenario, &changes, host),
            overlay: format!("{}{}", heading(shown, &changes, host), overlay(model, &changes)),
            changes_anything: !changes.is_empty(),
            broken: claims(&plan, |check| is_contradicted(check, &changes)),
            unseen: claims(&plan, |check| {
                let changed = |change: &Change| {
                    change.figure == Figure::Cpus && change.service == check.service
                };
                matches!(check.spec, CheckSpec::CpuLimitEnforced(_)) && changes.iter().any(changed)
            }),
        }
    }

    /// All of it for people. `shown` is the scenario's path, `given` are the overlays that were
    /// merged already, and `file` is where the new one is written.
    #[must_use]
    pub fn text(&self, shown: &Path, given: &[PathBuf], file: Option<&Path>) -> String {
        let mut text: String = self.signs.iter().map(ToString::to_string).collect();
        let file = match file {
            // The overlay is on stdout and this text is not.
            Some(file) if file.as_os_str() == "-" => Path::new("FILE"),
            Some(file) => {
                text.push_str(&format!("\nThe overlay is in {}.\n", file.display()));
                file
            }
            None if self.changes_anything => {
                text.push_str(&format!(
                    "\nAn overlay that fits; --write-overlay FILE writes it:\n\n{}\n",
                    self.overlay
                ));
                Path::new("FILE")
            }
            None => return text,
        };
        text.push_str(&self.usage(shown, given, file));
        text
    }

    /// How the overlay is used, and what the claims come to with it. `given` are the overlays that
    /// were there already, `file` is where the new one is.
    #[must_use]
    pub fn usage(&self, shown: &Path, given: &[PathBuf], file: &Path) -> String {
        let overlays = given.iter().map(PathBuf::as_path).chain([file]);
        let overlays: String =
            overlays.map(|overlay| format!(" --overlay {}", overlay.display())).collect();
        let mut text = format!("Use it:\n  stackproof run {}{overlays}\n", shown.display());
        if !self.broken.is_empty() {
            text.push_str(
                "With it these claims are broken, and rightly: they state figures that this host \
                 cannot give.\nVerify them on a larger host, or leave each out with --skip:\n",
            );
            self.broken.iter().for_each(|id| text.push_str(&format!("  {id}\n")));
        }
        if !self.unseen.is_empty() {
            text.push_str(
                "In these claims, a check of a scaled CPU limit is skipped: a limit of all CPUs \
                 cannot be seen to bind.\n",
            );
            self.unseen.iter().for_each(|id| text.push_str(&format!("  {id}\n")));
        }
        text
    }
}

fn signs(scenario: &Scenario, changes: &[Change], host: Host) -> Vec<Sign> {
    let stack = &scenario.name.value;
    let mut signs = Vec::new();
    for change in changes.iter().filter(|change| change.figure.is_limit()) {
        let is = format!(
            "service {} of {stack} is limited to {}, and the host has {}",
            change.service,
            change.figure.show(change.declared),
            has(change.figure, host),
        );
        let follows = if change.figure == Figure::Cpus {
            "the engine refuses to make its container, so the stack does not come up"
        } else {
            "the engine accepts it and it never binds: the host runs out of memory first"
        };
        signs.push(Sign::limited(LIMITS, is, follows));
    }
    let told = [(host.cpus, "CPUs"), (host.memory, "memory")];
    for (_, what) in told.iter().filter(|(told, _)| told.is_none()) {
        let is = format!("the engine does not tell how much its host has: {what}");
        let unknown = format!("whether the limits of {stack} fit is unknown");
        signs.push(Sign::limited(LIMITS, is, unknown));
    }
    if signs.is_empty() {
        signs.push(Sign::fine(
            LIMITS,
            format!("each CPU and memory limit of {stack} fits the host"),
        ));
    }
    signs
}

/// What the host has of what a figure is about.
fn has(figure: Figure, host: Host) -> String {
    let value = if figure == Figure::Cpus { host.cpus } else { host.memory };
    let show = |value| figure.show(crate::check::limits::as_float(value));
    value.map_or_else(|| "an unknown amount".to_owned(), show)
}

/// Comments that say what the file is for. Whoever finds it later sees what it takes away.
fn heading(shown: &Path, changes: &[Change], host: Host) -> String {
    let shown = shown.display();
    let host = format!("{} and {} of memory", has(Figure::Cpus, host), has(Figure::Memory, host));
    if changes.is_empty() {
        return format!(
            "# Each CPU and memory limit of {shown} fits this host ({host}): nothing is changed.\n"
        );
    }
    let mut text = format!(
        "# Proposed by `stackproof doctor {shown}` for a host with {host}.\n\
         # These figures are not those that are declared:\n"
    );
    for Change { service, figure, declared, scaled } in changes {
        let (declared, scaled) = (figure.show(*declared), figure.show(*scaled));
        text.push_str(&format!("#   {service}: {} of {declared}, here {scaled}\n", figure.name()));
    }
    text
}

/// The ids of the claims with a check like this, in the order of the scenario.
fn claims(plan: &Plan<'_>, which: impl Fn(&PlannedCheck<'_>) -> bool) -> Vec<String> {
    let claims = plan.claims.iter().filter(|claim| claim.checks.iter().any(&which));
    claims.map(|claim| claim.claim.id.value.clone()).collect()
}

/// Whether a check states another figure than the overlay has.
fn is_contradicted(check: &PlannedCheck<'_>, changes: &[Change]) -> bool {
    let bytes = |stated: Option<crate::scenario::Bytes>| {
        stated.map(|stated| crate::check::limits::as_float(stated.0))
    };
    let stated = match check.spec {
        CheckSpec::CpuLimit(limit) => vec![(Figure::Cpus, limit.cpus)],
        CheckSpec::MemoryLimit(limit) => vec![(Figure::Memory, bytes(limit.limit))],
        CheckSpec::Reservation(reservation) => vec![
            (Figure::ReservedCpus, reservation.cpus),
            (Figure::ReservedMemory, bytes(reservation.memory)),
        ],
        // A sum of which a part is changed is another sum.
        CheckSpec::CapacityTotals(totals) => {
            let sums = [
                (Figure::Cpus, totals.cpus.is_some()),
                (Figure::ReservedCpus, totals.reserved_cpus.is_some()),
                (Figure::Memory, totals.memory.is_some()),
                (Figure::ReservedMemory, totals.reserved_memory.is_some()),
            ];
            let changed: BTreeSet<&str> =
                changes.iter().map(|change| change.figure.name()).collect();
            return sums.iter().any(|(figure, is)| *is && changed.contains(figure.name()));
        }
        _ => return false,
    };
    stated.into_iter().any(|(figure, stated)| {
        let same =
            if matches!(figure, Figure::Cpus | Figure::ReservedCpus) { SAME.0 } else { SAME.1 };
        changes
            .iter()
            .filter(|change| change.service == check.service && change.figure == figure)
            .any(|change| stated.is_some_and(|stated| (stated - change.scaled).abs() > same))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::scenario::load::load;

    const ONE_CORE: Host = Host { cpus: Some(1), memory: Some(1 << 30) };

    /// A scenario with one check, of a stack in which service a has 2 CPUs, 4 GiB and a part of
    /// both reserved.
    fn proposed(check: &str, host: Host) -> Proposal {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.yaml"), "services: {a: {}, b: {}}\n").unwrap();
        let text = format!(
            "name: s\ncompose: [c.yaml]\nclaims:\n  - {{id: it-is, text: t, severity: low, \
             source: s, checks: [{{{check}}}]}}\n"
        );
        std::fs::write(folder.path().join("s.yaml"), text).unwrap();
        let scenario = load(&folder.path().join("s.yaml")).unwrap().scenario;
        let resources = json!({
            "limits": {"cpus": 2, "memory": "4294967296"},
            "reservations": {"cpus": 1.5, "memory": "2147483648"},
        });
        let model = json!({"services": {
            "a": {"deploy": {"resources": resources}},
            "b": {"cpus": 0.5, "mem_limit": "1048576"},
        }});
        Proposal::of(&scenario, Path::new("s.yaml"), &Model::of(model).unwrap(), host)
    }

    #[rstest]
    #[case::another_cpu_limit("cpu-limit: {services: [a], cpus: 2}", true)]
    #[case::the_scaled_cpu_limit("cpu-limit: {services: [a], cpus: 1}", false)]
    #[case::no_cpu_limit("cpu-limit: {services: [a]}", false)]
    #[case::that_of_a_service_that_fits("cpu-limit: {services: [b], cpus: 0.5}", false)]
    #[case::another_memory_limit("memory-limit: {services: [\"*\"], limit: 4GiB}", true)]
    #[case::the_scaled_memory_limit("memory-limit: {services: [a], limit: 512MiB}", false)]
    #[case::reserved_cores("reservation: {services: [a], cpus: 1.5}", true)]
    #[case::reserved_memory("reservation: {services: [a], memory: 2GiB}", true)]
    #[case::a_sum_of_memory("capacity-totals: {memory: 5GiB}", true)]
    #[case::what_has_no_figure("no-new-privileges: {services: [a]}", false)]
    fn a_claim_is_named_as_broken_where_it_states(#[case] check: &str, #[case] broken: bool) {
        let usage = proposed(check, ONE_CORE).usage(Path::new("s.yaml"), &[], Path::new("f"));
        assert_eq!(usage.contains("  it-is\n"), broken, "{usage}");
    }

    #[test]
    fn what_the_engine_does_not_tell_is_said() {
        let unknown = Host { cpus: None, memory: Some(64 << 30) };
        let proposal = proposed("cpu-limit: {services: [a]}", unknown);
        assert!(!proposal.changes_anything);
        let said: Vec<bool> = proposal.signs.iter().map(|sign| sign.limits.is_some()).collect();
        assert_eq!(said, [true], "{:?}", proposal.signs);
    }

    #[test]
    fn overlays_that_were_given_are_used_before_the_new_one() {
        let proposal = proposed("cpu-limit: {services: [a]}", ONE_CORE);
        let usage = proposal.usage(Path::new("s.yaml"), &["g.yaml".into()], Path::new("f.yaml"));
        assert!(usage.contains("stackproof run s.yaml --overlay g.yaml --overlay f.yaml\n"));
    }
}
