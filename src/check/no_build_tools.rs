//! `no-build-tools`: no layer of the image holds compilers, build systems, version control or
//! installers, under whatever name, and hidden by a later layer or not (CIS 4.3).

use std::collections::BTreeMap;

use serde_json::json;

use super::Finding;
use crate::image::tools::{self, ToolClass, ToolFinding, ToolPolicy};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::NoBuildTools;
use crate::verdict::Verdict;
use crate::world::World;

const EXPECTED: &str = "no layer of the image holds build tools";
/// How many findings a message names.
const SHOWN: usize = 12;

pub(super) fn judge(check: &NoBuildTools, service: &str, world: &World) -> Finding {
    let image = match world.layers.get(service) {
        Some(Ok(image)) => image,
        Some(Err(why)) => return Finding::could_not_observe(EXPECTED, why.clone()),
        None => return Finding::could_not_observe(EXPECTED, "the layers were not read"),
    };
    let reference = image.references.first().unwrap_or(&image.id);
    let reproduce = format!(
        "docker save {reference} | tar x --to-command='tar t 2>/dev/null' --wildcards '*layer.tar' \
         | grep -E '/(gcc|cc1|make|ld|as|git|pip)[^/]*$'"
    );
    let policy = ToolPolicy {
        allowed: check.allowed.iter().map(|name| name.value.clone()).collect(),
        ..ToolPolicy::default()
    };
    let report = tools::find(image, &policy);
    let evidence = Evidence::one(Observation::now(
        Vantage::Image,
        format!("tools in {} layers of {reference}", image.layers.len()),
        json!({
            "findings": report.findings.iter().take(100).collect::<Vec<_>>(),
            "found": report.findings.len(),
            "unread": report.unread,
            "layers": image.layers.iter().map(|layer| json!([layer.facts.diff_id, layer.facts.files])).collect::<Vec<_>>(),
        }),
    ));
    let finding = |verdict, text: String| {
        Finding::new(verdict, EXPECTED, evidence.clone())
            .observed(text.clone())
            .message(text)
            .reproduce(reproduce.clone())
    };
    if !report.findings.is_empty() {
        // One place for each tool, compilers first: a package manager in twenty places must not
        // hide that there is a compiler.
        let mut tools: BTreeMap<(ToolClass, &str), &ToolFinding> = BTreeMap::new();
        for finding in &report.findings {
            tools.entry((finding.class, &finding.tool)).or_insert(finding);
        }
        let shown: Vec<String> =
            tools.values().take(SHOWN).map(|finding| describe(finding)).collect();
        let rest = match tools.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!("; and {more} more tools"),
        };
        let count = report.findings.len();
        return finding(
            Verdict::Broken,
            format!("{}{rest}; {count} files in all", shown.join("; ")),
        );
    }
    if !report.unread.is_empty() {
        let text = format!("not everything could be looked into: {}", report.unread.join("; "));
        return finding(Verdict::Inconclusive, text);
    }
    // An allowance that allows nothing hides what was once there, or a typing error. It belongs
    // to a list for several services, so it is told and not judged.
    let idle = if report.unmatched.is_empty() {
        String::new()
    } else {
        format!("; allowed but not there: {}", report.unmatched.join(", "))
    };
    let files: u64 = image.layers.iter().map(|layer| layer.facts.files).sum();
    finding(
        Verdict::Held,
        format!("{files} files in {} layers, none a build tool{idle}", image.layers.len()),
    )
}

fn describe(finding: &ToolFinding) -> String {
    let hidden = match finding.hidden_in {
        Some(layer) => format!(", hidden by layer {layer}"),
        None => String::new(),
    };
    format!("{} (/{}) in layer {}{hidden}", finding.tool, finding.path, finding.layer)
}
