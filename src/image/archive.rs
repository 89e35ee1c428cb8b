//! Images in the stream that `docker save` writes, read in one pass.
//!
//! Two formats are read: the docker archive of engines before 25 (`manifest.json`, layers as
//! `<id>/layer.tar`, some of them links to others) and the OCI layout of later ones (`index.json`,
//! `blobs/sha256`). A layer may come before the manifest that names it, so every file that can be
//! a layer is scanned as it passes, and the images are put together at the end. Nothing is
//! unpacked, and memory is bounded by [`Limits`].

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::image::config::ImageConfig;
use crate::image::error::{ImageError, Problem};
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

/// Reads the images in an archive. An error means that nothing can be said of any of them.
pub fn scan(stream: impl Read, options: &ScanOptions) -> Result<Vec<Image>, ImageError> {
    let literals = Literals::new(&options.literals)?;
    let mut archive = Archive {
        limits: options.limits,
        scanner: LayerScanner::new(options.limits, &literals)?,
        left: options.limits.total_bytes,
        documents: BTreeMap::new(),
        layers: BTreeMap::new(),
        links: BTreeMap::new(),
    };
    let input = BufReader::with_capacity(BUFFER, stream);
    let mut tar =
        TarReader::new(input, options.limits.archive_entries, options.limits.archive_bytes);
    while let Some(entry) = tar.next_entry().map_err(|problem| problem.at("the archive"))? {
        archive.entry(&entry, tar.data())?;
    }
    let parts = manifest::images(&archive.documents)?;
    parts.iter().map(|parts| archive.image(parts, &literals)).collect()
}

/// What was read of the archive so far.
struct Archive<'a> {
    limits: Limits,
    scanner: LayerScanner<'a>,
    /// Bytes of layers that may still be read.
    left: u64,
    documents: BTreeMap<String, Vec<u8>>,
    /// Every file that looks like a layer, or why it could not be read. Only the layers that a
    /// manifest names matter in the end.
    layers: BTreeMap<String, Result<Arc<Layer>, ImageError>>,
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
                let decoder = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole));
                self.scanner.scan(decoder, self.layer_limit())
            }
            Form::Zstd => zstd_decoder(whole)
                .map_err(Problem::from)
                .and_then(|decoder| self.scanner.scan(decoder, self.layer_limit())),
        };
        let layer = match scanned {
            Ok(Scanned { facts, literal_hits }) => {
                self.left = self.left.saturating_sub(facts.tar_bytes);
                Ok(Arc::new(Layer { facts, literal_hits }))
            }
            Err(problem) => match problem.at(place) {
                // A file that is no layer after all does not matter unless a manifest names it.
                error @ ImageError::Malformed { .. } => Err(error),
                // A bomb and a broken stream do.
                error => return Err(error),
            },
        };
        self.layers.insert(place.clone(), layer);
        Ok(())
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
        let too_large = |limit, unit| ImageError::TooLarge { place: place.clone(), limit, unit };
        if entry.size > self.limits.json_bytes {
            return Err(too_large(self.limits.json_bytes, "bytes of JSON"));
        }
        if self.documents.len() >= self.limits.json_documents {
            return Err(too_large(self.limits.json_documents as u64, "JSON documents"));
        }
        let mut text = Vec::new();
        data.take(entry.size)
            .read_to_end(&mut text)
            .map_err(|error| Problem::from(error).at(place))?;
        self.documents.insert(place.clone(), text);
        Ok(())
    }

    fn image(&self, parts: &Parts, literals: &Literals) -> Result<Image, ImageError> {
        let text = self.documents.get(self.followed(&parts.config)).ok_or_else(|| {
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
        let mut layers = Vec::new();
        for (path, expected) in parts.layers.iter().zip(&config.diff_ids) {
            let layer = self.layer(path, &parts.config)?;
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
        match self.layers.get(self.followed(path)) {
            Some(Ok(layer)) => Ok(Arc::clone(layer)),
            Some(Err(error)) => Err(ImageError::Malformed {
                place: path.to_owned(),
                problem: match error {
                    ImageError::Malformed { problem, .. } => problem.clone(),
                    other => other.to_string(),
                },
            }),
            None => Err(ImageError::Missing {
                place: format!("the manifest of {config}"),
                missing: path.to_owned(),
            }),
        }
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

fn zstd_decoder(data: impl BufRead) -> io::Result<impl BufRead> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(data)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(BufReader::with_capacity(BUFFER, decoder))
}
