//! `no-secrets-in-image`: neither a layer nor the configuration or history of the image holds a
//! secret, whether or not a later layer hides it (CIS 4.10).

use serde_json::json;

use super::Finding;
use crate::image::secrets::{self, SecretFinding, SecretPlace};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::NoSecretsInImage;
use crate::verdict::Verdict;
use crate::world::World;

const EXPECTED: &str = "no layer and no configuration of the image holds a secret";
/// How many findings a message names.
const SHOWN: usize = 8;

pub(super) fn judge(check: &NoSecretsInImage, service: &str, world: &World) -> Finding {
    let image = match world.layers.get(service) {
        Some(Ok(image)) => image,
        Some(Err(why)) => return Finding::could_not_observe(EXPECTED, why.clone()),
        None => return Finding::could_not_observe(EXPECTED, "the layers were not read"),
    };
    let reference = image.references.first().unwrap_or(&image.id);
    let reproduce = format!(
        "docker history --no-trunc {reference}; docker image inspect {reference} \
         --format '{{{{json .Config}}}}'; docker save {reference} | tar x -O | grep -aE 'PRIVATE KEY|AKIA'"
    );
    let allowed: Vec<String> = check.allowed.iter().map(|path| path.value.clone()).collect();
    let report = match secrets::find(image, &allowed) {
        Ok(report) => report,
        Err(error) => return Finding::could_not_observe(EXPECTED, error.to_string()),
    };
    let evidence = Evidence::one(Observation::now(
        Vantage::Image,
        format!("secrets in {} layers and the configuration of {reference}", image.layers.len()),
        json!(report),
    ));
    let finding = |verdict, text: String| {
        Finding::new(verdict, EXPECTED, evidence.clone())
            .observed(text.clone())
            .message(text)
            .reproduce(reproduce.clone())
    };
    if !report.findings.is_empty() {
        let shown: Vec<String> = report.findings.iter().take(SHOWN).map(describe).collect();
        let more = report.findings.len().saturating_sub(SHOWN);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        return finding(Verdict::Broken, format!("{}{rest}", shown.join("; ")));
    }
    if !report.unread.is_empty() {
        let text = format!("not everything could be looked into: {}", report.unread.join("; "));
        return finding(Verdict::Inconclusive, text);
    }
    let files: u64 = image.layers.iter().map(|layer| layer.facts.files).sum();
    let idle = if report.unmatched.is_empty() {
        String::new()
    } else {
        format!("; allowed but not there: {}", report.unmatched.join(", "))
    };
    finding(
        Verdict::Held,
        format!("{files} files in {} layers, no secret{idle}", image.layers.len()),
    )
}

fn describe(finding: &SecretFinding) -> String {
    let layer = match &finding.place {
        SecretPlace::File { layer, hidden_in: Some(hidden), .. } => {
            format!(" in layer {layer}, hidden by layer {hidden}")
        }
        SecretPlace::File { layer, .. } => format!(" in layer {layer}"),
        _ => String::new(),
    };
    format!("{} at {}{layer}: {}", finding.rule, finding.place.name(), finding.snippet)
}
