//! The bounds that keep a hostile archive from taking all memory, disk or time.

/// The bounds of one scan. The defaults leave room for any image that a person would ship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files and folders in the archive itself.
    pub archive_entries: u64,
    /// Bytes of the archive as it arrives.
    pub archive_bytes: u64,
    /// Files and folders in one layer.
    pub layer_entries: u64,
    /// Bytes of one layer's tar once it is decompressed.
    pub layer_bytes: u64,
    /// Bytes of all layers once they are decompressed.
    pub total_bytes: u64,
    /// Bytes of one JSON document: a manifest, an index or a configuration.
    pub json_bytes: u64,
    /// JSON documents in the archive. They are kept in memory until the end.
    pub json_documents: usize,
    /// Bytes of a text file that are searched for secrets; what is longer is reported as unread.
    pub text_bytes: u64,
}

/// The longest path that is believed, in bytes; Linux's `PATH_MAX`.
pub(crate) const PATH_BYTES: usize = 4096;

/// The longest extension header of a tar entry, in bytes; the bound of Go's archive/tar, which the
/// engine reads layers with.
pub(crate) const EXTENSION_BYTES: u64 = 1 << 20;

/// The longest file that is parsed as a whole, such as dpkg's status, in bytes.
pub(crate) const PARSED_BYTES: u64 = 32 << 20;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            archive_entries: 200_000,
            archive_bytes: 256 << 30,
            layer_entries: 4_000_000,
            layer_bytes: 64 << 30,
            total_bytes: 256 << 30,
            json_bytes: 4 << 20,
            json_documents: 256,
            text_bytes: 64 << 20,
        }
    }
}
