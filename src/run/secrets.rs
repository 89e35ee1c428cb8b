//! What must not be written anywhere: the secrets that the model and the containers hold.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::compose::Model;
use crate::engine::container::Container;
use crate::redact::credential;

/// The largest file that is taken for a secret, in bytes. A bundle of certificates is no secret,
/// and a larger one is not printed by accident.
const MAX_FILE: u64 = 4 << 10;

/// The secrets that the model holds: values of variables and build arguments whose names say so,
/// passwords in addresses, and the contents of what `secrets` names.
pub(super) fn of_model(model: &Model) -> Vec<String> {
    let environments = model.services.values().flat_map(|service| &service.environment);
    let mut secrets: Vec<String> = environments
        .filter_map(|(name, value)| credential(name, value))
        .map(str::to_owned)
        .collect();
    for service in members(&model.raw, "services") {
        let arguments = service.pointer("/build/args").and_then(Value::as_object);
        secrets.extend(
            arguments
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some(credential(name, value.as_str()?)?.to_owned())),
        );
    }
    for secret in members(&model.raw, "secrets") {
        let text = |key: &str| secret.get(key).and_then(Value::as_str);
        secrets.extend(text("environment").and_then(|name| std::env::var(name).ok()));
        secrets.extend(text("file").and_then(|path| small_text(Path::new(path))));
    }
    secrets.retain(|secret| !secret.trim().is_empty());
    secrets
}

/// The secrets in the environments that containers were given, also by their images.
pub(super) fn of_containers<'c>(
    containers: impl IntoIterator<Item = &'c Container>,
) -> Vec<String> {
    containers
        .into_iter()
        .flat_map(|container| container.config.env.iter().flatten())
        .filter_map(|variable| variable.split_once('='))
        .filter_map(|(name, value)| credential(name, value))
        .map(str::to_owned)
        .collect()
}

fn members<'m>(raw: &'m Value, key: &str) -> impl Iterator<Item = &'m Value> {
    raw.get(key).and_then(Value::as_object).into_iter().flatten().map(|(_, member)| member)
}

/// The text of a small file. One that cannot be read here cannot be printed by us either.
fn small_text(path: &Path) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return None;
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_of_a_model_are_found_wherever_it_holds_them() {
        let folder = tempfile::tempdir().unwrap();
        let (small, large) = (folder.path().join("small"), folder.path().join("large"));
        std::fs::write(&small, "from-a-file\n").unwrap();
        std::fs::write(&large, "x".repeat(5000)).unwrap();
        let raw = json!({
            "services": {"api": {
                "environment": {"DB_PASSWORD": "by-name", "BROKER": "redis://u:in-a-url@h/0", "LANG": "C"},
                "build": {"context": "/x", "args": {"NPM_TOKEN": "by-argument", "VERSION": "1.2.3"}},
            }},
            "secrets": {
                "b": {"file": small}, "c": {"file": large},
                "d": {"file": "/nonexistent"}, "e": {"external": true},
            },
        });
        let mut found = of_model(&Model::of(raw).unwrap());
        found.sort();
        assert_eq!(found, ["by-argument", "by-name", "from-a-file\n", "in-a-url"]);
    }

    #[test]
    fn secrets_of_a_container_are_those_of_its_environment() {
        let container: Container = serde_json::from_value(json!({
            "Id": "c", "State": {}, "HostConfig": {},
            "Config": {"Env": ["API_KEY=k-123", "PATH=/bin", "URL=http://u:p-456@h/", "X"]},
        }))
        .unwrap();
        assert_eq!(of_containers([&container]), ["k-123", "p-456"]);
    }
}
