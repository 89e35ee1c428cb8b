//! What one layer holds, as far as any check asks: the layer's facts.
//!
//! Facts depend on the layer's bytes and on the version of the scanner only, so they can be kept
//! by the layer's digest. They hold what was found and not what was looked at, and stay small.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::image::Layer;
use crate::image::distribution::Distribution;
use crate::image::packages::PackageDatabase;
use crate::image::secrets::SecretHit;
use crate::image::tools::ToolHit;

mod progress;
pub(crate) mod scanner;
pub(crate) mod window;

/// The facts of one layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerFacts {
    /// The digest of the uncompressed tar, `sha256:<hex>`.
    pub diff_id: String,
    /// The length of the uncompressed tar, in bytes.
    pub tar_bytes: u64,
    /// The regular files, in bytes; a file with several names counts once. This is what the engine
    /// adds up, but for [`link_bytes`](Self::link_bytes).
    pub file_bytes: u64,
    /// The targets of the symbolic links, in bytes. Some storage drivers count them.
    pub link_bytes: u64,
    /// Entries of the tar.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Tools, but for those that only a package database names.
    pub tools: Hits<ToolHit>,
    /// The package databases in this layer. They are whole: a later layer's replaces it.
    pub packages: Vec<PackageDatabase>,
    /// What Debian itself put below `dist-packages`, as its file lists say.
    pub debian_python: BTreeSet<String>,
    /// Metadata of Python distributions, by path.
    pub dists: Vec<Distribution>,
    /// The names of files and folders in each folder on Python's path that this layer holds
    /// anything of.
    pub sites: BTreeMap<String, BTreeSet<String>>,
    /// Secrets.
    pub secrets: Hits<SecretHit>,
    /// Programs that run with rights their caller has not.
    pub privileged: Hits<PrivilegedFile>,
    /// `/etc/passwd`, where the layer holds it.
    pub passwd: Option<String>,
    /// `/etc/group`, where the layer holds it.
    pub group: Option<String>,
    /// Paths of lower layers that this one removes, sorted.
    pub whiteouts: Hits<String>,
    /// Folders of lower layers of which nothing shows through, sorted.
    pub opaque: Hits<String>,
    /// What could not be looked into.
    pub unread: Hits<Unread>,
}

/// What was found, up to a bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hits<T> {
    /// What was kept.
    pub kept: Vec<T>,
    /// How many more there were.
    pub dropped: u64,
}

impl<T> Default for Hits<T> {
    fn default() -> Self {
        Hits { kept: Vec::new(), dropped: 0 }
    }
}

impl<T> Hits<T> {
    /// Keeps the hit unless there are `limit` already.
    pub(crate) fn push(&mut self, hit: T, limit: usize) {
        if self.kept.len() < limit {
            self.kept.push(hit);
        } else {
            self.dropped += 1;
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.dropped == 0
    }
}

/// A file with the set-user-ID or set-group-ID bit, or with file capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivilegedFile {
    /// The file, without a leading slash.
    pub path: String,
    /// The permission bits, those above 0777 included.
    pub mode: u32,
    /// The owner.
    pub uid: u64,
    /// The group.
    pub gid: u64,
    /// The raw `security.capability` attribute in hexadecimal.
    pub capability: Option<String>,
}

/// A file that was not, or not wholly, looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// The file, without a leading slash.
    pub path: String,
    /// Why.
    pub reason: UnreadReason,
}

/// Why a file was not looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnreadReason {
    /// A text longer than the bound; the part below it was searched.
    TextTooLong,
    /// A database or metadata file longer than the bound.
    MetadataTooLong,
    /// The tar holds pieces of it, and not the file as it is.
    Sparse,
    /// A program packed by UPX.
    Packed,
    /// A package database in a format that is not read here.
    ForeignDatabase,
    /// It lists more than is kept of one layer.
    TooMany,
}

impl UnreadReason {
    /// The reason in a few words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            UnreadReason::TextTooLong => "text too long to be searched to its end",
            UnreadReason::MetadataTooLong => "metadata too long to be read",
            UnreadReason::Sparse => "sparse file",
            UnreadReason::Packed => "packed program",
            UnreadReason::ForeignDatabase => "package database that is not read here",
            UnreadReason::TooMany => "lists more than is kept of a layer",
        }
    }

    /// Whether a tool can be in what was not read.
    #[must_use]
    pub fn hides_tools(self) -> bool {
        match self {
            UnreadReason::Packed
            | UnreadReason::Sparse
            | UnreadReason::ForeignDatabase
            | UnreadReason::MetadataTooLong
            | UnreadReason::TooMany => true,
            UnreadReason::TextTooLong => false,
        }
    }

    /// Whether a secret can be in what was not read.
    #[must_use]
    pub fn hides_secrets(self) -> bool {
        match self {
            UnreadReason::TextTooLong | UnreadReason::Sparse => true,
            UnreadReason::Packed
            | UnreadReason::ForeignDatabase
            | UnreadReason::MetadataTooLong
            | UnreadReason::TooMany => false,
        }
    }

    /// Whether an installed Python distribution can be in what was not read.
    #[must_use]
    pub fn hides_dists(self) -> bool {
        match self {
            UnreadReason::MetadataTooLong | UnreadReason::Sparse | UnreadReason::TooMany => true,
            UnreadReason::TextTooLong | UnreadReason::Packed | UnreadReason::ForeignDatabase => {
                false
            }
        }
    }
}

impl Layer {
    /// What of the layer could not be looked into, as far as its reason `hides` what is asked for:
    /// a phrase each. `at` is the layer's index, the lowest being 0.
    pub(crate) fn unread(&self, at: usize, hides: fn(UnreadReason) -> bool) -> Vec<String> {
        let Hits { kept, dropped } = &self.facts.unread;
        let stopped = self.unread.iter().map(|why| format!("layer {at}, from where {why}"));
        let files = kept.iter().filter(|one| hides(one.reason));
        let files = files.map(|one| format!("layer {at}: /{}: {}", one.path, one.reason.word()));
        // Nobody knows why those were not read that are only counted.
        let further = (*dropped > 0).then(|| format!("layer {at}: {dropped} further files"));
        stopped.chain(files).chain(further).collect()
    }
}
