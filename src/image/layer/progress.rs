//! What is known of a layer while it is read, and how much of it is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::distribution::{self, Distribution, MetadataFile};
use crate::image::layer::{LayerFacts, PrivilegedFile, Unread, UnreadReason};
use crate::image::limits::{METADATA_BYTES, PARSED_BYTES};
use crate::image::meter::hex;
use crate::image::packages::{self, PackageDatabase, PackageManagerKind};
use crate::image::path::{self, Marker};
use crate::image::secrets::{Encoding, LiteralHit, SecretHit};
use crate::image::tar::Entry;
use crate::image::tools::{ToolClass, ToolHit, ToolSign};

/// Bounds on what is kept of one layer.
const MAX_HITS: usize = 2_000;
const MAX_HIDDEN: usize = 50_000;
const MAX_SITE_NAMES: usize = 10_000;
const MAX_ACCOUNTS: u64 = 64 * 1024;

/// The layer being scanned.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) facts: LayerFacts,
    /// Bytes, roughly, that are kept, and that may be.
    kept: u64,
    limit: u64,
    /// Bytes that patterns of secrets may still be tried on.
    pub(super) to_try: u64,
    dists: BTreeMap<String, Distribution>,
    site_names: usize,
    literal_hits: BTreeSet<LiteralHit>,
}

/// A file that is parsed as a whole.
pub(super) enum Parsed<'a> {
    Database(PackageManagerKind),
    FileList,
    Metadata(&'a str, MetadataFile),
    Passwd,
    Group,
}

impl Progress {
    /// A layer of which nothing was read. `limit` is how many bytes may be kept, roughly, and
    /// `to_try` how many patterns of secrets may be tried on.
    pub(super) fn new(limit: u64, to_try: u64) -> Progress {
        Progress { limit, to_try, ..Progress::default() }
    }

    /// What was found, and how many bytes of it are kept.
    pub(super) fn finish(self) -> (LayerFacts, Vec<LiteralHit>, u64) {
        let Progress { mut facts, dists, literal_hits, kept, .. } = self;
        facts.dists = dists.into_values().collect();
        facts.whiteouts.kept.sort_unstable();
        facts.opaque.kept.sort_unstable();
        (facts, literal_hits.into_iter().collect(), kept)
    }

    /// Whether the layer has had its share of memory.
    pub(super) fn is_full(&self) -> bool {
        self.kept >= self.limit
    }

    /// Notes known values that were found.
    pub(super) fn literals(&mut self, entry: &Entry, found: BTreeSet<(String, Encoding)>) {
        for (name, encoding) in found {
            // One is as bad as thousands.
            if self.literal_hits.len() < MAX_HITS {
                let path = entry.path.clone();
                self.literal_hits.insert(LiteralHit { path, name, encoding });
            }
        }
    }

    /// Notes rights that the file gives to whoever runs it.
    pub(super) fn privileged(&mut self, entry: &Entry) {
        let file = PrivilegedFile {
            path: entry.path.clone(),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            capability: entry.capability.as_deref().map(hex),
        };
        let limit = self.room(file.path.len(), MAX_HITS);
        self.facts.privileged.push(file, limit);
    }

    /// How many hits may be kept if one more of `bytes` bytes is: `limit`, or none where the layer
    /// has had its share of memory.
    fn room(&mut self, bytes: usize, limit: usize) -> usize {
        /// What a hit takes beside its texts.
        const REST: u64 = 64;
        if self.is_full() {
            return 0;
        }
        self.kept += bytes as u64 + REST;
        limit
    }

    /// Notes a tool.
    pub(super) fn hit(&mut self, hit: ToolHit) {
        let link = match &hit.sign {
            ToolSign::Link(link) => link.len(),
            _ => 0,
        };
        let limit = self.room(hit.path.len() + link, MAX_HITS);
        self.facts.tools.push(hit, limit);
    }

    /// Notes what a marker hides. `true` where the entry is one.
    pub(super) fn marker(&mut self, entry: &Entry) -> bool {
        match path::marker(&entry.path) {
            Some(Marker::Whiteout(hidden)) => {
                let limit = self.room(hidden.len(), MAX_HIDDEN);
                self.facts.whiteouts.push(hidden, limit);
            }
            Some(Marker::Opaque(folder)) => {
                let limit = self.room(folder.len(), MAX_HIDDEN);
                self.facts.opaque.push(folder, limit);
            }
            Some(Marker::Bookkeeping) => {}
            None => return false,
        }
        true
    }

