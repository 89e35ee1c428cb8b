//! The configuration of an image.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the image says about how it is to be run and how it was made. Values are raw: they can
/// hold secrets, see [`secrets`](crate::image::secrets).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The user, as it is written; empty means root.
    pub user: String,
    /// `NAME=VALUE`, in order.
    pub env: Vec<String>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The entry point.
    pub entrypoint: Vec<String>,
    /// The default arguments.
    pub cmd: Vec<String>,
    /// The folder to start in.
    pub working_dir: String,
    /// The command of the health check, as it is written; `None` where there is none.
    pub healthcheck: Option<Vec<String>>,
    /// How the image was made, the first step first. Empty for a flattened image.
    pub history: Vec<HistoryStep>,
    /// The digests of the uncompressed layers, the lowest first.
    pub diff_ids: Vec<String>,
}

/// One step of an image's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct HistoryStep {
    /// The instruction as the builder noted it.
    #[serde(default)]
    pub created_by: String,
    /// What was noted beside it.
    #[serde(default)]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default)]
    pub empty_layer: bool,
}

#[derive(Deserialize)]
struct Document {
    config: Option<Inner>,
    rootfs: Option<Rootfs>,
    #[serde(default)]
    history: Option<Vec<HistoryStep>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Inner {
    user: Option<String>,
    env: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    healthcheck: Option<Healthcheck>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Healthcheck {
    test: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Rootfs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

impl ImageConfig {
    /// Reads the configuration's JSON, as it stands in an archive. The error says what is wrong
    /// with it.
    pub fn parse(text: &[u8]) -> Result<ImageConfig, serde_json::Error> {
        let document: Document = serde_json::from_slice(text)?;
        let inner = document.config.unwrap_or_default();
        Ok(ImageConfig {
            user: inner.user.unwrap_or_default(),
            env: inner.env.unwrap_or_default(),
            labels: inner.labels.unwrap_or_default(),
            entrypoint: inner.entrypoint.unwrap_or_default(),
            cmd: inner.cmd.unwrap_or_default(),
            working_dir: inner.working_dir.unwrap_or_default(),
            healthcheck: inner.healthcheck.and_then(|check| check.test),
            history: document.history.unwrap_or_default(),
            diff_ids: document.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default(),
        })
    }

    /// The instruction that made each of `layers` layers, the lowest first. Where the history
    /// does not tell as many steps as there are layers, nothing is said of any of them.
    #[must_use]
    pub fn instructions(&self, layers: usize) -> Vec<Option<&str>> {
        let steps: Vec<&str> = self
            .history
            .iter()
            .filter(|step| !step.empty_layer)
            .map(|step| step.created_by.as_str())
            .collect();
        if steps.len() == layers {
            steps.into_iter().map(Some).collect()
        } else {
            vec![None; layers]
        }
    }
}
