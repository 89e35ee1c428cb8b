//! `image-size`: the image is within the stated bounds, or as much smaller than its baseline as
//! stated. The size is the sum of the uncompressed layers in bytes (CIS 4.3); what `docker
//! images` prints is the same on engines with the classic image store, in decimal units.

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::Bytes;
use crate::scenario::check::{Baseline, ImageSize};
use crate::verdict::Verdict;
use crate::world::{Blind, World};

pub(super) fn judge(check: &ImageSize, service: &str, world: &World) -> Finding {
    let expected = expected(check);
    // Every container of a service runs the same image, so this judges once.
    let mut finding = each_container(service, world, &expected, |sight| {
        let name = sight.container.config.image.clone().unwrap_or_default();
        judge_image(check, &expected, service, world)
            .reproduce(format!("docker image inspect {name} --format '{{{{.Size}}}}'"))
    });
    if finding.verdict == Verdict::Inconclusive && finding.reproduce.is_empty() {
        finding = finding.reproduce("docker images");
    }
    finding
}

fn expected(check: &ImageSize) -> String {
    let mut parts = Vec::new();
    if let Some(min) = check.min {
        parts.push(format!("at least {min}"));
    }
    if let Some(max) = check.max {
        parts.push(format!("at most {max}"));
    }
    if let Some(baseline) = &check.baseline {
        let most =
            baseline.smaller_by_at_most.map(|most| format!(" to {most}")).unwrap_or_default();
        let least = baseline.smaller_by_at_least;
        parts.push(format!("{least}{most} % smaller than {}", baseline.service.value));
    }
    parts.join(", ")
}

fn judge_image(check: &ImageSize, expected: &str, service: &str, world: &World) -> Finding {
    let size = match size_of(service, world) {
        Ok(size) => size,
        Err(why) => return Finding::could_not_observe(expected, why),
    };
    let mut evidence = Evidence::one(Observation::now(
        Vantage::Image,
        format!("uncompressed size of the image of {service}, bytes"),
        json!(size),
    ));
    let mut said = format!("{}", Bytes(size));
    let mut wrong = Vec::new();
    if let Some(min) = check.min.filter(|min| size < min.0) {
        wrong.push(format!("{} is less than {min}", Bytes(size)));
    }
    if let Some(max) = check.max.filter(|max| size > max.0) {
        wrong.push(format!("{} is more than {max}", Bytes(size)));
    }
    if let Some(baseline) = &check.baseline {
        let key = (baseline.compose.value.clone(), baseline.service.value.clone());
        let other = match world.baselines.get(&key) {
            Some(Ok(image)) => image.size,
            Some(Err(why)) if world.attached => {
                return Finding::does_not_apply(expected, why.clone(), evidence);
            }
            Some(Err(why)) => return Finding::could_not_observe(expected, why.clone()),
            None => return Finding::could_not_observe(expected, "the baseline was not built"),
        };
        let percent = smaller_by(size, other);
        evidence.extend([Observation::now(
            Vantage::Image,
            format!("uncompressed size of the baseline {}, bytes", key.1),
            json!(other),
        )]);
        said.push_str(&format!(", {percent:.1} % smaller than {}", Bytes(other)));
        wrong.extend(ratio_fault(baseline, percent));
    }
    let verdict = if wrong.is_empty() { Verdict::Held } else { Verdict::Broken };
    let message = if wrong.is_empty() { said.clone() } else { wrong.join("; ") };
    Finding::new(verdict, expected, evidence).observed(said).message(message)
}

/// By the layers where they were read. Otherwise by the engine's word, which with the containerd
/// image store is not this sum.
fn size_of(service: &str, world: &World) -> Result<u64, Blind> {
    if let Some(Ok(image)) = world.layers.get(service) {
        return Ok(image.size().file_bytes);
    }
    if world.about.containerd_store {
        return Err("the engine's image store reports another size, and the layers were not read"
            .to_owned());
    }
    match world.images.get(service) {
        Some(Ok(image)) => Ok(image.size),
        Some(Err(why)) => Err(why.clone()),
        None => Err(format!("the image of {service} is unknown")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^53 bytes")]
fn smaller_by(size: u64, baseline: u64) -> f64 {
    if baseline == 0 { 0.0 } else { 100.0 * (1.0 - size as f64 / baseline as f64) }
}

fn ratio_fault(baseline: &Baseline, percent: f64) -> Option<String> {
    let most = baseline.smaller_by_at_most.unwrap_or(100.0);
    let least = baseline.smaller_by_at_least;
    (!(least..=most).contains(&percent))
        .then(|| format!("it is {percent:.1} % smaller, not {least} to {most} %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_a_third_is_two_thirds_smaller() {
        assert!((smaller_by(100, 300) - 66.666).abs() < 0.01);
        assert!((smaller_by(300, 300)).abs() < 0.01);
        assert!(smaller_by(400, 300) < 0.0);
    }
}