    /// Notes what gives a file away as a tool.
    pub(super) fn tool(&mut self, entry: &Entry, tool: &str, class: ToolClass, sign: ToolSign) {
        let hit = ToolHit {
            path: entry.path.clone(),
            tool: tool.to_owned(),
            class,
            sign,
            mode: entry.mode,
        };
        self.hit(hit);
    }

    /// Notes a secret.
    pub(super) fn secret(&mut self, entry: &Entry, rule: &str, line: u64, snippet: String) {
        let hit = SecretHit { path: entry.path.clone(), rule: rule.to_owned(), line, snippet };
        let limit = self.room(hit.path.len() + hit.snippet.len(), MAX_HITS);
        self.facts.secrets.push(hit, limit);
    }

    /// Notes what was not looked into.
    pub(super) fn unread(&mut self, entry: &Entry, reason: UnreadReason) {
        let limit = self.room(entry.path.len(), MAX_HITS);
        self.facts.unread.push(Unread { path: entry.path.clone(), reason }, limit);
    }

    /// Notes what lies on Python's path.
    pub(super) fn site(&mut self, entry: &Entry) {
        let Some((folder, name)) = distribution::site_name(&entry.path) else { return };
        let known = self.facts.sites.get(folder).is_some_and(|names| names.contains(name));
        if known || name.ends_with("-info") || name == "__pycache__" {
            return;
        }
        if self.site_names >= self.room(folder.len() + name.len(), MAX_SITE_NAMES) {
            self.unread(entry, UnreadReason::TooMany);
            return;
        }
        self.site_names += 1;
        self.facts.sites.entry(folder.to_owned()).or_default().insert(name.to_owned());
    }

    /// Reads a file that is parsed as a whole.
    pub(super) fn parsed(&mut self, entry: &Entry, parsed: &Parsed<'_>, bytes: &[u8]) {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match parsed {
            Parsed::Database(manager) => {
                let Some(packages) = packages::parse(*manager, bytes) else {
                    return self.unread(entry, UnreadReason::TooMany);
                };
                let path = entry.path.clone();
                let database = PackageDatabase { path, manager: *manager, packages };
                self.room(database.bytes(), 0);
                self.facts.packages.push(database);
            }
            Parsed::FileList => {
                for file in packages::python_files(bytes) {
                    if self.room(file.len(), 1) == 0 {
                        return self.unread(entry, UnreadReason::TooMany);
                    }
                    self.facts.debian_python.insert(file);
                }
            }
            Parsed::Metadata(folder, file) => {
                let fresh =
                    || Distribution { path: (*folder).to_owned(), ..Distribution::default() };
                let dist = self.dists.entry((*folder).to_owned()).or_insert_with(fresh);
                let before = dist.bytes();
                let is_whole = dist.read(*file, bytes);
                let more = dist.bytes().saturating_sub(before);
                self.room(more, 0);
                if !is_whole {
                    self.unread(entry, UnreadReason::TooMany);
                }
            }
            Parsed::Passwd if entry.size <= MAX_ACCOUNTS => self.facts.passwd = Some(text()),
            Parsed::Group if entry.size <= MAX_ACCOUNTS => self.facts.group = Some(text()),
            Parsed::Passwd | Parsed::Group => self.unread(entry, UnreadReason::MetadataTooLong),
        }
    }
}

impl<'a> Parsed<'a> {
    /// The longest file that is parsed, in bytes.
    pub(super) fn longest(&self) -> u64 {
        match self {
            Parsed::Metadata(_, MetadataFile::Record)
            | Parsed::Database(_)
            | Parsed::FileList
            | Parsed::Passwd
            | Parsed::Group => PARSED_BYTES,
            Parsed::Metadata(..) => METADATA_BYTES,
        }
    }

    /// What of these the file is, if any.
    pub(super) fn of(entry_path: &'a str) -> Option<Parsed<'a>> {
        if let Some(manager) = packages::database(entry_path) {
            return Some(Parsed::Database(manager));
        }
        if let Some((folder, file)) = distribution::metadata_file(entry_path) {
            return Some(Parsed::Metadata(folder, file));
        }
        match entry_path {
            "etc/passwd" => Some(Parsed::Passwd),
            "etc/group" => Some(Parsed::Group),
            _ if entry_path.ends_with(".list")
                && path::parent(entry_path) == "var/lib/dpkg/info" =>
            {
                Some(Parsed::FileList)
            }
            _ => None,
        }
    }
}
