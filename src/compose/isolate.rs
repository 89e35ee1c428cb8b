//! Keeping one run apart from every other and from the user's own projects: a pure change of
//! the resolved model, with a sentence for each change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::run_id::{LABEL, RunId};

/// The model of one run.
#[derive(Debug, Clone)]
pub struct Isolated {
    /// What is given to the Compose tool.
    pub raw: Value,
    /// What was changed, a sentence each.
    pub changes: Vec<String>,
    /// The references of the images that this run builds: as declared, and as tagged for the run.
    pub images: BTreeMap<String, String>,
    /// The fixed container names that were taken away, with their service.
    pub container_names: BTreeMap<String, String>,
}

/// The project name of a run: the scenario's name and the run's id, so that a person sees in any
/// listing what it belongs to.
#[must_use]
pub fn project_name(scenario: &str, run: &RunId) -> String {
    format!("stackproof-{scenario}-{run}")
}

/// The tag of the images that a run builds for its stack.
#[must_use]
pub fn stack_tag(run: &RunId) -> String {
    run.to_string()
}

/// The tag of the images that a run builds to compare others with. A stack and its baseline may
/// name their images alike, and one must not be built over the other.
#[must_use]
pub fn baseline_tag(run: &RunId) -> String {
    format!("{run}-baseline")
}

/// Changes `raw`, resolved under the project name `project`, for `run`. The images that it builds
/// get `tag`.
#[must_use]
pub fn isolate(raw: &Value, project: &str, run: &RunId, tag: &str) -> Isolated {
    let mut isolated = Isolated {
        raw: raw.clone(),
        changes: Vec::new(),
        images: built_images(raw, tag),
        container_names: BTreeMap::new(),
    };
    isolated.raw["name"] = json!(project);
    let static_addresses = networks_with_static_addresses(raw);
    let Isolated { raw, changes, images, container_names } = &mut isolated;
    for (name, service) in members(raw, "services") {
        isolate_service(name, service, run, changes, images, container_names);
    }
    for (name, network) in members(raw, "networks") {
        isolate_resource("network", name, network, project, run, changes);
        if static_addresses.contains(name) {
            continue;
        }
        if network.remove("ipam").is_some_and(|ipam| ipam.get("config").is_some()) {
            changes.push(format!("network {name}: the engine chooses the subnet"));
        }
    }
    for (name, volume) in members(raw, "volumes") {
        isolate_resource("volume", name, volume, project, run, changes);
    }
    isolated
}

fn isolate_service(
    name: &str,
    service: &mut Map<String, Value>,
    run: &RunId,
    changes: &mut Vec<String>,
    images: &BTreeMap<String, String>,
    container_names: &mut BTreeMap<String, String>,
) {
    // The profiles were applied when the model was resolved.
    service.remove("profiles");
    label(service, run);
    if let Some(Value::String(fixed)) = service.remove("container_name") {
        keep_as_alias(service, &fixed);
        changes.push(format!("service {name}: the fixed container name {fixed} became an alias"));
        container_names.insert(fixed, name.to_owned());
    }
    let declared = service.get("image").and_then(Value::as_str).map(str::to_owned);
    if let Some((declared, tagged)) = declared.and_then(|image| images.get_key_value(&image)) {
        changes.push(format!("service {name}: image {declared} is tagged {tagged}"));
        service.insert("image".to_owned(), json!(tagged));
    }
    if let Some(build) = service.get_mut("build").and_then(Value::as_object_mut) {
        label(build, run);
        if build.remove("tags").is_some() {
            changes.push(format!("service {name}: no further tags are put on its image"));
        }
    }
    for port in service.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            publish_on_loopback(name, port, changes);
        }
    }
}

fn publish_on_loopback(service: &str, port: &mut Map<String, Value>, changes: &mut Vec<String>) {
    let published = port.remove("published");
    port.insert("host_ip".to_owned(), json!("127.0.0.1"));
    let target = port.get("target").cloned().unwrap_or_default();
    let was = published.as_ref().and_then(Value::as_str).unwrap_or("any");
    changes.push(format!(
        "service {service}: port {target} is published on a free loopback port instead of {was}"
    ));
}

