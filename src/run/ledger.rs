//! The ledger of a run: an entry for every check of the plan from the beginning, each filled in
//! as it is judged. What is not filled in when the run ends was not reached, and that is
//! inconclusive.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::check::Finding;
use crate::observation::{Evidence, Observation, Vantage};
use crate::plan::{Plan, PlannedCheck};
use crate::record::{CheckRecord, ClaimRecord, DocumentedRecord, NOT_ASKED, NOT_REACHED};
use crate::scenario::{Claim, Scenario};
use crate::verdict::Verdict;

/// The claims of a run, as far as they are judged.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    claims: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    record: ClaimRecord,
    judged: Vec<bool>,
    waiver: Option<(Date, String)>,
}

/// Where a check stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) claim: usize,
    pub(super) check: usize,
}

impl Ledger {
    /// A ledger for a plan: what is not asked is filled in already.
    pub(super) fn of(plan: &Plan) -> Ledger {
        let claims = plan
            .claims
            .iter()
            .map(|planned| {
                let unreached = |check| unreached(&planned.claim.text, check);
                let checks: Vec<CheckRecord> = planned.checks.iter().map(unreached).collect();
                let judged = planned.checks.iter().map(|check| check.not_asked.is_some()).collect();
                Entry::new(planned.claim, checks, judged, planned.left_out.as_deref())
            })
            .collect();
        Ledger { claims }
    }

    /// A ledger for a run that ended before its services were known: one entry per check.
    pub(super) fn without_plan(scenario: &Scenario) -> Ledger {
        let claims = scenario
            .claims
            .iter()
            .map(|claim| {
                let checks: Vec<CheckRecord> = claim
                    .checks
                    .iter()
                    .map(|spec| {
                        let (services, _) = spec.services();
                        let names: Vec<&str> = services.iter().map(|s| s.value.as_str()).collect();
                        let finding = not_reached(&claim.text);
                        record(spec.code(), &names.join(","), finding, Duration::ZERO)
                    })
                    .collect();
                let judged = vec![false; checks.len()];
                Entry::new(claim, checks, judged, None)
            })
            .collect();
        Ledger { claims }
    }

    /// Fills in a finding.
    pub(super) fn fill(&mut self, place: Place, finding: Finding, took: Duration) {
        let Some(entry) = self.claims.get_mut(place.claim) else { return };
        let Some(check) = entry.record.checks.get_mut(place.check) else { return };
        *check = record(&check.code, &check.service, finding, took);
        entry.judged[place.check] = true;
    }

    /// Fills in what a documented command said.
    pub(super) fn document(&mut self, claim: usize, documented: DocumentedRecord) {
        if let Some(entry) = self.claims.get_mut(claim) {
            entry.record.documented = Some(documented);
        }
    }

    /// The claims as records, with waivers applied as of `today`.
    pub(super) fn close(self, why_unreached: &str, today: Date) -> Vec<ClaimRecord> {
        self.claims.into_iter().map(|entry| entry.close(why_unreached, today)).collect()
    }
}

impl Entry {
    fn new(
        claim: &Claim,
        checks: Vec<CheckRecord>,
        judged: Vec<bool>,
        left_out: Option<&str>,
    ) -> Entry {
        let waiver = claim.waived.as_ref().and_then(|waiver| {
            Some((waiver.until.value.parse::<Date>().ok()?, waiver.reason.clone()))
        });
        let mut record = ClaimRecord {
            id: claim.id.value.clone(),
            text: claim.text.clone(),
            severity: claim.severity,
            source: claim.source.clone(),
            verdict: Verdict::Inconclusive,
            documented: None,
            checks,
        };
        let mut judged = judged;
        if let Some(reason) = &claim.pending {
            let finding = match left_out {
                Some(reason) => not_asked(&claim.text, reason),
                None => {
                    let what = "the scenario says why";
                    let seen = Observation::now(Vantage::Source, what, reason.clone());
                    let why = format!("pending: {reason}");
                    Finding::does_not_apply(claim.text.clone(), why, Evidence::one(seen))
                }
            };
            record.checks = vec![self::record("pending", "", finding, Duration::ZERO)];
            judged = vec![true];
        }
        Entry { record, judged, waiver }
    }

    fn close(mut self, why_unreached: &str, today: Date) -> ClaimRecord {
        for (check, judged) in self.record.checks.iter_mut().zip(&self.judged) {
            if !judged {
                check.message = format!("not reached: {why_unreached}");
            }
        }
        if let Some((until, reason)) = &self.waiver
            && today <= *until
        {
            for check in &mut self.record.checks {
                if check.verdict == Verdict::Broken {
                    check.verdict = Verdict::Waived;
                    check.message = format!("waived until {until} ({reason}): {}", check.message);
                }
            }
        }
        self.record.verdict = Verdict::worst(self.record.checks.iter().map(|check| check.verdict));
        self.record
    }
}

/// Today in UTC, which is how waivers count.
pub(super) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

fn unreached(claim: &str, check: &PlannedCheck) -> CheckRecord {
    let finding = match &check.not_asked {
        None => not_reached(claim),
        Some(reason) => not_asked(claim, reason),
    };
    record(check.spec.code(), &check.service, finding, Duration::ZERO)
}

fn not_asked(claim: &str, reason: &str) -> Finding {
    let seen = Observation::now(Vantage::Source, "selection", reason);
    Finding::does_not_apply(claim, reason, Evidence::one(seen)).observed(NOT_ASKED)
}

/// What exactly a check would have expected is known only when it judges; until then the claim
/// says it.
fn not_reached(claim: &str) -> Finding {
    Finding::could_not_observe(claim, NOT_REACHED).observed(NOT_REACHED)
}

fn record(code: &str, service: &str, finding: Finding, took: Duration) -> CheckRecord {
    CheckRecord {
        code: code.to_owned(),
        service: service.to_owned(),
        verdict: finding.verdict,
        expected: finding.expected,
        observed: finding.observed,
        message: finding.message,
        reproduce: finding.reproduce,
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        evidence: finding.evidence,
    }
}
