//! The JSON Schema of the scenario format, for editors.

use super::ScenarioFile;

/// The schema as text, draft 2020-12.
#[must_use]
pub fn text() -> String {
    let schema = schemars::schema_for!(ScenarioFile);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
