//! `no-build-tools`: no layer of the image holds compilers, build systems, version control or
//! installers, under whatever name, and hidden by a later layer or not (CIS 4.3).

use std::collections::BTreeMap;

use serde_json::json;

use super::Finding;
use super::search::{self, Search};
use crate::image::tools::{self, ToolClass, ToolFinding, ToolPolicy, ToolReport};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::NoBuildTools;
use crate::world::World;

const EXPECTED: &str = "no layer of the image holds build tools";
/// How many findings the evidence holds.
const KEPT: usize = 100;

pub(super) fn judge(check: &NoBuildTools, service: &str, world: &World) -> Finding {
    let image = match search::layers(service, world) {
        Ok(image) => image,
        Err(why) => return Finding::could_not_observe(EXPECTED, why),
    };
    let reference = image.references.first().unwrap_or(&image.id);
    let policy = ToolPolicy {
        allowed: check.allowed.iter().map(|name| name.value.clone()).collect(),
        ..ToolPolicy::default()
    };
    let report = tools::find(image, &policy);
    let evidence = Evidence::one(Observation::now(
        Vantage::Image,
        format!("tools in {} layers of {reference}", image.layers.len()),
        json!({
            "findings": report.findings.iter().take(KEPT).collect::<Vec<_>>(),
            "found": found(&report),
            "allowed_but_not_there": report.unmatched,
            "unread": report.unread.iter().take(KEPT).collect::<Vec<_>>(),
            "layers": image.layers.iter().map(|layer| json!([layer.facts.diff_id, layer.facts.files])).collect::<Vec<_>>(),
        }),
    ));
    let files: u64 = image.layers.iter().map(|layer| layer.facts.files).sum();
    let count = (found(&report) > 0).then(|| format!("{} files in all", found(&report)));
    Search {
        expected: EXPECTED.to_owned(),
        evidence,
        reproduce: format!(
            "docker save {reference} | tar x --to-command='tar t 2>/dev/null' \
             --wildcards '*layer.tar' | grep -E '/(gcc|cc1|make|ld|as|git|pip)[^/]*$'"
        ),
        wrong: by_tool(&report.findings).into_iter().map(describe).collect(),
        held: Ok(format!("{files} files in {} layers, none a build tool", image.layers.len())),
        notes: count.into_iter().chain(search::idle(&report.unmatched)).collect(),
        unread: report.unread,
    }
    .judge()
}

fn found(report: &ToolReport) -> u64 {
    report.findings.len() as u64 + report.dropped
}

/// One place for each tool, compilers first: a package manager in twenty places must not hide
/// that there is a compiler.
fn by_tool(findings: &[ToolFinding]) -> Vec<&ToolFinding> {
    let mut tools: BTreeMap<(ToolClass, &str), &ToolFinding> = BTreeMap::new();
    for finding in findings {
        tools.entry((finding.class, &finding.tool)).or_insert(finding);
    }
    tools.into_values().collect()
}

fn describe(finding: &ToolFinding) -> String {
    let hidden = match finding.hidden_in {
        Some(layer) => format!(", hidden by layer {layer}"),
        None => String::new(),
    };
    format!("{} (/{}) in layer {}{hidden}", finding.tool, finding.path, finding.layer)
}
