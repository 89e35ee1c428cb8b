//! Everything that was observed, as one value that the checks judge. No field is trusted to be
//! there: what could not be seen says why.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::compose::{Model, Service};
use crate::engine::About;
use crate::engine::container::{Container, HostProcess};
use crate::engine::image::ImageInfo;
use crate::engine::object::NetworkInfo;
use crate::image::Image;
use crate::observe::account::Identity;
use crate::probe::Reply;
use crate::probe::answer::Cgroup;

/// Why something could not be seen, in a sentence.
pub type Blind = String;

/// Everything that was observed.
#[derive(Debug)]
pub struct World {
    /// What is declared.
    pub model: Model,
    /// Whether the stack is somebody else's.
    pub attached: bool,
    /// What the engine says of itself.
    pub about: About,
    /// The engine's socket on its host.
    pub engine_socket: PathBuf,
    /// The group of that socket, where this machine could be asked.
    pub engine_socket_gid: Option<u32>,
    /// Paths on the host with every symbolic link resolved, where the host could be asked.
    pub canonical: BTreeMap<String, String>,
    /// The engine's networks.
    pub networks: Vec<NetworkInfo>,
    /// The containers by service.
    pub services: BTreeMap<String, Vec<Sight>>,
    /// The container that reaches the engine and has no restrictions.
    pub control: Result<Control, Blind>,
    /// The namespaces and addresses of the engine's host.
    pub host: Result<Reply, Blind>,
    /// What the engine says of each service's image.
    pub images: BTreeMap<String, Result<ImageInfo, Blind>>,
    /// The layers of each service's image.
    pub layers: BTreeMap<String, Result<Arc<Image>, Blind>>,
    /// The images built for comparison, by Compose file and service.
    pub baselines: BTreeMap<(String, String), Result<ImageInfo, Blind>>,
    /// The files an image is built from, by service.
    pub sources: BTreeMap<String, Result<Source, Blind>>,
    /// What was seen while a service ran out of memory, by container.
    pub ooms: BTreeMap<String, Result<Oom, Blind>>,
    /// What was seen while a service was stopped, by container.
    pub stops: BTreeMap<String, Result<Stop, Blind>>,
}

/// One container, from every vantage.
#[derive(Debug)]
pub struct Sight {
    /// The service.
    pub service: String,
    /// What is declared of the service.
    pub declared: Service,
    /// What the engine has configured.
    pub container: Container,
    /// The processes as the engine's host sees them.
    pub top: Result<Vec<HostProcess>, Blind>,
    /// The image's passwd and group files, empty where it has none.
    pub accounts: Result<(String, String), Blind>,
    /// The probe's replies, the service's own identity first.
    pub inside: Vec<Seen>,
    /// The attempt to gain privileges in the lender, which has the service's security options.
    pub escalation: Option<Result<Reply, Blind>>,
}

/// What the probe saw under one identity.
#[derive(Debug)]
pub struct Seen {
    /// The identity.
    pub identity: Identity,
    /// When it was asked.
    pub when: Timestamp,
    /// How the probe was placed, for the evidence.
    pub placement: String,
    /// What it replied.
    pub reply: Result<Reply, Blind>,
}

/// The positive control.
#[derive(Debug)]
pub struct Control {
    /// The label value that marks the container, a nonce.
    pub canary: String,
    /// The container's id.
    pub container: String,
    /// What the probe saw as root: the engine's socket and the relay.
    pub root: Result<Reply, Blind>,
    /// What the probe saw as an ordinary user without restrictions.
    pub user: Result<Reply, Blind>,
}

/// The files that an image is built from.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// The build context.
    pub folder: String,
    /// The text of the Dockerfile.
    pub dockerfile: String,
    /// Every file of the context by relative path, with its text where it was read.
    pub files: BTreeMap<String, Option<String>>,
}

/// What was seen while a service ran out of memory.
#[derive(Debug, Clone, Serialize)]
pub struct Oom {
    /// The cgroup before, as the kernel printed it.
    pub before: Cgroup,
    /// The same after.
    pub after: Cgroup,
    /// The most that the probe had touched when it died, in bytes.
    pub touched: u64,
    /// How the probe ended: 137 when it was killed.
    pub exit_code: Option<i64>,
    /// The engine's events meanwhile.
    pub events: Vec<String>,
    /// The pids in the container that were gone afterwards, with their names.
    pub died: Vec<String>,
    /// Restarts before and after.
    pub restarts: (i64, i64),
    /// The engine's version-dependent flag afterwards.
    pub oom_killed_flag: Option<bool>,
    /// How long until healthy again, in milliseconds; none if it never was.
    pub healthy_after_ms: Option<u64>,
    /// Whether a fresh exec worked afterwards.
    pub fresh_exec: Result<(), Blind>,
    /// The limit that was to be passed, in bytes.
    pub limit: u64,
}

/// What was seen while a service was stopped.
#[derive(Debug, Clone, Serialize)]
pub struct Stop {
    /// The processes that were stopped.
    pub stopped: Vec<String>,
    /// How long until the engine reported it unhealthy, in milliseconds; none if it never did.
    pub unhealthy_after_ms: Option<u64>,
    /// How long until it was healthy again after it continued, in milliseconds.
    pub healthy_after_ms: Option<u64>,
    /// The health check's last output while stopped.
    pub said: String,
}

impl World {
    /// The containers of a service.
    #[must_use]
    pub fn sights(&self, service: &str) -> &[Sight] {
        self.services.get(service).map_or(&[], Vec::as_slice)
    }
}

impl Sight {
    /// What the probe saw as the service itself.
    ///
    /// # Errors
    /// Why it saw nothing.
    pub fn own(&self) -> Result<&Reply, Blind> {
        match self.inside.first() {
            Some(seen) => seen.reply.as_ref().map_err(Clone::clone),
            None => Err("the probe was not asked".to_owned()),
        }
    }
}
