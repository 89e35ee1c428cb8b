//! Attempts to create a file, and to remove it again where that worked.

use std::fs::{self, OpenOptions};
use std::path::Path;

use crate::json::{Json, object};
use crate::kernel;

/// `about` is folders, separated by commas.
pub fn writes(about: &str, nonce: &str) -> Json {
    let attempts = about.split(',').filter(|folder| !folder.is_empty()).map(|folder| {
        let path = Path::new(folder).join(format!(".stackproof-{nonce}"));
        let (outcome, removed) =
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) => (kernel::error_name(&error), Json::Null),
                Ok(_) => {
                    let removed = fs::remove_file(&path);
                    let removed = removed.map_or_else(
                        |error| Json::text(kernel::error_name(&error)),
                        |()| Json::text("ok"),
                    );
                    ("created".to_owned(), removed)
                }
            };
        object([
            ("folder", Json::text(folder)),
            ("outcome", Json::text(outcome)),
            ("removed", removed),
        ])
    });
    object([("writes", Json::List(attempts.collect()))])
}
