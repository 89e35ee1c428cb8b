//! The Compose model as the Compose tool resolved it: what is declared. Pure; the tool itself is
//! called by `stack`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

pub mod isolate;
mod read;
pub mod restart;

/// A resolved model: interpolated, merged, with absolute paths.
#[derive(Debug, Clone)]
pub struct Model {
    /// The services by name.
    pub services: BTreeMap<String, Service>,
    /// The model as the tool printed it.
    pub raw: Value,
}

/// The declared part of one service. Sizes in bytes. `None` is undeclared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Service {
    /// The image reference.
    pub image: Option<String>,
    /// How the image is built.
    pub build: Option<Build>,
    /// The fixed container name.
    pub container_name: Option<String>,
    /// The user override.
    pub user: Option<String>,
    /// Whether the root file system is declared read-only.
    pub read_only: bool,
    /// The memory limit.
    pub memory: Option<u64>,
    /// Memory plus swap; -1 is no limit.
    pub memory_swap: Option<i64>,
    /// The CPU limit in cores.
    pub cpus: Option<f64>,
    /// The memory that is reserved.
    pub reserved_memory: Option<u64>,
    /// The cores that are reserved.
    pub reserved_cpus: Option<f64>,
    /// The limit on processes; -1 is none.
    pub pids: Option<i64>,
    /// Security options.
    pub security_opt: Vec<String>,
    /// The mounts.
    pub mounts: Vec<Mount>,
    /// The `tmpfs` mount points.
    pub tmpfs: Vec<String>,
    /// The published ports.
    pub ports: Vec<Port>,
    /// The networks.
    pub networks: BTreeSet<String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The restart policy in the form of the `restart` key: `no` where none is declared.
    pub restart: String,
    /// Whether the service has containers: it is not scaled to none.
    pub is_meant_to_run: bool,
    /// Services and containers whose volumes are mounted too.
    pub volumes_from: Vec<String>,
    /// `host`, `service:…`, `container:…` or nothing.
    pub network_mode: Option<String>,
}

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// The context folder.
    pub context: PathBuf,
    /// The Dockerfile, relative to the context unless absolute.
    pub dockerfile: PathBuf,
    /// The target stage.
    pub target: Option<String>,
}

/// One declared mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, or `secret` and `config` for files mounted by those keys.
    pub kind: String,
    /// The path on the host. For a volume the device that it binds, if it binds one.
    pub source: Option<String>,
    /// The path in the container.
    pub target: String,
    /// Whether it is declared read-only.
    pub read_only: bool,
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The host's address; empty is all of them.
    pub host_ip: String,
    /// The host's port or range; empty is any free one.
    pub published: String,
    /// The container's port.
    pub target: u64,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// The model is not of the form that the Compose tool prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the resolved Compose model is not understood: {0}")]
pub struct NotUnderstood(pub String);

impl Model {
    /// Reads what `docker compose config --format json` printed.
    ///
    /// # Errors
    /// When the text is not JSON or has no services.
    pub fn parse(text: &str) -> Result<Model, NotUnderstood> {
        let raw: Value =
            serde_json::from_str(text).map_err(|error| NotUnderstood(error.to_string()))?;
        Model::of(raw)
    }

    /// Reads a resolved model.
    ///
    /// # Errors
    /// When it has no services.
    pub fn of(raw: Value) -> Result<Model, NotUnderstood> {
        let services = read::services(&raw)?;
        Ok(Model { services, raw })
    }

    /// The names of the services.
    #[must_use]
    pub fn service_names(&self) -> BTreeSet<String> {
        self.services.keys().cloned().collect()
    }
}
