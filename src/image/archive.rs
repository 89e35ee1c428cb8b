//! Images in the stream that `docker save` writes, read in one pass.
//!
//! Two formats are read: the docker archive of engines before 25 (`manifest.json`, layers as
//! `<id>/layer.tar`, some of them links to others) and the OCI layout of later ones (`index.json`,
//! `blobs/sha256`). A layer may come before the manifest that names it, so every file that can be
//! a layer is scanned as it passes, and the images are put together at the end. Nothing is
//! unpacked, and memory is bounded by [`Limits`]. A layer on which a bound was reached is part of
//! its image and says so; what is wrong with one image says nothing about the others.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::image::config::ImageConfig;
use crate::image::error::{ImageError, Problem};
use crate::image::inflate::Compressed;
use crate::image::layer::scanner::{LayerScanner, Scanned};
use crate::image::limits::Limits;
use crate::image::manifest::{self, Parts};
use crate::image::meter;
use crate::image::path;
use crate::image::secrets::literals::Literals;
use crate::image::secrets::{self, Literal};
use crate::image::tar::{self, Entry, Kind, TarReader};
use crate::image::{Image, Layer};

/// How much is read at once, in bytes.
const BUFFER: usize = 256 * 1024;
/// The largest window of a zstd frame, as a power of two: what every decoder has to support.
const ZSTD_WINDOW_LOG: u32 = 27;
/// How many links may lead to one another.
const MAX_LINKS: usize = 8;
/// How many links the archive may hold.
const MAX_LINK_ENTRIES: usize = 10_000;

/// What one scan looks for, and its bounds.
#[derive(Debug, Clone, Default)]
pub struct ScanOptions {
    /// The bounds.
    pub limits: Limits,
    /// Values that must not be in the image. Hits are no part of the facts of a layer, so facts
    /// from a cache do not answer for them.
    pub literals: Vec<Literal>,
}

/// An image that an archive names.
#[derive(Debug)]
pub struct Saved {
    /// The names it goes by; empty for one that was saved by its id.
    pub references: Vec<String>,
    /// The file of the archive that holds its configuration.
    pub config: String,
    /// The image, or why nothing can be said of it.
    pub image: Result<Image, ImageError>,
}

/// Reads the images in an archive. An error means that nothing can be said of any of them.
pub fn scan(stream: impl Read, options: &ScanOptions) -> Result<Vec<Saved>, ImageError> {
    let literals = Literals::new(&options.literals)?;
    let mut archive = Archive {
        limits: options.limits,
        scanner: LayerScanner::new(options.limits, &literals)?,
        left: options.limits.total_bytes,
        documents: BTreeMap::new(),
        too_large: BTreeMap::new(),
        left_for_documents: options.limits.total_json_bytes,
        layers: BTreeMap::new(),
        links: BTreeMap::new(),
    };
    let input = BufReader::with_capacity(BUFFER, stream);
    let mut tar =
        TarReader::new(input, options.limits.archive_entries, options.limits.archive_bytes);
    while let Some(entry) = tar.next_entry().map_err(|problem| problem.at("the archive"))? {
        archive.entry(&entry, tar.data())?;
    }
    for document in [manifest::DOCKER, manifest::OCI] {
        if let Some(limit) = archive.too_large.get(document) {
            return Err(too_large(document, *limit));
        }
    }
    let parts = manifest::images(&archive.documents)?.into_iter();
    Ok(parts
        .map(|parts| Saved {
            image: archive.image(&parts, &literals),
            references: parts.references,
            config: parts.config,
        })
        .collect())
}

/// What was read of the archive so far.
struct Archive<'a> {
    limits: Limits,
    scanner: LayerScanner<'a>,
    /// Bytes of layers that may still be read.
    left: u64,
    documents: BTreeMap<String, Vec<u8>>,
    /// Documents that were not read, with the bound that they passed, in bytes.
    too_large: BTreeMap<String, u64>,
    /// Bytes of documents that may still be read.
    left_for_documents: u64,
    /// Every file that looks like a layer. Only the layers that a manifest names matter in the
    /// end.
    layers: BTreeMap<String, Arc<Layer>>,
    links: BTreeMap<String, String>,
}

/// What the first bytes of a file make it.
enum Form {
    Tar,
    Gzip,
    Zstd,
    Json,
    Other,
}

