//! What a mutant comes to, from how the claims were judged on the stack with it. Pure.

use std::collections::BTreeMap;

use super::record::{ClaimScore, Judged, MutantRecord, Naive, Outcome, Unexpected, Unproven};
use super::{Expected, Mutant};
use crate::record::{CheckRecord, ClaimRecord};
use crate::verdict::Verdict;
use crate::world::Blind;

/// How a mutant stood when the claims were judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It was seen to have taken hold.
    Landed,
    /// It could not be started, and was judged as it was created.
    Created(Blind),
    /// It did not land, or nothing of it was there.
    Missing(Blind),
    /// This host refuses it.
    Refused(Blind),
}

/// Judges one mutant by the claims of its round. `together` are all mutants of the round: what is
/// judged of the stack as a whole may have turned red because of any of them.
#[must_use]
pub fn judge(
    mutant: &Mutant,
    together: &[&Mutant],
    stand: &Stand,
    claims: &[ClaimRecord],
    round: usize,
) -> MutantRecord {
    let mut record = MutantRecord {
        id: mutant.id.clone(),
        weakness: mutant.weakness.clone(),
        text: mutant.text.clone(),
        service: mutant.service.clone(),
        outcome: Outcome::Invalid,
        reason: String::new(),
        judged_as_created: matches!(stand, Stand::Created(_)),
        expected: vec![],
        documented: vec![],
        collateral: vec![],
        round,
    };
    match stand {
        Stand::Missing(why) => record.reason.clone_from(why),
        Stand::Refused(why) => {
            record.outcome = Outcome::Skipped;
            record.reason = format!("this host refuses it: {why}");
        }
        Stand::Landed | Stand::Created(_) => {
            record.expected = expected(mutant, claims);
            record.documented = documented(&record.expected, claims);
            record.collateral = collateral(mutant, together, claims);
            (record.outcome, record.reason) = settle(&record.expected);
            if let (Outcome::Survived, Stand::Created(why)) = (record.outcome, stand) {
                record.outcome = Outcome::Skipped;
                record.reason = format!("this host cannot start it: {why}");
            }
        }
    }
    record
}

fn expected(mutant: &Mutant, claims: &[ClaimRecord]) -> Vec<Judged> {
    let mut judged = Vec::new();
    for expected in &mutant.breaks {
        let of =
            |check: &&CheckRecord| check.code == expected.code && check.service == expected.service;
        for claim in claims {
            let asked = claim.checks.iter().filter(of).filter(|check| check.was_asked());
            judged.extend(asked.map(|check| Judged {
                claim: claim.id.clone(),
                expected: expected.clone(),
                verdict: Some(check.verdict),
                message: check.message.clone(),
            }));
        }
        if !judged.iter().any(|judged| judged.expected == *expected) {
            judged.push(Judged {
                claim: String::new(),
                expected: expected.clone(),
                verdict: None,
                message: "it was not judged".to_owned(),
            });
        }
    }
    judged
}

/// Whether a check has caught what it had to.
fn caught(judged: &Judged) -> bool {
    judged.verdict == Some(Verdict::Broken) && judged.message.contains(&judged.expected.because)
}

fn settle(expected: &[Judged]) -> (Outcome, String) {
    let elsewhere = |judged: &Judged| {
        let same = |other: &&Judged| other.expected == judged.expected;
        judged.expected.one_is_enough && expected.iter().filter(same).any(caught)
    };
    let missed = expected.iter().filter(|judged| !caught(judged) && !elsewhere(judged));
    let missed: Vec<String> = missed.map(complaint).collect();
    if missed.is_empty() {
        let codes: Vec<&str> = expected.iter().map(|one| one.expected.code.as_str()).collect();
        return (Outcome::Killed, format!("{} broke", codes.join(", ")));
    }
    let skipped = expected.iter().filter(|judged| judged.verdict == Some(Verdict::Skipped));
    // What this host cannot show is no miss of the check, as long as all the rest was caught.
    if skipped.count() == missed.len() {
        return (Outcome::Skipped, missed.join("; "));
    }
    (Outcome::Survived, missed.join("; "))
}

