//! `no-secrets-in-image`: neither a layer nor the configuration or history of the image holds a
//! secret, whether or not a later layer hides it (CIS 4.10).

use serde_json::json;

use super::Finding;
use super::search::{self, Search};
use crate::image::secrets::{self, SecretFinding, SecretPlace};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::NoSecretsInImage;
use crate::world::World;

const EXPECTED: &str = "no layer and no configuration of the image holds a secret";
/// How many findings the evidence holds.
const KEPT: usize = 100;

pub(super) fn judge(check: &NoSecretsInImage, service: &str, world: &World) -> Finding {
    let image = match search::layers(service, world) {
        Ok(image) => image,
        Err(why) => return Finding::could_not_observe(EXPECTED, why),
    };
    let reference = image.references.first().unwrap_or(&image.id);
    let allowed: Vec<String> = check.allowed.iter().map(|path| path.value.clone()).collect();
    let report = match secrets::find(image, &allowed) {
        Ok(report) => report,
        Err(error) => return Finding::could_not_observe(EXPECTED, error.to_string()),
    };
    let evidence = Evidence::one(Observation::now(
        Vantage::Image,
        format!("secrets in {} layers and the configuration of {reference}", image.layers.len()),
        json!({
            "findings": report.findings.iter().take(KEPT).collect::<Vec<_>>(),
            "found": report.findings.len() as u64 + report.dropped,
            "allowed_but_not_there": report.unmatched,
            "unread": report.unread.iter().take(KEPT).collect::<Vec<_>>(),
        }),
    ));
    let files: u64 = image.layers.iter().map(|layer| layer.facts.files).sum();
    Search {
        expected: EXPECTED.to_owned(),
        evidence,
        reproduce: format!(
            "docker history --no-trunc {reference}; docker image inspect {reference} \
             --format '{{{{json .Config}}}}'; docker save {reference} | tar x -O \
             | grep -aE 'PRIVATE KEY|AKIA'"
        ),
        wrong: report.findings.iter().map(describe).collect(),
        held: Ok(format!("{files} files in {} layers, no secret", image.layers.len())),
        notes: search::idle(&report.unmatched).into_iter().collect(),
        unread: report.unread,
    }
    .judge()
}

fn describe(finding: &SecretFinding) -> String {
    let layer = match &finding.place {
        SecretPlace::File { layer, hidden_in: Some(hidden), .. } => {
            format!(" in layer {layer}, hidden by layer {hidden}")
        }
        SecretPlace::File { layer, .. } => format!(" in layer {layer}"),
        SecretPlace::Env(_)
        | SecretPlace::Label(_)
        | SecretPlace::History(_)
        | SecretPlace::Command(_) => String::new(),
    };
    format!("{} at {}{layer}: {}", finding.rule, finding.place.name(), finding.snippet)
}
