//! The plan: which check is asked of which service. Pure.

use std::collections::BTreeSet;

use crate::compose::Model;
use crate::scenario::{CheckSpec, Claim, Scenario};

/// What the caller asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these claims, where there are any.
    pub claims: Vec<String>,
    /// Only these services, where there are any.
    pub services: Vec<String>,
    /// Not these claims.
    pub skip: Vec<String>,
    /// Leave out what stresses, stops or kills.
    pub no_intrusive: bool,
}

/// Every claim with its checks, asked or not, in the order of the scenario.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The claims.
    pub claims: Vec<PlannedClaim<'a>>,
    /// Services of which it has to be known whether a change took hold.
    pub changed: BTreeSet<String>,
}

/// One claim.
#[derive(Debug)]
pub struct PlannedClaim<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// Its checks, one per service.
    pub checks: Vec<PlannedCheck<'a>>,
    /// Why the selection leaves the whole claim out, if it does.
    pub left_out: Option<String>,
}

/// One check of one service.
#[derive(Debug)]
pub struct PlannedCheck<'a> {
    /// What is checked.
    pub spec: &'a CheckSpec,
    /// The service; empty where the check is about the stack as a whole.
    pub service: String,
    /// Why it is not asked, if it is not.
    pub not_asked: Option<String>,
}

impl Selection {
    /// Names in the selection that nothing matches: a typing error must not select nothing
    /// silently.
    #[must_use]
    pub fn unmatched(&self, scenario: &Scenario, services: &BTreeSet<String>) -> Vec<String> {
        let ids: BTreeSet<&str> =
            scenario.claims.iter().map(|claim| claim.id.value.as_str()).collect();
        let claims = self.claims.iter().map(|id| ("--claim", id));
        let skipped = self.skip.iter().map(|id| ("--skip", id));
        let claims = claims
            .chain(skipped)
            .filter(|(_, id)| !ids.contains(id.as_str()))
            .map(|(flag, id)| format!("{flag} {id}: the scenario has no such claim"));
        let services = self
            .services
            .iter()
            .filter(|name| !services.contains(*name))
            .map(|name| format!("--service {name}: the stack has no such service"));
        claims.chain(services).collect()
    }

    /// Whether a claim is left out as a whole.
    #[must_use]
    pub fn leaves_out(&self, claim: &Claim) -> bool {
        self.leaves_out_claim(claim).is_some()
    }

    fn leaves_out_claim(&self, claim: &Claim) -> Option<String> {
        let id = &claim.id.value;
        if self.skip.contains(id) {
            return Some("not asked: --skip".to_owned());
        }
        let others = !self.claims.is_empty() && !self.claims.contains(id);
        others.then(|| "not asked: --claim names others".to_owned())
    }

    fn leaves_out_check(&self, spec: &CheckSpec, service: &str) -> Option<String> {
        if self.no_intrusive && spec.is_intrusive() {
            return Some("not asked: --no-intrusive".to_owned());
        }
        // A part of the stack has no totals.
        let others = !self.services.is_empty() && !self.services.iter().any(|name| name == service);
        others.then(|| "not asked: --service names others".to_owned())
    }
}

/// Makes the plan of a scenario for the services of a model.
#[must_use]
pub fn plan<'a>(scenario: &'a Scenario, model: &Model, selection: &Selection) -> Plan<'a> {
    let claims = scenario
        .claims
        .iter()
        .map(|claim| {
            let left_out = selection.leaves_out_claim(claim);
            let checks = claim
                .checks
                .iter()
                .flat_map(|spec| services_of(spec, model).into_iter().map(move |s| (spec, s)))
                .map(|(spec, service)| PlannedCheck {
                    not_asked: left_out
                        .clone()
                        .or_else(|| selection.leaves_out_check(spec, &service)),
                    spec: &spec.value,
                    service,
                })
                .collect();
            PlannedClaim { claim: &claim.value, checks, left_out }
        })
        .collect();
    Plan { claims, changed: BTreeSet::new() }
}

/// The services that a check names, in the order named; for `"*"` all but the excepted ones.
fn services_of(spec: &CheckSpec, model: &Model) -> Vec<String> {
    if spec.is_about_the_stack() {
        return vec![String::new()];
    }
    let (services, except) = spec.services();
    let mut named = Vec::new();
    for service in services {
        if service.value == "*" {
            named.extend(model.services.keys().cloned());
        } else {
            named.push(service.value.clone());
        }
    }
    named.retain(|name| !except.iter().any(|excepted| excepted.value == *name));
    let mut seen = BTreeSet::new();
    named.retain(|name| seen.insert(name.clone()));
    named
}

impl PlannedClaim<'_> {
    /// Whether anything of the claim is asked. A pending claim has nothing to ask, but what its
    /// document says can be followed.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        let any = self.checks.iter().any(|check| check.not_asked.is_none());
        self.left_out.is_none() && (any || self.checks.is_empty())
    }
}

impl Plan<'_> {
    /// The checks that are asked.
    pub fn asked(&self) -> impl Iterator<Item = &PlannedCheck<'_>> {
        self.claims.iter().flat_map(|claim| &claim.checks).filter(|check| check.not_asked.is_none())
    }

    /// Whether any asked check has one of these codes.
    #[must_use]
    pub fn asks(&self, codes: &[&str]) -> bool {
        self.asked().any(|check| codes.contains(&check.spec.code()))
    }

    /// Whether a check with one of these codes is asked of `service`.
    #[must_use]
    pub fn asks_of(&self, service: &str, codes: &[&str]) -> bool {
        self.asked().any(|check| check.service == service && codes.contains(&check.spec.code()))
    }

    /// The services of which anything is asked.
    #[must_use]
    pub fn services(&self) -> BTreeSet<String> {
        self.asked()
            .filter(|check| !check.spec.is_about_the_stack())
            .map(|check| check.service.clone())
            .collect()
    }
}
