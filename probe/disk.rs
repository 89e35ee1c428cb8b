//! The size of the file system that holds our own root, and so the engine's images and volumes.

use crate::json::{Json, object};
use crate::kernel;

pub fn disk() -> Result<Json, String> {
    let (size, free) = kernel::size_of_file_system("/")?;
    Ok(object([("size", Json::from(size)), ("free", Json::from(free))]))
}
