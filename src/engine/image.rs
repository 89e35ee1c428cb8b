//! Images: importing our own, reading what the engine says of others, exporting their layers.

use std::collections::HashMap;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::{Engine, EngineError, Kind};

/// What the engine says of an image.
#[derive(Debug, Clone)]
pub struct ImageInfo {
    /// The content-addressed id, `sha256:…`.
    pub id: String,
    /// The tags.
    pub tags: Vec<String>,
    /// The size that the engine reports, in bytes. Engines with the classic image store report
    /// the sum of the uncompressed layers; the containerd store reports otherwise.
    pub size: u64,
    /// The digests of the uncompressed layers, lowest first.
    pub layers: Vec<String>,
    /// The image's configuration.
    pub config: Value,
}

impl Engine {
    /// What the engine says of an image.
    ///
    /// # Errors
    /// When there is no such image.
    pub async fn image(&self, reference: &str) -> Result<ImageInfo, EngineError> {
        let image = self
            .docker
            .inspect_image(reference)
            .await
            .map_err(|error| EngineError::of("inspect image", reference, &error))?;
        let unknown = |what: &str| {
            EngineError::other("inspect image", reference, format!("the engine gives no {what}"))
        };
        Ok(ImageInfo {
            id: image.id.ok_or_else(|| unknown("id"))?,
            tags: image.repo_tags.unwrap_or_default(),
            size: image
                .size
                .and_then(|size| u64::try_from(size).ok())
                .ok_or_else(|| unknown("size"))?,
            layers: image.root_fs.and_then(|root| root.layers).ok_or_else(|| unknown("layers"))?,
            config: serde_json::to_value(image.config).unwrap_or(Value::Null),
        })
    }

    /// How an image was made, the first step first, in the form of an image's configuration.
    ///
    /// # Errors
    /// When there is no such image.
    pub async fn image_history(&self, reference: &str) -> Result<Vec<Value>, EngineError> {
        let steps = self
            .docker
            .image_history(reference)
            .await
            .map_err(|error| EngineError::of("read the history of image", reference, &error))?;
        // The engine lists the last step first.
        let steps = steps.into_iter().rev().map(|step| {
            json!({"created_by": step.created_by, "comment": step.comment, "empty_layer": step.size == 0})
        });
        Ok(steps.collect())
    }

    /// The ids and tags of the images with a label (`key` or `key=value`).
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn images_with_label(
        &self,
        label: &str,
    ) -> Result<Vec<(String, Vec<String>, HashMap<String, String>)>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let list = self
            .docker
            .list_images(Some(options))
            .await
            .map_err(|error| EngineError::of("list images with", label, &error))?;
        Ok(list.into_iter().map(|image| (image.id, image.repo_tags, image.labels)).collect())
    }

    /// Makes a one-layer image of a tar archive. `changes` are Dockerfile instructions such as
    /// `LABEL a=b`.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn import_image(
        &self,
        archive: Vec<u8>,
        repository: &str,
        tag: &str,
        changes: Vec<String>,
    ) -> Result<(), EngineError> {
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repository)
            .tag(tag)
            .changes(changes)
            .build();
        let body = bollard::body_full(Bytes::from(archive));
        self.docker
            .create_image(Some(options), Some(body), None)
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(|error| EngineError::of("import image", format!("{repository}:{tag}"), &error))
    }

    /// Removes an image of our own, by tag or id. One that is gone already is removed.
    ///
    /// # Errors
    /// When the engine refuses, for example because a container uses it.
    pub async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::new().force(true).build();
        match self.docker.remove_image(reference, Some(options), None).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = EngineError::of("remove image", reference, &error);
                if error.kind == Kind::NotFound { Ok(()) } else { Err(error) }
            }
        }
    }

    /// The archive of several images in one stream; a layer that they share comes once.
    pub fn export_images(
        &self,
        references: &[&str],
    ) -> impl Stream<Item = Result<Bytes, EngineError>> + use<> {
        let object = references.join(", ");
        self.docker
            .export_images(references)
            .map(move |chunk| chunk.map_err(|error| EngineError::of("export", &*object, &error)))
    }
}
