//! Parameters of the checks of images.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Services;
use crate::scenario::amount::Bytes;
use crate::yaml::Spanned;

/// Parameters of `image-size`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The smallest size that is believed: less means that the image is not what it is said to be.
    #[serde(default)]
    pub min: Option<Bytes>,
    /// The largest size allowed: the sum of the uncompressed layers.
    #[serde(default)]
    pub max: Option<Bytes>,
    /// The image to be smaller than.
    #[serde(default)]
    pub baseline: Option<Baseline>,
}

/// An image built for comparison.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The Compose file that builds it, relative to the scenario file.
    pub compose: Spanned<String>,
    /// The service in that file.
    pub service: Spanned<String>,
    /// How much smaller the image must be at least, in percent of the baseline.
    pub smaller_by_at_least: f64,
    /// How much smaller it may be at most, in percent, where the document says so.
    #[serde(default)]
    pub smaller_by_at_most: Option<f64>,
}

/// Parameters of `no-build-tools`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoBuildTools {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// Tools that are declared and so allowed, such as `curl`.
    #[serde(default)]
    pub allowed: Vec<Spanned<String>>,
}

/// Parameters of `no-secrets-in-image`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSecretsInImage {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// Paths whose hits are known to be harmless. One that matches nothing is reported.
    #[serde(default)]
    pub allowed: Vec<Spanned<String>>,
}

/// Parameters of `single-dependency-source`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SingleDependencySource {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The one file, relative to the service's build context.
    pub file: Spanned<String>,
}
