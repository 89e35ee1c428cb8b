//! Computes a layer's facts in one pass over its tar.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::time::Instant;

use crate::image::error::{ImageError, Problem};
use crate::image::glob::Glob;
use crate::image::layer::progress::{Parsed, Progress};
use crate::image::layer::window::Window;
use crate::image::layer::{LayerFacts, UnreadReason};
use crate::image::limits::Limits;
use crate::image::meter::Meter;
use crate::image::packages;
use crate::image::secrets::LiteralHit;
use crate::image::secrets::literals::Literals;
use crate::image::secrets::rules::SECRET_FILES;
use crate::image::secrets::text::SecretRules;
use crate::image::tar::{Entry, Kind, TarReader};
use crate::image::tools::signatures::{self, Matcher};
use crate::image::tools::{self, ToolClass, ToolSign};

/// How many secrets of one file are kept.
const MAX_HITS_PER_FILE: usize = 20;
/// Binary files up to this size, in bytes, are searched for secrets too: compiled Python keeps the
/// strings of its source.
const MAX_BINARY: u64 = 1 << 20;

/// Scans layers, one after the other.
pub(crate) struct LayerScanner<'a> {
    limits: Limits,
    /// When the time for all layers is up.
    deadline: Instant,
    /// Bytes that may still be kept of all layers.
    left: u64,
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
    /// Why the layer was not read to its end, where it was not. The facts are those of what was
    /// read, and the digest covers only that.
    pub(crate) stopped: Option<Problem>,
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
            deadline: Instant::now() + limits.time,
            left: limits.total_kept_bytes,
            rules: SecretRules::get()?,
            signatures: Matcher::new()?,
            literals,
            window: Window::default(),
        })
    }

    /// Reads an uncompressed layer to its end, or until a bound is reached. At most `max_bytes` of
    /// it are read.
    pub(crate) fn scan(&mut self, stream: impl BufRead, max_bytes: u64) -> Scanned {
        let meter = Meter::new(stream, max_bytes, "bytes of uncompressed layer");
        let mut tar = TarReader::new(meter, self.limits.layer_entries, max_bytes);
        let limit = self.limits.kept_bytes.min(self.left);
        let mut progress = Progress::new(limit, self.limits.tried_bytes);
        let read = self.entries(&mut tar, &mut progress);
        let mut meter = tar.into_inner();
        let mut stopped = read.and_then(|()| meter.drain().map_err(Problem::from)).err();
        if limit < self.limits.kept_bytes && progress.is_full() {
            // Facts are kept for other runs, and must depend on nothing but the layer.
            let limit = self.limits.total_kept_bytes;
            stopped.get_or_insert(Problem::TooLarge { limit, unit: "bytes of findings in all" });
        }
        let (mut facts, literal_hits, kept) = progress.finish();
        self.left = self.left.saturating_sub(kept);
        (facts.tar_bytes, facts.diff_id) = meter.finish();
        Scanned { facts, literal_hits, stopped }
    }

    fn entries(
        &mut self,
        tar: &mut TarReader<impl BufRead>,
        progress: &mut Progress,
    ) -> Result<(), Problem> {
        while let Some(entry) = tar.next_entry()? {
            self.in_time()?;
            progress.facts.entries += 1;
            if progress.marker(&entry) {
                continue;
            }
            self.entry(&entry, progress);
            if entry.kind == Kind::File && entry.size > 0 {
                self.file(&entry, tar.data(), progress)?;
            }
        }
        Ok(())
    }

    fn in_time(&self) -> Result<(), Problem> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(Problem::TooLarge { limit: self.limits.time.as_secs(), unit: "seconds of reading" })
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
            progress.hit(hit);
        }
        let is_file = entry.kind == Kind::File;
        if is_file && (entry.mode & 0o6000 != 0 || entry.capability.is_some()) {
            progress.privileged(entry);
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
        progress.site(entry);
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
        let parsed = Parsed::of(&entry.path).filter(|parsed| {
            let is_long = entry.size > parsed.longest();
            let reason =
                if is_long { UnreadReason::MetadataTooLong } else { UnreadReason::TooMany };
            let is_read = !is_long && !progress.is_full();
            if !is_read {
                progress.unread(entry, reason);
            }
            is_read
        });
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
            self.in_time()?;
            if let Some(parsed) = &parsed {
                progress.parsed(entry, parsed, piece.bytes);
            }
            if content == Content::Program {
                self.signatures.search(piece.bytes, &mut seen);
            }
            self.literal(entry, piece.bytes, progress);
            if search_secrets && (piece.offset >= self.limits.text_bytes || progress.to_try == 0) {
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
                for hit in self.rules.search(text, &applicable, &mut progress.to_try) {
                    // The overlap of two pieces shows the same hit twice.
                    if found.insert((hit.rule, piece.offset + hit.start as u64))
                        && kept < MAX_HITS_PER_FILE
                    {
                        kept += 1;
                        let line = lines + count_lines(&text[..hit.start]);
                        progress.secret(entry, hit.rule, line, hit.snippet);
                    }
                }
                lines += count_lines(&piece.bytes[..piece.fresh]);
                if progress.to_try == 0 {
                    progress.unread(entry, UnreadReason::TextTooLong);
                    search_secrets = false;
                }
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
        let mut found = BTreeSet::new();
        self.literals.search(bytes, &mut found);
        progress.literals(entry, found);
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
