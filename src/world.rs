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

pub mod act;
pub mod load;
pub mod neighbours;

pub use act::{Act, Blast, Cpu, CpuCount, Forked, Late, Oom, Pids, Stop};
pub use load::Load;

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
    /// What was done to a container and seen meanwhile, by the code of the check and the
    /// container.
    pub acts: BTreeMap<(String, String), Result<Act, Blind>>,
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
    /// The image's passwd file, and its group file where the container's user names a group;
    /// empty where it has none.
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
    /// What the probe could do as an ordinary user without restrictions.
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

impl World {
    /// The containers of a service.
    #[must_use]
    pub fn sights(&self, service: &str) -> &[Sight] {
        self.services.get(service).map_or(&[], Vec::as_slice)
    }

    /// What the act of a check showed on a container. `which` picks the kind of act.
    ///
    /// # Errors
    /// Why it showed nothing, or that it was not done.
    pub fn act<'a, A>(
        &'a self,
        code: &str,
        container: &str,
        which: impl Fn(&'a Act) -> Option<&'a A>,
    ) -> Result<&'a A, Blind> {
        let not_done = || format!("the act of {code} was not done");
        match self.acts.get(&(code.to_owned(), container.to_owned())) {
            Some(Ok(act)) => which(act).ok_or_else(not_done),
            Some(Err(why)) => Err(why.clone()),
            None => Err(not_done()),
        }
    }

    /// Notes what an act showed.
    pub fn note(&mut self, code: &str, container: &str, act: Result<Act, Blind>) {
        self.acts.insert((code.to_owned(), container.to_owned()), act);
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