/// Other services may have reached the service by its fixed name, so the name stays as an alias
/// in each of its networks.
fn keep_as_alias(service: &mut Map<String, Value>, fixed: &str) {
    let Some(networks) = service.get_mut("networks").and_then(Value::as_object_mut) else { return };
    for (_, network) in networks.iter_mut() {
        if network.is_null() {
            *network = json!({});
        }
        if let Some(network) = network.as_object_mut() {
            let aliases = network.entry("aliases").or_insert_with(|| json!([]));
            if let Some(aliases) = aliases.as_array_mut() {
                aliases.push(json!(fixed));
            }
        }
    }
}

fn isolate_resource(
    kind: &str,
    name: &str,
    resource: &mut Map<String, Value>,
    project: &str,
    run: &RunId,
    changes: &mut Vec<String>,
) {
    if resource.get("external").and_then(Value::as_bool) == Some(true) {
        changes.push(format!("{kind} {name} is external and shared with whatever else uses it"));
        return;
    }
    label(resource, run);
    let own = format!("{project}_{name}");
    let fixed = resource.insert("name".to_owned(), json!(own));
    if let Some(Value::String(fixed)) = fixed
        && fixed != own
    {
        changes.push(format!("{kind} {name}: the fixed name {fixed} became {own}"));
    }
}

