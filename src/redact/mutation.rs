//! What a mutation run came to, without its secrets.

use super::Redactor;
use crate::mutation::record::{
    ClaimScore, Judged, MutantRecord, MutationRecord, Naive, Unexpected, Unproven,
};

/// The record with every secret taken out of what was read, printed or inspected, as
/// [`redact_record`](super::redact_record) does it. The environment was redacted with the record of
/// the run.
#[must_use]
pub fn redact_mutation(mut record: MutationRecord, redactor: &Redactor) -> MutationRecord {
    if redactor.is_empty() {
        return record;
    }
    record.mutants = record.mutants.into_iter().map(|mutant| one(mutant, redactor)).collect();
    let score = |claim: ClaimScore| {
        let unproven = claim.unproven.map(|Unproven { reason, accounted }| Unproven {
            reason: redactor.redact(&reason),
            accounted,
        });
        ClaimScore { unproven, ..claim }
    };
    record.claims = record.claims.into_iter().map(score).collect();
    record.aborted = record.aborted.map(|reason| redactor.redact(&reason));
    record.leftovers = record.leftovers.iter().map(|text| redactor.redact(text)).collect();
    record
}

fn one(mutant: MutantRecord, redactor: &Redactor) -> MutantRecord {
    let MutantRecord {
        id,
        weakness,
        text,
        service,
        outcome,
        reason,
        judged_as_created,
        expected,
        documented,
        collateral,
        round,
    } = mutant;
    let judged = |Judged { claim, expected, verdict, message }| Judged {
        claim,
        expected,
        verdict,
        message: redactor.redact(&message),
    };
    let naive = |Naive { claim, command, verdict }| Naive {
        claim,
        command: redactor.redact(&command),
        verdict,
    };
    let unexpected = |Unexpected { claim, code, service, message }| Unexpected {
        claim,
        code,
        service,
        message: redactor.redact(&message),
    };
    MutantRecord {
        id,
        weakness,
        text: redactor.redact(&text),
        service,
        outcome,
        reason: redactor.redact(&reason),
        judged_as_created,
        expected: expected.into_iter().map(judged).collect(),
        documented: documented.into_iter().map(naive).collect(),
        collateral: collateral.into_iter().map(unexpected).collect(),
        round,
    }
}
