//! What an image holds, read from the stream that `docker save` writes.
//!
//! [`scan`] reads the stream in one pass and gives [`Image`]s: their configuration and the facts
//! of each of their layers. Facts depend on a layer's bytes only and can be kept in a
//! [`FactsCache`]. Everything else is a pure function of an image: [`tools::find`],
//! [`secrets::find`], [`dependencies`] and the sizes.
//!
//! Every layer counts, not just what a container sees: who has the image has all its layers.

use std::sync::Arc;

use serde::Serialize;

pub mod archive;
pub mod cache;
pub mod config;
pub mod dependencies;
pub mod distribution;
pub mod error;
pub mod glob;
mod inflate;
pub mod layer;
pub mod limits;
mod manifest;
pub mod merged;
mod meter;
pub mod packages;
mod path;
pub mod secrets;
mod tar;
pub mod tools;

pub use archive::{Saved, ScanOptions, scan};
pub use cache::FactsCache;
pub use config::{HistoryStep, ImageConfig};
pub use error::ImageError;
pub use layer::LayerFacts;
pub use limits::Limits;
pub use merged::Merged;

use secrets::{Encoding, LiteralHit, SecretPlace};

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The names it goes by; empty for one that was saved by its id.
    pub references: Vec<String>,
    /// The digest of its configuration, `sha256:<hex>`. Engines with the classic image store call
    /// this the image's id.
    pub id: String,
    /// The configuration.
    pub config: ImageConfig,
    /// The layers, the lowest first. Images of one archive share them.
    pub layers: Vec<Arc<Layer>>,
    /// Known values in the configuration: where, the value's name, and how it is written.
    pub configuration_literals: Vec<(SecretPlace, String, Encoding)>,
}

/// One layer of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layer {
    /// What is in it.
    pub facts: LayerFacts,
    /// Known values in it. Facts from a cache bring none.
    pub literal_hits: Vec<LiteralHit>,
    /// Why it was not read to its end, where it was not. Its facts are those of what was read, its
    /// digest is what the configuration says, and anything can be in the rest.
    pub unread: Option<String>,
}

/// How large an image is, in bytes. Each layer counts once, as the engine counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ImageSize {
    /// The regular files of all layers, uncompressed: what `docker image inspect` gives as `Size`
    /// but for [`link_bytes`](Self::link_bytes), and what `docker image ls` shows.
    pub file_bytes: u64,
    /// The targets of all symbolic links, which some storage drivers count in.
    pub link_bytes: u64,
    /// The uncompressed tars of all layers, headers and padding included.
    pub tar_bytes: u64,
}

impl Image {
    /// The image's size.
    #[must_use]
    pub fn size(&self) -> ImageSize {
        let sum = |bytes: fn(&LayerFacts) -> u64| {
            self.layers.iter().fold(0u64, |sum, layer| sum.saturating_add(bytes(&layer.facts)))
        };
        ImageSize {
            file_bytes: sum(|facts| facts.file_bytes),
            link_bytes: sum(|facts| facts.link_bytes),
            tar_bytes: sum(|facts| facts.tar_bytes),
        }
    }

    /// The instruction that made each layer, the lowest first, without its secrets; `None` where
    /// the history does not tell. It fails only when the table of rules does not compile.
    pub fn instructions(&self) -> Result<Vec<Option<String>>, ImageError> {
        let steps = self.config.instructions(self.layers.len()).into_iter();
        steps.map(|step| step.map(secrets::redact).transpose()).collect()
    }
}