fn label(object: &mut Map<String, Value>, run: &RunId) {
    let labels = object.entry("labels").or_insert_with(|| json!({}));
    match labels {
        Value::Object(map) => {
            map.insert(LABEL.to_owned(), json!(run.as_str()));
        }
        Value::Array(list) => list.push(json!(format!("{LABEL}={run}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            *labels = json!({ LABEL: run.as_str() });
        }
    }
}

/// Each image that some service builds, with its tag for this run. A service that runs an image
/// which another builds must get the same one.
fn built_images(raw: &Value, tag: &str) -> BTreeMap<String, String> {
    let Some(services) = raw.get("services").and_then(Value::as_object) else {
        return BTreeMap::new();
    };
    services
        .values()
        .filter(|service| service.get("build").is_some_and(Value::is_object))
        .filter_map(|service| service.get("image")?.as_str())
        .map(|image| (image.to_owned(), format!("{}:{tag}", without_tag(image))))
        .collect()
}

/// The repository of an image reference. A colon before the last slash belongs to a registry's
/// port.
fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    image[name..].find(':').map_or(image, |colon| &image[..name + colon])
}

fn networks_with_static_addresses(raw: &Value) -> BTreeSet<String> {
    let services = raw.get("services").and_then(Value::as_object);
    services
        .into_iter()
        .flat_map(Map::values)
        .filter_map(|service| service.get("networks")?.as_object())
        .flatten()
        .filter(|(_, network)| {
            network.get("ipv4_address").is_some() || network.get("ipv6_address").is_some()
        })
        .map(|(name, _)| name.clone())
        .collect()
}

fn members<'a>(
    raw: &'a mut Value,
    key: &str,
) -> impl Iterator<Item = (&'a String, &'a mut Map<String, Value>)> {
    raw.get_mut(key).and_then(Value::as_object_mut).into_iter().flatten().filter_map(
        |(name, value)| {
            if value.is_null() {
                *value = json!({});
            }
            value.as_object_mut().map(|map| (name, map))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn run() -> RunId {
        RunId::parse("abcdefghij").unwrap()
    }

    fn isolated(raw: &Value) -> Isolated {
        isolate(raw, "stackproof-x-abcdefghij", &run(), &stack_tag(&run()))
    }

    #[rstest]
    #[case("otis-api", "otis-api")]
    #[case("otis-api:1.2", "otis-api")]
    #[case("localhost:5000/otis-api", "localhost:5000/otis-api")]
    #[case("localhost:5000/otis-api:1.2", "localhost:5000/otis-api")]
    #[case("otis-api@sha256:00", "otis-api")]
    fn a_reference_loses_its_tag_and_digest_only(#[case] image: &str, #[case] repository: &str) {
        assert_eq!(without_tag(image), repository);
    }

    #[test]
    fn a_fixed_container_name_becomes_an_alias_in_each_network() {
        let raw = json!({"services": {"api": {
            "container_name": "otis-api", "networks": {"front": null, "back": {"aliases": ["x"]}},
        }}});
        let isolated = isolated(&raw);
        let api = &isolated.raw["services"]["api"];
        assert_eq!(api.get("container_name"), None);
        assert_eq!(api["networks"]["front"]["aliases"], json!(["otis-api"]));
        assert_eq!(api["networks"]["back"]["aliases"], json!(["x", "otis-api"]));
        assert_eq!(isolated.container_names["otis-api"], "api");
    }

    #[test]
    fn a_published_port_moves_to_a_free_loopback_port() {
        let raw = json!({"services": {"api": {"ports": [{"target": 8000, "published": "8000"}]}}});
        let isolated = isolated(&raw);
        assert_eq!(
            isolated.raw["services"]["api"]["ports"],
            json!([{"target": 8000, "host_ip": "127.0.0.1"}])
        );
        assert_eq!(isolated.changes.len(), 1);
    }

    #[test]
    fn a_built_image_is_tagged_for_the_run_wherever_it_is_used() {
        let raw = json!({"services": {
            "api": {"image": "app:1", "build": {"context": "/x"}},
            "worker": {"image": "app:1"},
            "redis": {"image": "redis:7"},
        }});
        let services = &isolated(&raw).raw["services"];
        assert_eq!(services["api"]["image"], "app:abcdefghij");
        assert_eq!(services["worker"]["image"], "app:abcdefghij");
        assert_eq!(services["redis"]["image"], "redis:7");
        assert_eq!(services["api"]["build"]["labels"][LABEL], "abcdefghij");
    }

    #[test]
    fn a_stack_and_its_baseline_have_images_of_their_own_under_the_same_name() {
        let raw = json!({"services": {"api": {"image": "app", "build": {"context": "/x"}}}});
        let image = |tag: &str| {
            let isolated = isolate(&raw, "p", &run(), tag);
            isolated.raw["services"]["api"]["image"].clone()
        };
        assert_ne!(image(&stack_tag(&run())), image(&baseline_tag(&run())));
    }

    #[test]
    fn networks_and_volumes_get_the_label_and_lose_fixed_names_and_subnets() {
        let raw = json!({"services": {}, "networks": {
            "n": {"name": "fixed", "ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}, "plain": null,
        }, "volumes": {"v": {"name": "fixed-v"}}});
        let isolated = isolated(&raw);
        let network = &isolated.raw["networks"]["n"];
        assert_eq!(network["name"], "stackproof-x-abcdefghij_n");
        assert_eq!(network.get("ipam"), None);
        assert_eq!(isolated.raw["networks"]["plain"]["labels"][LABEL], "abcdefghij");
        assert_eq!(isolated.raw["volumes"]["v"]["name"], "stackproof-x-abcdefghij_v");
        assert_eq!(isolated.changes.len(), 3);
    }

    #[test]
    fn an_external_network_is_left_alone_and_disclosed() {
        let raw = json!({"services": {}, "networks": {"n": {"name": "shared", "external": true}}});
        let isolated = isolated(&raw);
        assert_eq!(isolated.raw["networks"], raw["networks"]);
        assert_eq!(isolated.changes.len(), 1);
    }

    #[test]
    fn a_subnet_stays_where_a_service_has_a_fixed_address_in_it() {
        let raw = json!({"services": {"a": {"networks": {"n": {"ipv4_address": "10.9.0.5"}}}},
            "networks": {"n": {"ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}}});
        assert_eq!(isolated(&raw).raw["networks"]["n"]["ipam"], raw["networks"]["n"]["ipam"]);
    }
}
