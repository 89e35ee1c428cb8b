//! The JSON Schema of the scenario format, from the types themselves.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::file::ScenarioFile;

/// The schema, draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<ScenarioFile>();
    schema.insert("title".to_owned(), json!("stackproof scenario"));
    // What a file may leave out depends on whether there is another to take it over from.
    let whole = json!({"required": ["name", "compose", "claims"]});
    schema.insert("anyOf".to_owned(), json!([{"required": ["extends"]}, whole]));
    schema.to_value()
}

/// The schema as text, with a final line feed.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", schema())
}
