//! Parameters of the checks of ways to a container engine.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Services;
use crate::yaml::Spanned;

/// Parameters of `no-docker-access`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoDockerAccess {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// TCP ports to try besides the common ones.
    #[serde(default)]
    pub ports: Vec<u16>,
}

/// Parameters of `docker-access-via`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerAccessVia {
    /// The services that may reach the engine.
    pub services: Services,
    /// The service that mediates.
    pub via: Spanned<String>,
    /// The proxy's port.
    #[serde(default = "docker_port")]
    pub port: u16,
    /// API paths that the proxy must refuse when asked with GET.
    #[serde(default)]
    pub forbidden: Vec<String>,
}

fn docker_port() -> u16 {
    2375
}
