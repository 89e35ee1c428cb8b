//! The model of a stack with mutants in it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{MUTANT, Mutant};
use crate::compose::isolate::Isolated;
use crate::compose::{Model, NotUnderstood};

/// What is declared once the mutants' changes are in the model. `contexts` are the folders of
/// those that are built from another context.
///
/// # Errors
/// When what comes of it is no model any more.
pub fn declared(
    raw: &Value,
    mutants: &[&Mutant],
    contexts: &BTreeMap<String, String>,
) -> Result<Model, NotUnderstood> {
    let mut raw = raw.clone();
    for mutant in mutants {
        for patch in &mutant.change.model {
            json_patch::merge(&mut raw, patch);
        }
        if let Some(folder) = contexts.get(&mutant.id)
            && let Some(build) = raw.pointer_mut(&format!("/services/{}/build", mutant.service))
        {
            build["context"] = json!(folder);
        }
    }
    Model::of(raw)
}

/// Marks the containers of mutants, and gives them the images that were built for them.
pub fn mark(isolated: &mut Isolated, mutants: &[&Mutant], images: &BTreeMap<String, String>) {
    let Some(services) = isolated.raw.get_mut("services").and_then(Value::as_object_mut) else {
        return;
    };
    for mutant in mutants {
        let Some(service) = services.get_mut(&mutant.service) else { continue };
        let labels = service.get_mut("labels").and_then(Value::as_object_mut);
        if let Some(labels) = labels {
            labels.insert(MUTANT.to_owned(), json!(mutant.id));
        }
        if let Some(image) = images.get(&mutant.id) {
            service["image"] = json!(image);
        }
    }
}

/// The services whose containers have to be made anew when one set of mutants follows another, and
/// the volumes that have to go with them. What ran with a weakness may have left something in a
/// volume that it could write, so that volume and all that mount it are made anew, too.
#[must_use]
pub fn stale(
    raw: &Value,
    before: &BTreeSet<String>,
    now: &BTreeSet<String>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let empty = Map::new();
    let services = raw.get("services").and_then(Value::as_object).unwrap_or(&empty);
    let volumes = |name: &str, writable: bool| -> BTreeSet<String> {
        let list = services.get(name).and_then(|service| service.get("volumes")?.as_array());
        list.into_iter()
            .flatten()
            .filter(|volume| volume.get("type").and_then(Value::as_str) == Some("volume"))
            .filter(|volume| !writable || volume.get("read_only") != Some(&json!(true)))
            .filter_map(|volume| Some(volume.get("source")?.as_str()?.to_owned()))
            .collect()
    };
    let soiled: BTreeSet<String> = before.iter().flat_map(|name| volumes(name, true)).collect();
    let sharing = services.keys().filter(|name| !volumes(name, false).is_disjoint(&soiled));
    let stale = before.iter().chain(now).chain(sharing).cloned().collect();
    (stale, soiled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> Value {
        let volume = |source: &str, read_only: bool| json!({"type": "volume", "source": source, "target": "/d", "read_only": read_only});
        json!({"services": {
            "store": {"volumes": [volume("data", false)]},
            "reader": {"volumes": [volume("data", true)]},
            "apart": {},
        }})
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_volume_that_a_weak_service_could_write_goes_with_all_who_mount_it() {
        let (services, volumes) = stale(&raw(), &set(&["store"]), &set(&["apart"]));
        assert_eq!(services, set(&["apart", "reader", "store"]));
        assert_eq!(volumes, set(&["data"]));
    }

    #[test]
    fn a_weak_service_that_could_only_read_leaves_nothing_behind() {
        let (services, volumes) = stale(&raw(), &set(&["reader"]), &set(&[]));
        assert_eq!(services, set(&["reader"]));
        assert!(volumes.is_empty());
    }
}
