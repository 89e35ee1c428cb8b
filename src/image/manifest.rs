//! Which images an archive holds, and which of its files are their layers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::image::error::ImageError;

/// The file of the docker-archive format.
pub(crate) const DOCKER: &str = "manifest.json";
/// The file of the OCI layout.
pub(crate) const OCI: &str = "index.json";
/// How deep an index may hold an index.
const MAX_DEPTH: usize = 4;
/// How many entries of indexes are followed: an index can name another one as often as it likes.
const MAX_FOLLOWED: usize = 1_000;
/// How many images one archive may hold.
const MAX_IMAGES: usize = 1_000;
/// The longest name of an image, in characters: a registry's host name has up to 255, a repository
/// 255 and a tag 128 (distribution/reference).
const MAX_NAME: usize = 640;

/// An image by the names of its files in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The names the image goes by.
    pub(crate) references: Vec<String>,
    /// The path of the configuration.
    pub(crate) config: String,
    /// The paths of the layers, the lowest first.
    pub(crate) layers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct OciDocument {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    fn path(&self, place: &str) -> Result<String, ImageError> {
        let malformed = || ImageError::Malformed {
            place: place.to_owned(),
            problem: "a digest is not of the form sha256:<hex>".to_owned(),
        };
        let hex = self.digest.strip_prefix("sha256:").ok_or_else(malformed)?;
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        Ok(format!("blobs/sha256/{hex}"))
    }

    fn annotation(&self, key: &str) -> Option<&String> {
        self.annotations.as_ref()?.get(key)
    }

    /// Attestations and signatures travel beside images and are none.
    fn is_attestation(&self) -> bool {
        self.annotation("vnd.docker.reference.type").is_some()
    }
}

/// The images that the archive's JSON documents describe. Engines write `manifest.json` even
/// beside an OCI layout, so it comes first; a plain OCI layout has `index.json` only.
pub(crate) fn images(documents: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Parts>, ImageError> {
    if let Some(text) = documents.get(DOCKER) {
        let manifests: Vec<DockerManifest> = parse(DOCKER, text)?;
        if manifests.len() > MAX_IMAGES {
            return Err(too_many(DOCKER, MAX_IMAGES, "images"));
        }
        return manifests.into_iter().map(of_docker).collect();
    }
    let Some(text) = documents.get(OCI) else {
        return Err(ImageError::Malformed {
            place: "the archive".to_owned(),
            problem: format!("it holds neither {DOCKER} nor {OCI}"),
        });
    };
    let mut walk = Walk { documents, followed: 0, found: Vec::new() };
    walk.document(OCI, &parse(OCI, text)?, &[], 0)?;
    Ok(walk.found)
}

fn too_many(place: &str, limit: usize, unit: &'static str) -> ImageError {
    ImageError::TooLarge { place: place.to_owned(), limit: limit as u64, unit }
}

/// Parses a JSON document of the archive.
pub(crate) fn parse<T: DeserializeOwned>(place: &str, text: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(text).map_err(|error| ImageError::Malformed {
        place: place.to_owned(),
        problem: error.to_string(),
    })
}

fn of_docker(manifest: DockerManifest) -> Result<Parts, ImageError> {
    let normalised = |path: &String| {
        crate::image::path::normalise(path.as_bytes()).map_err(|problem| problem.at(DOCKER))
    };
    Ok(Parts {
        references: manifest.repo_tags.into_iter().flatten().filter(|one| is_name(one)).collect(),
        config: normalised(&manifest.config)?,
        layers: manifest.layers.iter().flatten().map(normalised).collect::<Result<_, _>>()?,
    })
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
}

/// A walk through the indexes of an OCI layout.
struct Walk<'a> {
    documents: &'a BTreeMap<String, Vec<u8>>,
    followed: usize,
    found: Vec<Parts>,
}

impl Walk<'_> {
    fn document(
        &mut self,
        place: &str,
        document: &OciDocument,
        references: &[String],
        depth: usize,
    ) -> Result<(), ImageError> {
        if depth > MAX_DEPTH {
            return Err(too_many(place, MAX_DEPTH, "indexes inside one another"));
        }
        if let Some(config) = &document.config {
            if self.found.len() == MAX_IMAGES {
                return Err(too_many(place, MAX_IMAGES, "images"));
            }
            let paths = document.layers.iter().map(|layer| layer.path(place));
            self.found.push(Parts {
                references: references.to_vec(),
                config: config.path(place)?,
                layers: paths.collect::<Result<_, _>>()?,
            });
            return Ok(());
        }
        let mut absent = None;
        let before = self.found.len();
        for descriptor in document.manifests.iter().filter(|one| !one.is_attestation()) {
            let path = descriptor.path(place)?;
            let Some(text) = self.documents.get(&path) else {
                // An index of several platforms names images that the engine never fetched.
                absent = Some(format!("{path} ({})", descriptor.media_type));
                continue;
            };
            self.followed += 1;
            if self.followed > MAX_FOLLOWED {
                return Err(too_many(place, MAX_FOLLOWED, "entries of indexes"));
            }
            let mut names = references.to_vec();
            names.extend(
                ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
                    .iter()
                    .find_map(|key| descriptor.annotation(key))
                    .filter(|name| is_name(name))
                    .cloned(),
            );
            self.document(&path, &parse(&path, text)?, &names, depth + 1)?;
        }
        match absent {
            Some(missing) if self.found.len() == before => {
                Err(ImageError::Missing { place: place.to_owned(), missing })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn digest(at: usize) -> String {
        format!("sha256:{at:064x}")
    }

    /// An OCI layout whose blobs are these, the index naming the first.
    fn layout(blobs: &[Value]) -> BTreeMap<String, Vec<u8>> {
        let blobs = blobs.iter().enumerate();
        let blobs =
            blobs.map(|(at, blob)| (format!("blobs/sha256/{at:064x}"), blob.to_string().into()));
        let index = json!({"manifests": [{"digest": digest(0)}]}).to_string();
        blobs.chain([(OCI.to_owned(), index.into())]).collect()
    }

    fn image() -> Value {
        json!({"config": {"digest": digest(99)}, "layers": []})
    }

    #[test]
    fn an_image_in_an_index_is_found() {
        let index = json!({"manifests": [{"digest": digest(1)}, {"digest": digest(55)}]});
        let found = images(&layout(&[index, image()])).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].config, format!("blobs/sha256/{:064x}", 99));
    }

    #[test]
    fn an_index_that_holds_itself_is_given_up() {
        let index = json!({"manifests": [{"digest": digest(0)}]});
        let error = images(&layout(&[index])).unwrap_err().to_string();
        assert!(error.ends_with("more than 4 indexes inside one another"), "{error}");
    }

    #[test]
    fn indexes_that_name_one_another_a_hundred_times_are_given_up() {
        let wide = |at: usize| json!({"manifests": vec![json!({"digest": digest(at)}); 100]});
        let last = json!({"manifests": []});
        let error = images(&layout(&[wide(1), wide(2), wide(3), last])).unwrap_err().to_string();
        assert!(error.ends_with("more than 1000 entries of indexes"), "{error}");
    }

    #[test]
    fn a_name_that_no_registry_takes_is_left_out() {
        let manifest = json!([
            {"Config": "a.json", "RepoTags": ["a:b", "x".repeat(MAX_NAME + 1)], "Layers": []}
        ]);
        let documents = [(DOCKER.to_owned(), manifest.to_string().into_bytes())];
        assert_eq!(images(&documents.into()).unwrap()[0].references, ["a:b"]);
    }
}
