//! Computes a layer's facts in one pass over its tar.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use crate::image::distribution::{self, Distribution, MetadataFile};
use crate::image::error::{ImageError, Problem};
use crate::image::glob::Glob;
use crate::image::layer::window::Window;
use crate::image::layer::{LayerFacts, PrivilegedFile, Unread, UnreadReason};
use crate::image::limits::{Limits, PARSED_BYTES};
use crate::image::meter::{Meter, hex};
use crate::image::packages::{self, PackageDatabase, PackageManagerKind};
use crate::image::path::{self, Marker};
use crate::image::secrets::literals::Literals;
use crate::image::secrets::rules::SECRET_FILES;
use crate::image::secrets::text::SecretRules;
use crate::image::secrets::{Encoding, LiteralHit, SecretHit};
use crate::image::tar::{Entry, Kind, TarReader};
use crate::image::tools::signatures::{self, Matcher};
use crate::image::tools::{self, ToolClass, ToolHit, ToolSign};

/// Bounds on what is kept of one layer.
const MAX_HITS: usize = 2_000;
const MAX_HITS_PER_FILE: usize = 20;
const MAX_HIDDEN: usize = 50_000;
const MAX_SITE_NAMES: usize = 10_000;
const MAX_ACCOUNTS: u64 = 64 * 1024;
/// Binary files up to this size, in bytes, are searched for secrets too: compiled Python keeps the
/// strings of its source.
const MAX_BINARY: u64 = 1 << 20;

/// Scans layers, one after the other.
pub(crate) struct LayerScanner<'a> {
    limits: Limits,
    rules: &'static SecretRules,
    signatures: Matcher,
    literals: &'a Literals,
    window: Window,
}

/// What one pass over a layer found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) facts: LayerFacts,
    pub(crate) literal_hits: Vec<LiteralHit>,
}

/// The layer being scanned.
#[derive(Default)]
struct Progress {
    facts: LayerFacts,
    dists: BTreeMap<String, Distribution>,
    site_names: usize,
    literal_hits: BTreeSet<LiteralHit>,
}

/// A file that is parsed as a whole.
enum Parsed<'a> {
    Database(PackageManagerKind),
    FileList,
    Metadata(&'a str, MetadataFile),
    Passwd,
    Group,
}

/// What the beginning of a file makes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Program,
    Text,
    /// UTF-16, which is text once its zeros are taken out.
    WideText,
    /// ELF that is no program: a library, an object file.
    Library,
    Binary,
}

impl<'a> LayerScanner<'a> {
    /// A scanner that also looks for `literals`. It fails when a table does not compile.
    pub(crate) fn new(limits: Limits, literals: &'a Literals) -> Result<Self, ImageError> {
        Ok(LayerScanner {
            limits,
            rules: SecretRules::get()?,
            signatures: Matcher::new()?,
            literals,
            window: Window::default(),
        })
    }

    /// Reads an uncompressed layer to its end. At most `max_bytes` of it are read.
    pub(crate) fn scan(
        &mut self,
        stream: impl BufRead,
        max_bytes: u64,
    ) -> Result<Scanned, Problem> {
        let meter = Meter::new(stream, max_bytes, "bytes of uncompressed layer");
        let mut tar = TarReader::new(meter, self.limits.layer_entries, max_bytes);
        let mut progress = Progress::default();
        while let Some(entry) = tar.next_entry()? {
            progress.facts.entries += 1;
            if progress.marker(&entry) {
                continue;
            }
            self.entry(&entry, &mut progress);
            if entry.kind == Kind::File && entry.size > 0 {
                self.file(&entry, tar.data(), &mut progress)?;
            }
        }
        let mut meter = tar.into_inner();
        meter.drain()?;
        let Progress { mut facts, dists, literal_hits, .. } = progress;
        (facts.tar_bytes, facts.diff_id) = meter.finish();
        facts.dists = dists.into_values().collect();
        Ok(Scanned { facts, literal_hits: literal_hits.into_iter().collect() })
    }