impl Archive<'_> {
    fn entry(&mut self, entry: &Entry, mut data: impl BufRead) -> Result<(), ImageError> {
        match entry.kind {
            Kind::File => {}
            Kind::Symlink | Kind::Hardlink => return self.link(entry),
            Kind::Folder | Kind::Other => return Ok(()),
        }
        let place = &entry.path;
        let mut head = Vec::with_capacity(512);
        data.by_ref()
            .take(512)
            .read_to_end(&mut head)
            .map_err(|error| Problem::from(error).at(place))?;
        let form = Form::of(&head);
        let whole = head.chain(data);
        let scanned = match form {
            Form::Other => return Ok(()),
            Form::Json => return self.document(entry, whole),
            Form::Tar => self.scanner.scan(whole, self.layer_limit()),
            Form::Gzip => {
                let decoder = Compressed::new(whole).bound(&self.limits, |data| {
                    Ok(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(data)))
                });
                self.inflated(decoder)
            }
            Form::Zstd => {
                let decoder = Compressed::new(whole).bound(&self.limits, zstd_decoder);
                self.inflated(decoder)
            }
        };
        let Scanned { facts, literal_hits, stopped } = scanned;
        self.left = self.left.saturating_sub(facts.tar_bytes);
        let unread = match stopped.map(|problem| problem.at(place)) {
            // The stream is broken, and with it all that was to come.
            Some(error @ ImageError::Read { .. }) => return Err(error),
            // A file that is no layer after all does not matter unless a manifest names it.
            Some(error) => Some(error.to_string()),
            None => None,
        };
        self.layers.insert(place.clone(), Arc::new(Layer { facts, literal_hits, unread }));
        Ok(())
    }

    fn inflated(&mut self, decoder: io::Result<impl BufRead>) -> Scanned {
        match decoder {
            Ok(decoder) => self.scanner.scan(decoder, self.layer_limit()),
            Err(error) => Scanned { stopped: Some(error.into()), ..Scanned::default() },
        }
    }

    fn layer_limit(&self) -> u64 {
        self.limits.layer_bytes.min(self.left)
    }

    fn link(&mut self, entry: &Entry) -> Result<(), ImageError> {
        let at = |problem: Problem| problem.at(&entry.path);
        if self.links.len() >= MAX_LINK_ENTRIES {
            let limit = MAX_LINK_ENTRIES as u64;
            return Err(at(Problem::TooLarge { limit, unit: "links" }));
        }
        // A hard link names its target from the root of the archive, a symbolic one from its own
        // folder.
        let target = match entry.kind {
            Kind::Symlink => path::resolve(&entry.path, &entry.link),
            _ => path::normalise(&entry.link),
        };
        self.links.insert(entry.path.clone(), target.map_err(at)?);
        Ok(())
    }

    fn document(&mut self, entry: &Entry, data: impl Read) -> Result<(), ImageError> {
        let place = &entry.path;
        // Engines before 25 put the configuration of a Docker of 2015 beside every layer.
        if path::name(place) == "json" {
            return Ok(());
        }
        let limit = self.limits.json_bytes.min(self.left_for_documents);
        if entry.size > limit {
            // Which image this is part of is not known yet.
            self.too_large.insert(place.clone(), limit);
            return Ok(());
        }
        self.left_for_documents -= entry.size;
        let mut text = Vec::new();
        data.take(entry.size)
            .read_to_end(&mut text)
            .map_err(|error| Problem::from(error).at(place))?;
        self.documents.insert(place.clone(), text);
        Ok(())
    }

    fn image(&self, parts: &Parts, literals: &Literals) -> Result<Image, ImageError> {
        let path = self.followed(&parts.config);
        let text = self.documents.get(path).ok_or_else(|| {
            if let Some(limit) = self.too_large.get(path) {
                return too_large(path, *limit);
            }
            let place = manifest::DOCKER.to_owned();
            ImageError::Missing { place, missing: parts.config.clone() }
        })?;
        let malformed = |problem| ImageError::Malformed { place: parts.config.clone(), problem };
        let config = ImageConfig::parse(text).map_err(|error| malformed(error.to_string()))?;
        if config.diff_ids.len() != parts.layers.len() {
            return Err(malformed(format!(
                "it has {} layers, and the manifest {}",
                config.diff_ids.len(),
                parts.layers.len()
            )));
        }
        if parts.layers.len() > self.limits.layers {
            return Err(ImageError::TooLarge {
                place: parts.config.clone(),
                limit: self.limits.layers as u64,
                unit: "layers",
            });
        }
        let mut layers = Vec::new();
        for (path, expected) in parts.layers.iter().zip(&config.diff_ids) {
            let layer = self.layer(path, &parts.config)?;
            if layer.unread.is_some() {
                // Nobody can tell the digest of what was not read to its end.
                let mut named = Layer::clone(&layer);
                named.facts.diff_id.clone_from(expected);
                layers.push(Arc::new(named));
                continue;
            }
            if layer.facts.diff_id != *expected {
                return Err(ImageError::Malformed {
                    place: path.clone(),
                    problem: format!("its digest is {}, not {expected}", layer.facts.diff_id),
                });
            }
            layers.push(layer);
        }
        let mut image = Image {
            references: parts.references.clone(),
            id: meter::sha256(text),
            config,
            layers,
            configuration_literals: Vec::new(),
        };
        for (place, text) in secrets::configuration(&image) {
            let mut found = Default::default();
            literals.search(text.as_bytes(), &mut found);
            let hits = found.into_iter().map(|(name, encoding)| (place.clone(), name, encoding));
            image.configuration_literals.extend(hits);
        }
        Ok(image)
    }

    fn layer(&self, path: &str, config: &str) -> Result<Arc<Layer>, ImageError> {
        self.layers.get(self.followed(path)).cloned().ok_or_else(|| ImageError::Missing {
            place: format!("the manifest of {config}"),
            missing: path.to_owned(),
        })
    }

    /// The file that a path leads to.
    fn followed<'b>(&'b self, path: &'b str) -> &'b str {
        let mut path = path;
        for _ in 0..MAX_LINKS {
            match self.links.get(path) {
                Some(target) => path = target,
                None => break,
            }
        }
        path
    }
}

impl Form {
    fn of(head: &[u8]) -> Form {
        if head.starts_with(b"\x1f\x8b") {
            return Form::Gzip;
        }
        if head.starts_with(b"\x28\xb5\x2f\xfd") {
            return Form::Zstd;
        }
        // No bytes at all are an archive without entries, to Go and so to the engine.
        if head.is_empty() || tar::looks_like_tar(head) {
            return Form::Tar;
        }
        match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{' | b'[') => Form::Json,
            _ => Form::Other,
        }
    }
}

fn too_large(document: &str, limit: u64) -> ImageError {
    ImageError::TooLarge { place: document.to_owned(), limit, unit: "bytes of JSON" }
}

fn zstd_decoder(data: impl BufRead) -> io::Result<impl BufRead> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(data)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(BufReader::with_capacity(BUFFER, decoder))
}

#[cfg(test)]
mod tests;
