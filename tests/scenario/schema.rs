//! The JSON Schema agrees with the reader about the shape of a file.

use std::path::Path;

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::diagnostic::Problems;
use stackproof::scenario::schema;
use stackproof::yaml::{self, Dialect};

fn value(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let mut problems = Problems::default();
    let node = yaml::parse(&text, 0, &Dialect::PLAIN, &mut problems).unwrap();
    yaml::deserialize(&node, &mut problems).unwrap()
}

fn accepts(value: &Value) -> bool {
    jsonschema::validator_for(&schema::schema()).unwrap().is_valid(value)
}

#[rstest]
#[case("tests/fixtures/scenario/whole.yaml")]
#[case("tests/fixtures/scenario/twin/weak.yaml")]
#[case("tests/fixtures/scenario/twin/weaker.yaml")]
#[case("scenarios/invalid/base/whole.yaml")]
#[case("scenarios/e2i-stress.yaml")]
fn whole_files_are_accepted(#[case] path: &str) {
    let value = value(Path::new(path));
    let schema = schema::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
}

/// Mistakes of the shape of a file. Those of what it means, such as an unknown service, a schema
/// cannot see.
#[rstest]
#[case("empty")]
#[case("many-problems")]
#[case("missing-key")]
#[case("unknown-check")]
#[case("unknown-key")]
#[case("wrong-amount")]
#[case("wrong-type")]
#[case("yaml-bomb")]
fn mistakes_of_shape_are_refused(#[case] mistake: &str) {
    let path = format!("scenarios/invalid/{mistake}.yaml");
    if mistake == "yaml-bomb" {
        // The reader refuses it before there is a value.
        return assert!(!accepts(&json!({"name": "x", "a": []})));
    }
    assert!(!accepts(&value(Path::new(&path))), "{mistake}");
}

#[test]
fn what_a_file_may_leave_out_depends_on_extends() {
    let claims = json!([{"id": "a", "text": "t", "severity": "low", "source": "s"}]);
    assert!(accepts(&json!({"extends": "x.yaml"})));
    assert!(accepts(&json!({"name": "x", "compose": ["y"], "claims": claims})));
    assert!(!accepts(&json!({"name": "x", "compose": ["y"]})));
    assert!(!accepts(&json!({})));
}

#[test]
fn no_object_takes_other_keys() {
    fn open(schema: &Value, path: &str, found: &mut Vec<String>) {
        match schema {
            Value::Object(object) => {
                let is_mapping = object.contains_key("properties");
                if is_mapping && object.get("additionalProperties") != Some(&json!(false)) {
                    found.push(path.to_owned());
                }
                for (key, value) in object {
                    open(value, &format!("{path}/{key}"), found);
                }
            }
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    open(item, &format!("{path}/{place}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    open(&schema::schema(), "", &mut found);
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_schema_says_which_draft_it_is() {
    let text = schema::text();
    assert!(text.ends_with("}\n"));
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "stackproof scenario");
    assert!(schema["properties"]["extends"]["description"].is_string());
    assert!(schema["properties"].get("stated").is_none());
}
