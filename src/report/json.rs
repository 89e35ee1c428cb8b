//! The records as JSON: complete, unabridged and readable again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{Record, SCHEMA};

/// The version of the envelope around several records.
pub const RECORDS_SCHEMA: &str = "stackproof.records/1";

/// Several records in one file.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<R> {
    schema: String,
    records: R,
}

/// A file of records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The text is not JSON, or not a record.
    #[error("not a record: {0}")]
    Json(#[from] serde_json::Error),
    /// It is something else, or from another version of stackproof.
    #[error("schema {found} is not known; this stackproof reads {SCHEMA} and {RECORDS_SCHEMA}")]
    Schema {
        /// What the file says of itself, as JSON.
        found: Value,
    },
}

/// One record as the object itself; several, or none, as
/// `{"schema": "stackproof.records/1", "records": [...]}`. Pretty, with a newline at the end.
///
/// # Errors
/// When the serializer fails; writing to memory, it does not.
pub fn json(records: &[Record]) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = match records {
        [record] => serde_json::to_vec_pretty(record)?,
        records => {
            serde_json::to_vec_pretty(&Envelope { schema: RECORDS_SCHEMA.to_owned(), records })?
        }
    };
    text.push(b'\n');
    Ok(text)
}

/// The records of a file that [`json`] wrote.
///
/// # Errors
/// When the text is not JSON, says another schema, or does not fit the schema it says.
pub fn read(text: &[u8]) -> Result<Vec<Record>, ReadError> {
    let value: Value = serde_json::from_slice(text)?;
    let found = value.get("schema").cloned().unwrap_or_default();
    let records = match found.as_str() {
        Some(SCHEMA) => vec![serde_json::from_value(value)?],
        Some(RECORDS_SCHEMA) => serde_json::from_value::<Envelope<Vec<Record>>>(value)?.records,
        Some(_) | None => return Err(ReadError::Schema { found }),
    };
    // A record in an envelope says its own version, too.
    match records.iter().find(|record| record.schema != SCHEMA) {
        Some(other) => Err(ReadError::Schema { found: other.schema.clone().into() }),
        None => Ok(records),
    }
}