    /// What an entry's header says.
    fn entry(&self, entry: &Entry, progress: &mut Progress) {
        let facts = &mut progress.facts;
        let hit = match entry.kind {
            Kind::File => {
                facts.files += 1;
                facts.file_bytes = facts.file_bytes.saturating_add(entry.file_size);
                tools::hit_by_name(&entry.path, entry.mode, None)
            }
            Kind::Symlink | Kind::Hardlink => {
                if entry.kind == Kind::Symlink {
                    facts.link_bytes += entry.link.len() as u64;
                }
                let target = String::from_utf8_lossy(&entry.link);
                tools::hit_by_name(&entry.path, entry.mode, Some(&target))
            }
            Kind::Folder | Kind::Other => return,
        };
        if let Some(hit) = hit {
            facts.tools.push(hit, MAX_HITS);
        }
        let is_file = entry.kind == Kind::File;
        if is_file && (entry.mode & 0o6000 != 0 || entry.capability.is_some()) {
            let file = PrivilegedFile {
                path: entry.path.clone(),
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
                capability: entry.capability.as_deref().map(hex),
            };
            facts.privileged.push(file, MAX_HITS);
        }
        if is_file && entry.sparse {
            progress.unread(entry, UnreadReason::Sparse);
        }
        if is_file && packages::is_foreign_database(&entry.path) {
            progress.unread(entry, UnreadReason::ForeignDatabase);
        }
        if is_file && entry.size > 0 {
            for (rule, globs) in SECRET_FILES {
                if globs.iter().any(|glob| Glob::new(glob).matches(&entry.path)) {
                    let snippet = format!("a file of {} bytes", entry.size);
                    progress.secret(entry, rule, 0, snippet);
                }
            }
        }
        progress.site(&entry.path);
        self.literal(entry, entry.path.as_bytes(), progress);
        self.literal(entry, &entry.link, progress);
    }

    /// Looks into a file's data, as far as anything can be in it.
    fn file(
        &mut self,
        entry: &Entry,
        data: impl BufRead,
        progress: &mut Progress,
    ) -> Result<(), Problem> {
        let mut parsed = Parsed::of(&entry.path);
        if parsed.is_some() && entry.size > PARSED_BYTES {
            progress.unread(entry, UnreadReason::MetadataTooLong);
            parsed = None;
        }
        let mut window = std::mem::take(&mut self.window);
        let result = self.windows(entry, parsed, data, &mut window, progress);
        self.window = window;
        result
    }

    fn windows(
        &self,
        entry: &Entry,
        parsed: Option<Parsed<'_>>,
        data: impl BufRead,
        window: &mut Window,
        progress: &mut Progress,
    ) -> Result<(), Problem> {
        let mut reader = window.open(data);
        let content = Content::of(reader.head()?, entry.mode);
        let mut search_secrets = match content {
            Content::Text | Content::WideText => true,
            Content::Binary => entry.size <= MAX_BINARY && !is_compressed(&entry.path),
            Content::Program | Content::Library => false,
        };
        if !search_secrets
            && content != Content::Program
            && parsed.is_none()
            && self.literals.is_empty()
        {
            return Ok(());
        }
        reader.whole(parsed.is_some());
        let mut applicable = self.rules.applicable(&entry.path);
        if content == Content::Binary {
            applicable.strict();
        }
        let mut seen = self.signatures.fresh();
        let mut found = BTreeSet::new();
        let (mut lines, mut kept) = (1, 0);
        while let Some(piece) = reader.next_piece()? {
            if let Some(parsed) = &parsed {
                progress.parsed(entry, parsed, piece.bytes);
            }
            if content == Content::Program {
                self.signatures.search(piece.bytes, &mut seen);
            }
            self.literal(entry, piece.bytes, progress);
            if search_secrets && piece.offset >= self.limits.text_bytes {
                progress.unread(entry, UnreadReason::TextTooLong);
                search_secrets = false;
            }
            if search_secrets {
                let narrow: Vec<u8>;
                let text = if content == Content::WideText {
                    narrow = piece.bytes.iter().copied().filter(|byte| *byte != 0).collect();
                    &narrow
                } else {
                    piece.bytes
                };
                for hit in self.rules.search(text, &applicable) {
                    let line = lines + count_lines(&text[..hit.start]);
                    // The overlap of two pieces shows the same hit twice.
                    if found.insert((hit.rule, piece.offset + hit.start as u64))
                        && kept < MAX_HITS_PER_FILE
                    {
                        kept += 1;
                        progress.secret(entry, hit.rule, line, hit.snippet);
                    }
                }
                lines += count_lines(&piece.bytes[..piece.fresh]);
            }
            if piece.offset == 0
                && content == Content::Text
                && entry.mode & 0o111 != 0
                && tools::launches_pip(piece.bytes)
            {
                progress.tool(entry, "pip", ToolClass::PythonInstaller, ToolSign::Launcher);
            }
        }
        for one in self.signatures.tools(&seen) {
            progress.tool(entry, one.tool, one.class, ToolSign::Signature);
        }
        if self.signatures.is_packed(&seen) {
            progress.unread(entry, UnreadReason::Packed);
        }
        Ok(())
    }

