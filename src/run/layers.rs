//! Reading the layers of the stack's images: from the cache of facts where they are known, else
//! from one export of all that are not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, pin_mut};

use crate::engine::Engine;
use crate::engine::image::ImageInfo;
use crate::image::Image;
use crate::image::archive::{Saved, ScanOptions, scan};
use crate::image::cache::FactsCache;
use crate::image::config::ImageConfig;
use crate::world::Blind;

/// How many chunks of an export may wait for the scanner. A chunk has up to 64 KiB or so.
const WAITING: usize = 64;

/// The layers of the images of some services.
pub(super) async fn layers(
    engine: &Engine,
    images: &BTreeMap<String, Result<ImageInfo, Blind>>,
    services: &BTreeSet<String>,
) -> BTreeMap<String, Result<Arc<Image>, Blind>> {
    let cache = cache_folder().map(FactsCache::new);
    let mut found: BTreeMap<String, Result<Arc<Image>, Blind>> = BTreeMap::new();
    let mut wanted: BTreeMap<String, ImageInfo> = BTreeMap::new();
    for service in services {
        match images.get(service) {
            Some(Ok(image)) => {
                wanted.insert(image.id.clone(), image.clone());
            }
            Some(Err(why)) => {
                found.insert(service.clone(), Err(why.clone()));
            }
            None => {
                found.insert(service.clone(), Err("the service has no image".to_owned()));
            }
        }
    }
    let mut by_id: BTreeMap<String, Result<Arc<Image>, Blind>> = BTreeMap::new();
    for (id, image) in &wanted {
        if let Some(cache) = &cache
            && let Ok(config) = config(engine, image).await
            && let Some(known) = cache.image(&image.tags, id, config)
        {
            by_id.insert(id.clone(), Ok(Arc::new(known)));
        }
    }
    wanted.retain(|id, _| !by_id.contains_key(id));
    if !wanted.is_empty() {
        by_id.extend(exported(engine, &wanted, cache).await);
    }
    for service in services {
        if let Some(Ok(image)) = images.get(service) {
            let layers = by_id.get(&image.id).cloned();
            let missing = || Err("the engine's export lacks the image".to_owned());
            found.insert(service.clone(), layers.unwrap_or_else(missing));
        }
    }
    found
}

/// The image's configuration as the Engine API tells it, in the form of an archive's.
async fn config(engine: &Engine, image: &ImageInfo) -> Result<ImageConfig, Blind> {
    let history = engine.image_history(&image.id).await.map_err(|error| error.to_string())?;
    let document = serde_json::json!({
        "config": image.config, "rootfs": {"diff_ids": image.layers}, "history": history,
    });
    ImageConfig::parse(document.to_string().as_bytes()).map_err(|error| error.to_string())
}

async fn exported(
    engine: &Engine,
    wanted: &BTreeMap<String, ImageInfo>,
    cache: Option<FactsCache>,
) -> BTreeMap<String, Result<Arc<Image>, Blind>> {
    // By tag where there is one: the archive then says which image is which on every engine.
    let names: Vec<String> =
        wanted.values().map(|image| image.tags.first().unwrap_or(&image.id).clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stream = engine.export_images(&names);
    let (sender, receiver) = sync_channel(WAITING);
    let scanning = tokio::task::spawn_blocking(move || {
        let options = ScanOptions::default();
        let images = scan(Chunks { receiver, chunk: Bytes::new() }, &options)
            .map_err(|error| error.to_string())?;
        if let Some(cache) = cache {
            // Facts that cannot be kept are found again next time.
            for image in images.iter().filter_map(|saved| saved.image.as_ref().ok()) {
                let _ = cache.put_image(image);
            }
        }
        Ok::<_, Blind>(images)
    });
    let fed = feed(stream, sender).await;
    let scanned = scanning.await.map_err(|error| error.to_string()).and_then(|images| images);
    let images = match (fed, scanned) {
        (Ok(()), Ok(images)) => images,
        (Err(why), _) | (_, Err(why)) => {
            return wanted.keys().map(|id| (id.clone(), Err(why.clone()))).collect();
        }
    };
    let by_name = engine.about().containerd_store;
    // Several services can run one image.
    let images: Vec<_> = images
        .into_iter()
        .map(|Saved { references, config, image }| {
            (references, config, image.map(Arc::new).map_err(|error| error.to_string()))
        })
        .collect();
    wanted
        .iter()
        .filter_map(|(id, info)| {
            let (.., image) = images.iter().find(|(references, config, _)| {
                is_config_of(config, id)
                    || by_name && references.iter().any(|name| info.tags.contains(name))
            })?;
            Some((id.clone(), image.clone()))
        })
        .collect()
}

/// Whether the file of an archive is the configuration that the id is the digest of. A tag may
/// have moved since the containers started, so names count only where the id is something else:
/// with the containerd image store it is the digest of the manifest.
fn is_config_of(config: &str, id: &str) -> bool {
    let name = config.rsplit('/').next().unwrap_or(config);
    id.strip_prefix("sha256:").is_some_and(|hex| name.strip_suffix(".json").unwrap_or(name) == hex)
}

async fn feed<E: std::fmt::Display>(
    stream: impl futures_util::Stream<Item = Result<Bytes, E>>,
    sender: SyncSender<Bytes>,
) -> Result<(), Blind> {
    pin_mut!(stream);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| error.to_string())?;
        let sent = tokio::task::block_in_place(|| sender.send(chunk));
        if sent.is_err() {
            // The scanner has ended; what it says counts.
            return Ok(());
        }
    }
    Ok(())
}

/// Chunks as they come, read as one file.
struct Chunks {
    receiver: Receiver<Bytes>,
    chunk: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.recv() {
                Ok(chunk) => self.chunk = chunk,
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Where facts are kept between runs: they depend on nothing but a layer's content.
fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("stackproof/layers"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ab12.json", true)]
    #[case("blobs/sha256/ab12", true)]
    #[case("ab1.json", false)]
    #[case("blobs/sha256/ab12.json.json", false)]
    fn an_image_is_known_by_the_digest_of_its_configuration(
        #[case] config: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(is_config_of(config, "sha256:ab12"), expected);
    }
}
