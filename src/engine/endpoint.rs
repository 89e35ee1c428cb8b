//! Where the engine is: found once, used by the client and by every subprocess alike.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::error::{EngineError, Kind};

/// The socket of a default installation.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The address of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// Host and port, without TLS.
    Tcp(String),
}

impl Endpoint {
    /// The path of the engine's socket on the engine's host. For an engine reached over TCP it
    /// is the usual one, which is all that can be known from here.
    #[must_use]
    pub fn socket_on_host(&self) -> PathBuf {
        match self {
            Endpoint::Unix(path) => path.clone(),
            Endpoint::Tcp(_) => Path::new("/var/run/docker.sock").to_path_buf(),
        }
    }

    /// Finds the endpoint as the Docker CLI does: `DOCKER_HOST`, else the current context, else
    /// the default socket.
    ///
    /// # Errors
    /// When the address is of a form that is not supported, or the context cannot be resolved.
    pub fn from_environment() -> Result<Endpoint, EngineError> {
        if let Some(host) = variable("DOCKER_HOST") {
            return Endpoint::parse(&host);
        }
        match variable("DOCKER_CONTEXT").or_else(configured_context) {
            Some(context) if context != "default" => Endpoint::of_context(&context),
            _ => Ok(Endpoint::Unix(PathBuf::from(DEFAULT_SOCKET))),
        }
    }

    /// Reads an address such as `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
    ///
    /// # Errors
    /// When the address is of a form that is not supported.
    pub fn parse(host: &str) -> Result<Endpoint, EngineError> {
        if let Some(path) = host.strip_prefix("unix://") {
            return Ok(Endpoint::Unix(PathBuf::from(path)));
        }
        if let Some(address) = host.strip_prefix("tcp://") {
            return Ok(Endpoint::Tcp(address.trim_end_matches('/').to_owned()));
        }
        Err(EngineError {
            kind: Kind::NotReachable,
            doing: "connect to",
            object: host.to_owned(),
            cause: "the address begins with neither unix:// nor tcp://".to_owned(),
            hint: Some("for an engine behind ssh, forward its socket and set DOCKER_HOST to that"),
        })
    }

    fn of_context(context: &str) -> Result<Endpoint, EngineError> {
        let failed = |cause: String| EngineError {
            kind: Kind::NotReachable,
            doing: "resolve",
            object: format!("the Docker context {context}"),
            cause,
            hint: Some("set DOCKER_HOST, or choose another context with `docker context use`"),
        };
        let output = Command::new("docker")
            .args(["context", "inspect", context, "--format", "{{.Endpoints.docker.Host}}"])
            .output()
            .map_err(|error| failed(format!("docker: {error}")))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Endpoint::parse(String::from_utf8_lossy(&output.stdout).trim())
    }

    /// Whether something accepts a connection there.
    pub(super) async fn reach(&self, within: Duration) -> Result<(), EngineError> {
        let connect = async {
            match self {
                Endpoint::Unix(path) => tokio::net::UnixStream::connect(path).await.map(|_| ()),
                Endpoint::Tcp(address) => tokio::net::TcpStream::connect(address).await.map(|_| ()),
            }
        };
        let error = match tokio::time::timeout(within, connect).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => return Err(EngineError::silent("connect to", self.to_string(), within)),
        };
        let (kind, hint) = match error.kind() {
            ErrorKind::NotFound => {
                (Kind::NotReachable, "is an engine installed and running? or set DOCKER_HOST")
            }
            ErrorKind::PermissionDenied => (
                Kind::Permission,
                "run as a user of the socket's group (usually docker), or with sudo",
            ),
            _ => (Kind::NotReachable, "is the engine running? or set DOCKER_HOST"),
        };
        Err(EngineError {
            kind,
            doing: "connect to",
            object: format!("the Docker engine at {self}"),
            cause: error.to_string(),
            hint: Some(hint),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The `currentContext` of the CLI's configuration, if there is one.
fn configured_context() -> Option<String> {
    let folder = variable("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".docker")))?;
    let text = std::fs::read_to_string(folder.join("config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    config.get("currentContext")?.as_str().map(str::to_owned)
}