    fn literal(&self, entry: &Entry, bytes: &[u8], progress: &mut Progress) {
        if self.literals.is_empty() {
            return;
        }
        let mut found: BTreeSet<(String, Encoding)> = BTreeSet::new();
        self.literals.search(bytes, &mut found);
        progress.literal_hits.extend(found.into_iter().map(|(name, encoding)| LiteralHit {
            path: entry.path.clone(),
            name,
            encoding,
        }));
    }
}

impl Progress {
    /// Notes what a marker hides. `true` where the entry is one.
    fn marker(&mut self, entry: &Entry) -> bool {
        match path::marker(&entry.path) {
            Some(Marker::Whiteout(hidden)) => self.facts.whiteouts.push(hidden, MAX_HIDDEN),
            Some(Marker::Opaque(folder)) => self.facts.opaque.push(folder, MAX_HIDDEN),
            Some(Marker::Bookkeeping) => {}
            None => return false,
        }
        true
    }

    fn tool(&mut self, entry: &Entry, tool: &str, class: ToolClass, sign: ToolSign) {
        let hit = ToolHit {
            path: entry.path.clone(),
            tool: tool.to_owned(),
            class,
            sign,
            mode: entry.mode,
        };
        self.facts.tools.push(hit, MAX_HITS);
    }

    fn secret(&mut self, entry: &Entry, rule: &str, line: u64, snippet: String) {
        let hit = SecretHit { path: entry.path.clone(), rule: rule.to_owned(), line, snippet };
        self.facts.secrets.push(hit, MAX_HITS);
    }

    fn unread(&mut self, entry: &Entry, reason: UnreadReason) {
        self.facts.unread.push(Unread { path: entry.path.clone(), reason }, MAX_HITS);
    }

    /// Notes what lies on Python's path.
    fn site(&mut self, entry_path: &str) {
        let Some((folder, name)) = distribution::site_name(entry_path) else { return };
        if name.ends_with("-info") || name == "__pycache__" || self.site_names > MAX_SITE_NAMES {
            return;
        }
        let names = match self.facts.sites.get_mut(folder) {
            Some(names) => names,
            None => self.facts.sites.entry(folder.to_owned()).or_default(),
        };
        if !names.contains(name) {
            self.site_names += 1;
            names.insert(name.to_owned());
        }
    }

    fn parsed(&mut self, entry: &Entry, parsed: &Parsed<'_>, bytes: &[u8]) {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match parsed {
            Parsed::Database(manager) => self.facts.packages.push(PackageDatabase {
                path: entry.path.clone(),
                manager: *manager,
                packages: packages::parse(*manager, bytes),
            }),
            Parsed::FileList => self.facts.debian_python.extend(packages::python_files(bytes)),
            Parsed::Metadata(folder, file) => {
                let fresh =
                    || Distribution { path: (*folder).to_owned(), ..Distribution::default() };
                self.dists.entry((*folder).to_owned()).or_insert_with(fresh).read(*file, bytes);
            }
            Parsed::Passwd if entry.size <= MAX_ACCOUNTS => self.facts.passwd = Some(text()),
            Parsed::Group if entry.size <= MAX_ACCOUNTS => self.facts.group = Some(text()),
            Parsed::Passwd | Parsed::Group => self.unread(entry, UnreadReason::MetadataTooLong),
        }
    }
}

impl<'a> Parsed<'a> {
    fn of(entry_path: &'a str) -> Option<Parsed<'a>> {
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

impl Content {
    fn of(head: &[u8], mode: u32) -> Content {
        if head.starts_with(b"\x7fELF") {
            return if signatures::is_program(head, mode) {
                Content::Program
            } else {
                Content::Library
            };
        }
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            return Content::WideText;
        }
        if head.contains(&0) { Content::Binary } else { Content::Text }
    }
}

/// Whether a file is compressed, so that nothing can be read in it.
fn is_compressed(entry_path: &str) -> bool {
    [".gz", ".xz", ".zst", ".bz2", ".zip", ".whl", ".jar", ".png", ".jpg", ".woff2"]
        .iter()
        .any(|ending| entry_path.ends_with(ending))
}

fn count_lines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}
