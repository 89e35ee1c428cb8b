//! A whole record without its secrets.

use super::Redactor;
use crate::observation::{Evidence, Observation};
use crate::record::{CheckRecord, ClaimRecord, DocumentedRecord, ImageRecord, Record, Timeline};

/// The record with every secret taken out of what was read, printed or inspected.
///
/// Identities stay: run id, scenario, claim ids, codes, services and digests come from us or from
/// the scenario and join the record to everything else, also where somebody chose a service's
/// name as its password. The structs are taken apart by name so that a new field cannot be
/// forgotten here.
#[must_use]
pub fn redact_record(record: Record, redactor: &Redactor) -> Record {
    if redactor.is_empty() {
        return record;
    }
    let Record {
        schema,
        run_id,
        scenario,
        started,
        finished,
        mut environment,
        images,
        changes,
        claims,
        summary,
        aborted,
        leftovers,
        timeline,
    } = record;
    // The keys of the environment are ours.
    environment.values_mut().for_each(|value| redactor.redact_value(value));
    let texts = |texts: Vec<String>| texts.iter().map(|text| redactor.redact(text)).collect();
    Record {
        schema,
        run_id,
        scenario,
        started,
        finished,
        environment,
        images: images.into_iter().map(|image| redact_image(image, redactor)).collect(),
        changes: texts(changes),
        claims: claims.into_iter().map(|claim| redact_claim(claim, redactor)).collect(),
        summary,
        aborted: aborted.map(|reason| redactor.redact(&reason)),
        leftovers: texts(leftovers),
        timeline: timeline.map(|timeline| redact_timeline(timeline, redactor)),
    }
}

fn redact_timeline(timeline: Timeline, redactor: &Redactor) -> Timeline {
    let Timeline { began, at_ms, mut courses } = timeline;
    for course in &mut courses {
        // Everything else is an identity, a number, or a word of the engine's own.
        course.container = redactor.redact(&course.container);
        course.unseen = course.unseen.as_deref().map(|why| redactor.redact(why));
    }
    Timeline { began, at_ms, courses }
}

fn redact_image(image: ImageRecord, redactor: &Redactor) -> ImageRecord {
    let ImageRecord { service, reference, id, size_bytes } = image;
    ImageRecord { service, reference: redactor.redact(&reference), id, size_bytes }
}

fn redact_claim(claim: ClaimRecord, redactor: &Redactor) -> ClaimRecord {
    let ClaimRecord { id, text, severity, source, verdict, documented, checks } = claim;
    ClaimRecord {
        id,
        text: redactor.redact(&text),
        severity,
        source: redactor.redact(&source),
        verdict,
        documented: documented.map(|documented| redact_documented(documented, redactor)),
        checks: checks.into_iter().map(|check| redact_check(check, redactor)).collect(),
    }
}

fn redact_documented(documented: DocumentedRecord, redactor: &Redactor) -> DocumentedRecord {
    let DocumentedRecord { command, ran, expected, exit_code, output, verdict } = documented;
    DocumentedRecord {
        command: redactor.redact(&command),
        ran: redactor.redact(&ran),
        expected: redactor.redact(&expected),
        exit_code,
        output: redactor.redact(&output),
        verdict,
    }
}

fn redact_check(check: CheckRecord, redactor: &Redactor) -> CheckRecord {
    let CheckRecord {
        code,
        service,
        verdict,
        expected,
        observed,
        message,
        reproduce,
        duration_ms,
        evidence,
    } = check;
    CheckRecord {
        code,
        service,
        verdict,
        expected: redactor.redact(&expected),
        observed: redactor.redact(&observed),
        message: redactor.redact(&message),
        reproduce: redactor.redact(&reproduce),
        duration_ms,
        evidence: redact_evidence(evidence, redactor),
    }
}

fn redact_evidence(evidence: Evidence, redactor: &Redactor) -> Evidence {
    let mut redacted = evidence.observations().iter().map(|observation| {
        let Observation { vantage, what, when, value } = observation;
        let mut value = value.clone();
        redactor.redact_value(&mut value);
        Observation { vantage: *vantage, what: redactor.redact(what), when: *when, value }
    });
    let Some(first) = redacted.next() else { return evidence.clone() };
    let mut kept = Evidence::one(first);
    kept.extend(redacted);
    kept
}
