//! Parameters of the checks of what confines the processes of a service.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Services;
use crate::yaml::Spanned;

/// Parameters of `runs-as`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunsAs {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The user's name in the image's passwd file; exactly one entry may have its uid.
    #[serde(default)]
    pub user: Option<String>,
    /// The uid. Without `user` and `uid` any user but root will do.
    #[serde(default)]
    pub uid: Option<u32>,
    /// The gid. Without it any group but root's will do.
    #[serde(default)]
    pub gid: Option<u32>,
}

/// Parameters of `capabilities`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// Capabilities that a process may hold or regain, such as `NET_BIND_SERVICE`.
    #[serde(default)]
    pub allowed: Vec<Spanned<String>>,
}

/// Parameters of `apparmor`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apparmor {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The profile that must be in force, `docker-default` unless named.
    #[serde(default)]
    pub profile: Option<String>,
}

/// Parameters of `read-only-root`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadOnlyRoot {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// Mount points that may be writable, besides those the engine always makes.
    #[serde(default)]
    pub writable: Vec<String>,
}

/// Parameters of `namespaces`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Namespaces {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// Kinds that must be the service's own: pid, net, ipc, uts, mnt. All five unless named.
    #[serde(default)]
    pub own: Vec<Spanned<String>>,
}

/// Parameters of `no-env`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoEnv {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The names of variables that must not be set anywhere.
    pub names: Vec<Spanned<String>>,
}
