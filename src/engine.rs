//! The Docker Engine API. This folder is the only place that knows the client crate; its types
//! do not leave it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use serde::Serialize;
use tokio::sync::RwLock;

pub mod container;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod exec;
pub mod image;
pub mod object;
pub mod sidecar;
pub mod stats;
pub mod versions;

pub use endpoint::Endpoint;
pub use error::{EngineError, Kind};

/// How long the engine may take to answer the first question. A half-started daemon accepts
/// connections and never answers.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// How long any one call may take, in seconds.
const CALL_SECONDS: u64 = 120;

/// A connection to one engine.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    endpoint: Endpoint,
    about: About,
    /// Held for reading while a container of our own is made.
    making: Arc<RwLock<()>>,
}

/// What the engine says of itself and of its host.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    /// The engine's own id, to tell two engines apart.
    pub id: Option<String>,
    /// The engine's version, such as `20.10.24`.
    pub engine: Option<String>,
    /// The highest API version that it speaks, such as `1.41`.
    pub api: Option<String>,
    /// The host's kernel release.
    pub kernel: Option<String>,
    /// The host's operating system.
    pub os: Option<String>,
    /// `1` or `2`.
    pub cgroup: Option<String>,
    /// `cgroupfs` or `systemd`.
    pub cgroup_driver: Option<String>,
    /// The storage driver.
    pub storage: Option<String>,
    /// Whether images are kept in containerd's store, whose sizes are counted otherwise.
    pub containerd_store: bool,
    /// The security features, such as `name=seccomp,profile=default`.
    pub security: Vec<String>,
    /// The host's processors.
    pub cpus: Option<u64>,
    /// The host's memory in bytes.
    pub memory: Option<u64>,
}

impl About {
    /// Whether the engine confines containers by AppArmor.
    #[must_use]
    pub fn has_apparmor(&self) -> bool {
        self.security.iter().any(|option| option.starts_with("name=apparmor"))
    }

    /// Whether the engine gives containers other users than the host's, by `userns-remap`.
    #[must_use]
    pub fn remaps_users(&self) -> bool {
        self.security.iter().any(|option| option.starts_with("name=userns"))
    }

    /// Whether the engine's own processes run without root.
    #[must_use]
    pub fn is_rootless(&self) -> bool {
        self.security.iter().any(|option| option.starts_with("name=rootless"))
    }
}

impl Engine {
    /// Connects to the engine at `endpoint` and asks what it is.
    ///
    /// # Errors
    /// When there is no engine, it refuses this user, or it does not answer within ten seconds;
    /// the error says which and what to do.
    pub async fn connect(endpoint: Endpoint) -> Result<Engine, EngineError> {
        // The client crate folds every connection failure into one; the plain connect tells a
        // missing socket from a refused one.
        endpoint.reach(FIRST_ANSWER).await?;
        let docker = match &endpoint {
            Endpoint::Unix(path) => Docker::connect_with_unix(
                &path.to_string_lossy(),
                CALL_SECONDS,
                API_DEFAULT_VERSION,
            ),
            Endpoint::Tcp(address) => Docker::connect_with_http(
                &format!("tcp://{address}"),
                CALL_SECONDS,
                API_DEFAULT_VERSION,
            ),
        }
        .map_err(|error| EngineError::of("connect to", endpoint.to_string(), &error))?;
        let first = async {
            // Negotiation is asked for because later versions of the client send a version.
            let docker = docker.negotiate_version().await?;
            let (version, info) = tokio::try_join!(docker.version(), docker.info())?;
            Ok::<_, bollard::errors::Error>((docker, version, info))
        };
        let (docker, version, info) = tokio::time::timeout(FIRST_ANSWER, first)
            .await
            .map_err(|_| EngineError::silent("ask", endpoint.to_string(), FIRST_ANSWER))?
            .map_err(|error| EngineError::of("ask", endpoint.to_string(), &error))?;
        let about = About {
            id: info.id,
            engine: version.version.or(info.server_version),
            api: version.api_version,
            kernel: info.kernel_version,
            os: info.operating_system,
            cgroup: info.cgroup_version.map(|version| version.to_string()),
            cgroup_driver: info.cgroup_driver.map(|driver| driver.to_string()),
            storage: info.driver,
            containerd_store: info
                .driver_status
                .iter()
                .flatten()
                .flatten()
                .any(|word| word.starts_with("io.containerd.snapshotter")),
            security: info.security_options.unwrap_or_default(),
            cpus: info.ncpu.and_then(|count| u64::try_from(count).ok()),
            memory: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()),
        };
        Ok(Engine { docker, endpoint, about, making: Arc::default() })
    }

    /// Where the engine is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What the engine said of itself when we connected.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The path of the engine's socket on the engine's host.
    #[must_use]
    pub fn socket_on_host(&self) -> PathBuf {
        self.endpoint.socket_on_host()
    }
}