fn complaint(judged: &Judged) -> String {
    let Expected { code, service, because, .. } = &judged.expected;
    let of = if service.is_empty() { String::new() } else { format!(" of {service}") };
    let verdict = judged.verdict.map_or("not judged", Verdict::word);
    let wanted = match judged.verdict {
        Some(Verdict::Broken) => format!(", but not because of {because:?}"),
        _ => String::new(),
    };
    format!("{code}{of} is {verdict}{wanted}: {}", judged.message)
}

fn documented(expected: &[Judged], claims: &[ClaimRecord]) -> Vec<Naive> {
    let concerned = |claim: &&ClaimRecord| expected.iter().any(|one| one.claim == claim.id);
    claims
        .iter()
        .filter(concerned)
        .filter_map(|claim| {
            let documented = claim.documented.as_ref()?;
            Some(Naive {
                claim: claim.id.clone(),
                command: documented.command.clone(),
                verdict: documented.verdict,
            })
        })
        .collect()
}

/// What turned red on the mutant's own service, or on the stack as a whole, and was not expected.
fn collateral(mutant: &Mutant, together: &[&Mutant], claims: &[ClaimRecord]) -> Vec<Unexpected> {
    let services = mutant.services();
    let theirs = |check: &&CheckRecord| {
        services.contains(check.service.as_str()) || check.service.is_empty() || mutant.alone
    };
    claims
        .iter()
        .flat_map(|claim| claim.checks.iter().map(move |check| (claim, check)))
        .filter(|(_, check)| check.verdict == Verdict::Broken && theirs(check))
        .filter(|(_, check)| {
            let concerns = |one: &Mutant| one.concerns(&check.code, &check.service);
            !concerns(mutant) && !together.iter().any(|one| concerns(one))
        })
        .map(|(claim, check)| Unexpected {
            claim: claim.id.clone(),
            code: check.code.clone(),
            service: check.service.clone(),
            message: check.message.clone(),
        })
        .collect()
}

/// What the mutants of each claim came to. `possible` are all mutants that fit the stack, chosen or
/// not; `reasons` are those that the scenario gives for claims that no mutant can break.
#[must_use]
pub fn scores(
    unmutated: &[ClaimRecord],
    possible: &[Mutant],
    judged: &[MutantRecord],
    reasons: &BTreeMap<String, String>,
) -> Vec<ClaimScore> {
    unmutated
        .iter()
        .map(|claim| {
            let own = |record: &&MutantRecord| {
                record.expected.iter().any(|expected| expected.claim == claim.id)
            };
            let count = |which: &dyn Fn(Outcome) -> bool| {
                judged.iter().filter(own).filter(|record| which(record.outcome)).count()
            };
            ClaimScore {
                claim: claim.id.clone(),
                killed: count(&|outcome| outcome == Outcome::Killed),
                survived: count(&|outcome| outcome == Outcome::Survived),
                unsettled: count(&|outcome| matches!(outcome, Outcome::Invalid | Outcome::Skipped)),
                unproven: unproven(claim, possible, reasons),
            }
        })
        .collect()
}

