//! Parameters of the checks of the order in which services start.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Services;
use crate::scenario::amount::Seconds;

/// Parameters of `starts-in-any-order`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartsInAnyOrder {
    /// The services that are started first, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The services that come late. They are none of those that are started first.
    pub delayed: Services,
    /// How much later they come. It must be enough for a service to notice that they are missing.
    #[serde(default = "Seconds::for_delay")]
    pub delay: Seconds,
    /// How soon the services must be healthy once the late ones are.
    #[serde(default = "Seconds::for_recovery")]
    pub within: Seconds,
    /// How often a service may end and be started again meanwhile.
    #[serde(default)]
    pub restarts: u64,
}
