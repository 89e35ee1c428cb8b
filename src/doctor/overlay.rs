//! Changed figures as a Compose file that is merged over those that declare them. Pure.

use serde_json::{Map, Value};

use super::scale::{Change, Figure};
use crate::compose::Model;

/// The keys of a model in which a figure can stand. Compose refuses two that differ, so each that
/// is there is changed.
fn keys(figure: Figure) -> &'static [&'static [&'static str]] {
    match figure {
        Figure::Cpus => &[&["deploy", "resources", "limits", "cpus"], &["cpus"]],
        Figure::ReservedCpus => &[&["deploy", "resources", "reservations", "cpus"]],
        Figure::Memory => &[&["deploy", "resources", "limits", "memory"], &["mem_limit"]],
        Figure::ReservedMemory => {
            &[&["deploy", "resources", "reservations", "memory"], &["mem_reservation"]]
        }
        Figure::MemorySwap => &[&["memswap_limit"]],
    }
}

/// The overlay with these changes. Without any it changes nothing and can be used all the same.
#[must_use]
pub fn overlay(model: &Model, changes: &[Change]) -> String {
    if changes.is_empty() {
        return "services: {}\n".to_owned();
    }
    let mut services = Map::new();
    for change in changes {
        let service = services.entry(change.service.as_str()).or_insert_with(|| Map::new().into());
        for keys in keys(change.figure) {
            let declared = &model.raw["services"][&change.service];
            if keys.iter().try_fold(declared, |value, key| value.get(key)).is_some() {
                set(service, keys, written(change));
            }
        }
    }
    let mut text = String::new();
    let whole = Map::from_iter([("services".to_owned(), Value::Object(services))]);
    write(&whole, 0, &mut text);
    text
}

/// A value as people write it into a Compose file.
fn written(change: &Change) -> String {
    match change.figure {
        Figure::Cpus | Figure::ReservedCpus => change.scaled.to_string(),
        Figure::Memory | Figure::ReservedMemory | Figure::MemorySwap => {
            let mib = change.scaled / 1_048_576.0;
            if mib.fract() == 0.0 { format!("{mib}m") } else { format!("{}b", change.scaled) }
        }
    }
}

fn set(at: &mut Value, keys: &[&str], value: String) {
    match keys {
        [] => *at = Value::String(value),
        [key, rest @ ..] => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            set(&mut at[*key], rest, value);
        }
    }
}

fn write(map: &Map<String, Value>, depth: usize, text: &mut String) {
    for (key, value) in map {
        let (indent, key) = ("  ".repeat(depth), name(key));
        match value {
            Value::Object(inner) => {
                text.push_str(&format!("{indent}{key}:\n"));
                write(inner, depth + 1, text);
            }
            leaf => text.push_str(&format!("{indent}{key}: {leaf}\n")),
        }
    }
}

/// A key that no reader of YAML takes for anything but a text.
fn name(key: &str) -> String {
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let plain = key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !words.contains(&key.to_ascii_lowercase().as_str());
    // What JSON quotes is quoted in YAML, too.
    if plain { key.to_owned() } else { Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::doctor::scale::{Host, changes};

    fn proposed(services: Value) -> String {
        let host = Host { cpus: Some(1), memory: Some(3 << 30) };
        let model = Model::of(json!({ "services": services })).unwrap();
        overlay(&model, &changes(&model, host))
    }

    #[test]
    fn on_one_core_it_changes_what_does_not_fit_and_nothing_else() {
        let resources = |cpus: f64, memory: u64| {
            json!({"deploy": {"resources": {
                "limits": {"cpus": cpus, "memory": memory.to_string(), "pids": 64},
                "reservations": {"cpus": cpus / 2.0, "memory": (memory / 2).to_string()},
            }}, "memswap_limit": memory.to_string()})
        };
        let text = proposed(json!({
            "redis": resources(1.0, 1 << 30),
            "worker": resources(2.0, 4 << 30),
            "bentoml": resources(2.0, 2 << 30),
        }));
        let expected = r#"services:
  bentoml:
    deploy:
      resources:
        limits:
          cpus: "1"
  worker:
    deploy:
      resources:
        limits:
          cpus: "1"
          memory: "1536m"
        reservations:
          memory: "1536m"
    memswap_limit: "1536m"
"#;
        assert_eq!(text, expected);
    }

    #[rstest]
    #[case::the_older_one(json!({"cpus": 2}), "    cpus: \"1\"\n")]
    #[case::both(
        json!({"cpus": 2, "deploy": {"resources": {"limits": {"cpus": 2}}}}),
        "    deploy:\n      resources:\n        limits:\n          cpus: \"1\"\n    cpus: \"1\"\n"
    )]
    fn a_figure_is_changed_in_the_key_that_declares_it(
        #[case] service: Value,
        #[case] expected: &str,
    ) {
        assert_eq!(proposed(json!({ "a": service })), format!("services:\n  a:\n{expected}"));
    }

    #[rstest]
    #[case("web-1.x", "web-1.x")]
    #[case("On", "\"On\"")]
    #[case("null", "\"null\"")]
    #[case("1e3", "\"1e3\"")]
    #[case("a: b", "\"a: b\"")]
    fn a_service_keeps_its_name(#[case] service: &str, #[case] written: &str) {
        let text = proposed(json!({ service: {"cpus": 2} }));
        assert_eq!(text, format!("services:\n  {written}:\n    cpus: \"1\"\n"));
    }

    #[test]
    fn where_all_fits_it_changes_nothing() {
        assert_eq!(proposed(json!({"a": {"cpus": 1}, "b": {}})), "services: {}\n");
    }

    #[test]
    fn swap_that_is_no_whole_mebibyte_is_written_in_bytes() {
        let text =
            proposed(json!({"a": {"mem_limit": "4294967296", "memswap_limit": "4294967297"}}));
        assert!(text.contains("memswap_limit: \"1610612737b\""), "{text}");
    }
}
