//! The bounds that keep a hostile archive from taking all memory, disk or time.
//!
//! What a bound keeps from being read is reported as unread, so that whoever asks gets no answer
//! instead of a wrong one.

use std::time::Duration;

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
    /// Layers of one image. The engine's storage drivers take 128.
    pub layers: usize,
    /// How many times its size a compressed layer may grow once it is longer than
    /// [`inflation_floor`](Self::inflation_floor). Programs and text grow three to ten times.
    pub inflation: u64,
    /// Bytes up to which a compressed layer may grow from anything.
    pub inflation_floor: u64,
    /// Bytes, roughly, of what is kept of one layer.
    pub kept_bytes: u64,
    /// Bytes, roughly, of what is kept of all layers.
    pub total_kept_bytes: u64,
    /// Bytes of one JSON document: a manifest, an index or a configuration.
    pub json_bytes: u64,
    /// Bytes of all JSON documents in the archive. They are kept in memory until the end.
    pub total_json_bytes: u64,
    /// Bytes of a text file that are searched for secrets; what is longer is reported as unread.
    pub text_bytes: u64,
    /// Bytes of one layer that patterns of secrets are tried on. Text that is made of the
    /// beginnings of keys has every pattern tried at every word of it.
    pub tried_bytes: u64,
    /// How long the whole scan may take.
    pub time: Duration,
}

/// The longest path that is believed, in bytes; Linux's `PATH_MAX`.
pub(crate) const PATH_BYTES: usize = 4096;

/// The longest `security.capability` attribute that is kept, in bytes. Linux's third revision of
/// it has 24 (linux/capability.h, `XATTR_CAPS_SZ_3`).
pub(crate) const CAPABILITY_BYTES: usize = 64;

/// How many extension headers may stand before one entry. Writers use up to three: a PAX header,
/// a long name and a long link.
pub(crate) const EXTENSIONS: usize = 64;

/// The longest extension header of a tar entry, in bytes; the bound of Go's archive/tar, which the
/// engine reads layers with.
pub(crate) const EXTENSION_BYTES: u64 = 1 << 20;

/// The longest file that is parsed as a whole, such as dpkg's status, in bytes.
pub(crate) const PARSED_BYTES: u64 = 32 << 20;

/// The longest metadata of a Python distribution that is read, in bytes, but for its list of files.
pub(crate) const METADATA_BYTES: u64 = 4 << 20;

/// How many packages one database may list. All of Debian has fewer.
pub(crate) const PACKAGES: usize = 100_000;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            archive_entries: 200_000,
            archive_bytes: 256 << 30,
            layer_entries: 4_000_000,
            layer_bytes: 64 << 30,
            total_bytes: 256 << 30,
            layers: 512,
            inflation: 256,
            inflation_floor: 1 << 30,
            kept_bytes: 32 << 20,
            total_kept_bytes: 512 << 20,
            json_bytes: 4 << 20,
            total_json_bytes: 64 << 20,
            text_bytes: 64 << 20,
            tried_bytes: 8 << 30,
            time: Duration::from_secs(30 * 60),
        }
    }
}
