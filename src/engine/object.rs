//! Networks and volumes, and everything of one run or project at once.

use std::collections::HashMap;

use bollard::query_parameters::{
    ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use serde::Serialize;

use super::{Engine, EngineError, Kind};

/// A network of the engine.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkInfo {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// `bridge`, `host`, `overlay` and so on.
    pub driver: String,
    /// Whether it is without a route to the outside.
    pub internal: bool,
    /// The host's addresses in it.
    pub gateways: Vec<String>,
    /// The labels.
    pub labels: HashMap<String, String>,
}

/// Something in the engine that can be left behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A container: id and name.
    Container(String, String),
    /// A network: id and name.
    Network(String, String),
    /// A volume, by name.
    Volume(String),
    /// An image: the reference to remove it by.
    Image(String),
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Object::Container(_, name) => write!(f, "container {name}"),
            Object::Network(_, name) => write!(f, "network {name}"),
            Object::Volume(name) => write!(f, "volume {name}"),
            Object::Image(reference) => write!(f, "image {reference}"),
        }
    }
}

impl Engine {
    /// The networks with a label, or all without one.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn networks(&self, label: Option<&str>) -> Result<Vec<NetworkInfo>, EngineError> {
        let filters = filter(label);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let list = self.docker.list_networks(Some(options)).await.map_err(|error| {
            EngineError::of("list networks with", label.unwrap_or("any label"), &error)
        })?;
        Ok(list
            .into_iter()
            .filter_map(|network| {
                let ipam = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
                Some(NetworkInfo {
                    id: network.id?,
                    name: network.name.unwrap_or_default(),
                    driver: network.driver.unwrap_or_default(),
                    internal: network.internal.unwrap_or_default(),
                    gateways: ipam.into_iter().filter_map(|config| config.gateway).collect(),
                    labels: network.labels.unwrap_or_default(),
                })
            })
            .collect())
    }

    /// Everything that carries `label` (`key` or `key=value`), with the value of `key`.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn labelled(
        &self,
        key: &str,
        value: Option<&str>,
    ) -> Result<Vec<(Object, String)>, EngineError> {
        let label = value.map_or_else(|| key.to_owned(), |value| format!("{key}={value}"));
        let volumes = async {
            let filters = filter(Some(&label));
            let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
            self.docker
                .list_volumes(Some(options))
                .await
                .map_err(|error| EngineError::of("list volumes with", &*label, &error))
        };
        let names = [label.clone()];
        let (containers, networks, volumes, images) = tokio::try_join!(
            self.containers(&names),
            self.networks(Some(&label)),
            volumes,
            self.images_with_label(&label),
        )?;
        let owner = |labels: &HashMap<String, String>| labels.get(key).cloned().unwrap_or_default();
        let mut objects = Vec::new();
        for container in containers {
            let owner = owner(&container.labels);
            objects.push((Object::Container(container.id, container.name), owner));
        }
        for network in networks {
            let owner = owner(&network.labels);
            objects.push((Object::Network(network.id, network.name), owner));
        }
        for volume in volumes.volumes.unwrap_or_default() {
            let owner = owner(&volume.labels);
            objects.push((Object::Volume(volume.name), owner));
        }
        for (id, tags, labels) in images {
            let owner = owner(&labels);
            // An image whose tag was given to another since is listed under this name.
            let tags: Vec<String> =
                tags.into_iter().filter(|tag| !tag.contains("<none>")).collect();
            if tags.is_empty() {
                objects.push((Object::Image(id), owner));
            } else {
                objects.extend(tags.into_iter().map(|tag| (Object::Image(tag), owner.clone())));
            }
        }
        Ok(objects)
    }

    /// Removes one object of our own. One that is gone already is removed.
    ///
    /// # Errors
    /// When the engine refuses, for example because something still uses the object.
    pub async fn remove(&self, object: &Object) -> Result<(), EngineError> {
        let result = match object {
            Object::Container(id, _) => return self.remove_container(id).await,
            Object::Image(reference) => return self.remove_image(reference).await,
            Object::Network(id, _) => self.docker.remove_network(id).await,
            Object::Volume(name) => {
                let options = RemoveVolumeOptionsBuilder::new().force(true).build();
                self.docker.remove_volume(name, Some(options)).await
            }
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = EngineError::of("remove", object.to_string(), &error);
                if error.kind == Kind::NotFound { Ok(()) } else { Err(error) }
            }
        }
    }
}

fn filter(label: Option<&str>) -> HashMap<String, Vec<String>> {
    label
        .map(|label| HashMap::from([("label".to_owned(), vec![label.to_owned()])]))
        .unwrap_or_default()
}
