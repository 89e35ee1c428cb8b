//! `image-size`: the image is within the stated bounds, or as much smaller than its baseline as
//! stated (CIS 4.3).
//!
//! One metric for each kind of engine, for the image and its baseline alike, and the evidence says
//! which it was:
//!
//! - An engine with the classic image store keeps the sum of the uncompressed layers as `Size`,
//!   which `docker images` prints in decimal units. That is what a document means, so it counts.
//!   It lies between the bytes of the regular files and those and the targets of the symbolic links
//!   together, which storage drivers count differently (`DiffSize` of moby's daemon/graphdriver).
//! - With the containerd image store `Size` is what lies compressed and unpacked on the disk
//!   together, or something else from release to release (moby 45347). The regular files of all
//!   layers count instead, as they were read from the export.
//!
//! Where both are known the evidence holds both; they are never mixed and no tolerance is applied.

use serde::Serialize;
use serde_json::json;

use super::{Finding, each_container, search};
use crate::engine::image::ImageInfo;
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
    let metric = Metric::of(world.about.containerd_store);
    let size = match size_of(service, metric, world) {
        Ok(size) => size,
        Err(why) => return Finding::could_not_observe(expected, why),
    };
    let layers = world.layers.get(service).and_then(|layers| layers.as_ref().ok());
    let mut evidence = Evidence::one(Observation::now(
        Vantage::Image,
        format!("uncompressed size of the image of {service}, bytes"),
        json!({
            "bytes": size,
            "metric": metric,
            "engine": world.images.get(service).and_then(|image| image.as_ref().ok()).map(|image| image.size),
            "layers": layers.map(|image| image.size()),
        }),
    ));
    let mut said = format!("{} ({})", Bytes(size), metric.word());
    let mut wrong = Vec::new();
    if let Some(min) = check.min.filter(|min| size < min.0) {
        wrong.push(format!("{} is less than {min}", Bytes(size)));
    }
    if let Some(max) = check.max.filter(|max| size > max.0) {
        wrong.push(format!("{} is more than {max}", Bytes(size)));
    }
    if let Some(baseline) = &check.baseline {
        let key = (baseline.compose.value.clone(), baseline.service.value.clone());
        let other = match (world.baselines.get(&key), metric) {
            (Some(Ok(image)), Metric::Engine) => Ok(image.size),
            (Some(Ok(_)), Metric::Layers) => Err(format!(
                "the layers of the baseline {} were not read, and the engine's image store reports \
                 another size",
                key.1
            )),
            (Some(Err(why)), _) if world.attached => {
                return Finding::does_not_apply(expected, why.clone(), evidence);
            }
            (Some(Err(why)), _) => Err(why.clone()),
            (None, _) => Err("the baseline was not built".to_owned()),
        };
        match other {
            Ok(other) => {
                let percent = smaller_by(size, other);
                evidence.extend([Observation::now(
                    Vantage::Image,
                    format!("uncompressed size of the baseline {}, bytes", key.1),
                    json!({"bytes": other, "metric": metric}),
                )]);
                said.push_str(&format!(", {percent:.1} % smaller than {}", Bytes(other)));
                if world.baselines.get(&key).is_some_and(|image| is_same(image, service, world)) {
                    // So it is where two Compose files name what they build alike.
                    said.push_str(", which is the very same image");
                }
                wrong.extend(ratio_fault(baseline, percent));
            }
            // A bound that is missed is missed whatever the baseline is.
            Err(why) if wrong.is_empty() => return Finding::could_not_observe(expected, why),
            Err(why) => said.push_str(&format!("; {why}")),
        }
    }
    let verdict = if wrong.is_empty() { Verdict::Held } else { Verdict::Broken };
    let message = if wrong.is_empty() { said.clone() } else { wrong.join("; ") };
    Finding::new(verdict, expected, evidence).observed(said).message(message)
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Metric {
    /// `Size` as the engine keeps it.
    Engine,
    /// The regular files of all layers.
    Layers,
}

impl Metric {
    fn of(containerd_store: bool) -> Metric {
        if containerd_store { Metric::Layers } else { Metric::Engine }
    }

    fn word(self) -> &'static str {
        match self {
            Metric::Engine => "the engine's sum of the layers",
            Metric::Layers => "the files of all layers",
        }
    }
}

fn size_of(service: &str, metric: Metric, world: &World) -> Result<u64, Blind> {
    search::one_image(service, world)?;
    match metric {
        Metric::Engine => match world.images.get(service) {
            Some(Ok(image)) => Ok(image.size),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("the image of {service} is unknown")),
        },
        Metric::Layers => {
            let image = search::layers(service, world)?;
            let stopped = image.layers.iter().find_map(|layer| layer.unread.clone());
            stopped.map_or(Ok(image.size().file_bytes), Err)
        }
    }
}

fn is_same(baseline: &Result<ImageInfo, Blind>, service: &str, world: &World) -> bool {
    let image = world.images.get(service).and_then(|image| image.as_ref().ok());
    image.zip(baseline.as_ref().ok()).is_some_and(|(one, other)| one.id == other.id)
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