fn unproven(
    claim: &ClaimRecord,
    possible: &[Mutant],
    reasons: &BTreeMap<String, String>,
) -> Option<Unproven> {
    let breakable = claim.checks.iter().any(|check| {
        let breaks = |one: &Expected| one.code == check.code && one.service == check.service;
        possible.iter().any(|mutant| mutant.breaks.iter().any(breaks))
    });
    if breakable {
        return None;
    }
    if let Some(reason) = reasons.get(&claim.id) {
        return Some(Unproven { reason: reason.clone(), accounted: true });
    }
    if claim.verdict == Verdict::Skipped {
        let said = claim.checks.first().map_or("it has no checks", |check| check.message.as_str());
        let reason = format!("it is not verified here: {said}");
        return Some(Unproven { reason, accounted: true });
    }
    let reason = "no mutant of the catalogue or of the scenario could break it".to_owned();
    Some(Unproven { reason, accounted: false })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;
    use crate::mutation::Change;
    use crate::observation::{Evidence, Observation, Vantage};
    use crate::scenario::Severity;

    fn mutant() -> Mutant {
        let expected = Expected {
            code: "runs-as".to_owned(),
            service: "api".to_owned(),
            because: "root".to_owned(),
            one_is_enough: false,
        };
        Mutant {
            id: "root@api".to_owned(),
            weakness: "root".to_owned(),
            text: "every process runs as root".to_owned(),
            service: "api".to_owned(),
            change: Change::default(),
            breaks: vec![expected],
            also: BTreeSet::from(["capabilities".to_owned()]),
            landed: vec![],
            alone: false,
            may_be_refused: false,
        }
    }

    fn check(code: &str, service: &str, verdict: Verdict, message: &str) -> CheckRecord {
        let seen = Observation::now(Vantage::Engine, "x", 1);
        CheckRecord {
            code: code.to_owned(),
            service: service.to_owned(),
            verdict,
            expected: String::new(),
            observed: String::new(),
            message: message.to_owned(),
            reproduce: String::new(),
            duration_ms: 0,
            evidence: Evidence::one(seen),
        }
    }

    fn claim(id: &str, checks: Vec<CheckRecord>) -> ClaimRecord {
        ClaimRecord {
            id: id.to_owned(),
            text: String::new(),
            severity: Severity::Low,
            source: String::new(),
            verdict: Verdict::worst(checks.iter().map(|check| check.verdict)),
            documented: None,
            checks,
        }
    }

    #[rstest]
    #[case::broken_for_the_reason(Verdict::Broken, "sh has root's uid", Outcome::Killed)]
    #[case::broken_for_another(Verdict::Broken, "no such user", Outcome::Survived)]
    #[case::held(Verdict::Held, "all as otis, no root", Outcome::Survived)]
    #[case::inconclusive_is_no_kill(Verdict::Inconclusive, "root?", Outcome::Survived)]
    #[case::does_not_apply_here(Verdict::Skipped, "no root here", Outcome::Skipped)]
    fn an_expected_check(
        #[case] verdict: Verdict,
        #[case] message: &str,
        #[case] outcome: Outcome,
    ) {
        let claims = [claim("a", vec![check("runs-as", "api", verdict, message)])];
        assert_eq!(judge(&mutant(), &[], &Stand::Landed, &claims, 1).outcome, outcome);
    }

    #[test]
    fn every_claim_that_asks_the_check_has_to_break() {
        let broken = check("runs-as", "api", Verdict::Broken, "root");
        let held = check("runs-as", "api", Verdict::Held, "fine");
        let claims = [claim("a", vec![broken]), claim("b", vec![held])];
        assert_eq!(judge(&mutant(), &[], &Stand::Landed, &claims, 1).outcome, Outcome::Survived);
    }

    #[test]
    fn one_claim_is_enough_where_the_others_ask_less() {
        let mut mutant = mutant();
        mutant.breaks[0].one_is_enough = true;
        let judged = |checks: [(Verdict, &str); 2]| {
            let claims = checks.map(|(verdict, message)| {
                claim(message, vec![check("runs-as", "api", verdict, message)])
            });
            judge(&mutant, &[], &Stand::Landed, &claims, 1).outcome
        };
        let broken = (Verdict::Broken, "root");
        assert_eq!(judged([broken, (Verdict::Held, "fine")]), Outcome::Killed);
        assert_eq!(judged([(Verdict::Held, "x"), (Verdict::Held, "y")]), Outcome::Survived);
    }

    #[test]
    fn a_check_that_nobody_judged_has_caught_nothing() {
        let record = judge(&mutant(), &[], &Stand::Landed, &[], 1);
        assert_eq!(record.outcome, Outcome::Survived);
        assert!(record.reason.contains("not judged"), "{}", record.reason);
    }

    #[rstest]
    #[case::missing(Stand::Missing("gone".to_owned()), Outcome::Invalid)]
    #[case::refused(Stand::Refused("no".to_owned()), Outcome::Skipped)]
    fn what_did_not_land_is_never_a_kill(#[case] stand: Stand, #[case] outcome: Outcome) {
        let claims = [claim("a", vec![check("runs-as", "api", Verdict::Broken, "root")])];
        assert_eq!(judge(&mutant(), &[], &stand, &claims, 1).outcome, outcome);
    }

    #[rstest]
    #[case::caught_as_created(Verdict::Broken, Outcome::Killed)]
    #[case::not_to_be_seen_as_created(Verdict::Inconclusive, Outcome::Skipped)]
    fn a_container_that_cannot_start_is_judged_as_it_was_created(
        #[case] verdict: Verdict,
        #[case] outcome: Outcome,
    ) {
        let claims = [claim("a", vec![check("runs-as", "api", verdict, "root")])];
        let stand = Stand::Created("not permitted".to_owned());
        assert_eq!(judge(&mutant(), &[], &stand, &claims, 1).outcome, outcome);
    }

    #[test]
    fn what_else_breaks_on_the_service_is_collateral_unless_the_weakness_explains_it() {
        let checks = vec![
            check("runs-as", "api", Verdict::Broken, "root"),
            check("capabilities", "api", Verdict::Broken, "root's"),
            check("healthy", "api", Verdict::Broken, "why?"),
            check("healthy", "web", Verdict::Broken, "another mutant's"),
        ];
        let record = judge(&mutant(), &[], &Stand::Landed, &[claim("a", checks)], 1);
        let codes: Vec<_> = record.collateral.iter().map(|c| (&*c.code, &*c.service)).collect();
        assert_eq!(codes, [("healthy", "api")]);
    }

    #[test]
    fn what_another_mutant_of_the_round_does_to_the_stack_as_a_whole_is_not_collateral() {
        let checks = vec![
            check("runs-as", "api", Verdict::Broken, "root"),
            check("capacity-totals", "", Verdict::Broken, "too much"),
        ];
        let claims = [claim("a", checks)];
        let other = Mutant { also: BTreeSet::from(["capacity-totals".to_owned()]), ..mutant() };
        let collateral = |together: &[&Mutant]| {
            judge(&mutant(), together, &Stand::Landed, &claims, 1).collateral.len()
        };
        assert_eq!((collateral(&[]), collateral(&[&other])), (1, 0));
    }

    #[test]
    fn a_claim_that_no_mutant_could_break_is_unproven_with_the_reason_that_is_known() {
        let claims = [
            claim("proven", vec![check("runs-as", "api", Verdict::Held, "")]),
            claim("explained", vec![check("load", "api", Verdict::Held, "")]),
            claim("skipped", vec![check("swap-limit", "api", Verdict::Skipped, "no swap")]),
            claim("open", vec![check("load", "web", Verdict::Held, "")]),
        ];
        let reasons = BTreeMap::from([("explained".to_owned(), "because".to_owned())]);
        let scores = scores(&claims, &[mutant()], &[], &reasons);
        let unproven: Vec<_> = scores
            .iter()
            .map(|score| score.unproven.as_ref().map(|one| (one.accounted, &*one.reason)))
            .collect();
        assert_eq!(unproven[0], None);
        assert_eq!(unproven[1], Some((true, "because")));
        assert_eq!(unproven[2], Some((true, "it is not verified here: no swap")));
        assert!(!unproven[3].unwrap().0);
    }
}
