//! Facts of layers kept on disk between runs.
//!
//! An entry is two lines of JSON: a heading that names the layer, the version of the scanner and
//! the digest of the second line; and the facts. An entry that does not fit in any respect counts
//! as absent. The digest tells damage, not malice: who can write the folder can forge facts.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::image::config::ImageConfig;
use crate::image::layer::LayerFacts;
use crate::image::secrets::rules;
use crate::image::tools::{names, packages, signatures};
use crate::image::{Image, Layer, meter};

/// The form of an entry.
const SCHEMA: &str = "stackproof.layer-facts/1";
/// Counts changes of the scanner's code that its tables do not show. Raise it with every change
/// that alters the facts of some layer.
const CODE: u32 = 2;
/// The longest entry that is read, in bytes.
const MAX_ENTRY: u64 = 64 << 20;

/// The version of the scanner: facts of another version are of no use.
pub static SCANNER: LazyLock<String> = LazyLock::new(|| {
    let tables = format!(
        "{SCHEMA} {CODE} {:?} {:?} {:?} {:?} {:?}",
        rules::RULES,
        rules::SECRET_FILES,
        names::NAMES,
        packages::PACKAGES,
        signatures::SIGNATURES
    );
    meter::sha256(tables.as_bytes())
});

/// A folder of facts.
#[derive(Debug, Clone)]
pub struct FactsCache {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heading {
    schema: String,
    scanner: String,
    diff_id: String,
    facts: String,
}

impl FactsCache {
    /// The cache in this folder. The folder is made when the first entry is written.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> FactsCache {
        FactsCache { folder: folder.into() }
    }

    /// The facts of the layer, unless there are none, or none that can be trusted.
    #[must_use]
    pub fn get(&self, diff_id: &str) -> Option<LayerFacts> {
        let file = fs::File::open(self.path(diff_id)?).ok()?;
        let mut entry = Vec::new();
        file.take(MAX_ENTRY + 1).read_to_end(&mut entry).ok()?;
        let end = entry.iter().position(|byte| *byte == b'\n')?;
        let heading: Heading = serde_json::from_slice(&entry[..end]).ok()?;
        let text = &entry[end + 1..];
        let expected = heading.schema == SCHEMA
            && heading.scanner == *SCANNER
            && heading.diff_id == diff_id
            && heading.facts == meter::sha256(text);
        if !expected {
            return None;
        }
        let facts: LayerFacts = serde_json::from_slice(text).ok()?;
        (facts.diff_id == diff_id).then_some(facts)
    }

    /// Keeps the facts. The entry appears whole or not at all, whoever else writes it.
    pub fn put(&self, facts: &LayerFacts) -> io::Result<()> {
        let path = self.path(&facts.diff_id).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the layer's digest is malformed")
        })?;
        let text = serde_json::to_vec(facts)?;
        let heading = Heading {
            schema: SCHEMA.to_owned(),
            scanner: SCANNER.clone(),
            diff_id: facts.diff_id.clone(),
            facts: meter::sha256(&text),
        };
        fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(&mut file, &heading)?;
        file.write_all(b"\n")?;
        file.write_all(&text)?;
        file.as_file().sync_data()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Keeps the facts of every layer of an image that was read to its end.
    pub fn put_image(&self, image: &Image) -> io::Result<()> {
        let whole = image.layers.iter().filter(|layer| layer.unread.is_none());
        whole.into_iter().try_for_each(|layer| self.put(&layer.facts))
    }

    /// The image without its archive, from its configuration as the engine's API gives it: only if
    /// the facts of every layer are here. Known values were not searched for in it.
    #[must_use]
    pub fn image(&self, references: &[String], id: &str, config: ImageConfig) -> Option<Image> {
        let layers = config.diff_ids.iter().map(|diff_id| {
            let facts = self.get(diff_id)?;
            Some(Arc::new(Layer { facts, ..Layer::default() }))
        });
        Some(Image {
            references: references.to_vec(),
            id: id.to_owned(),
            layers: layers.collect::<Option<_>>()?,
            config,
            configuration_literals: Vec::new(),
        })
    }

    /// The file of an entry. A digest that is none leads nowhere, whatever slashes it holds.
    fn path(&self, diff_id: &str) -> Option<PathBuf> {
        let hex = diff_id.strip_prefix("sha256:")?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let scanner = SCANNER.strip_prefix("sha256:")?.get(..16)?;
        (hex.len() == 64 && hex.bytes().all(is_hex))
            .then(|| Path::new(&self.folder).join(format!("{hex}-{scanner}.json")))
    }
}
