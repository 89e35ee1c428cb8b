//! A tar stream, entry by entry, with bounded memory.
//!
//! Names and types in a header block are read by the `tar` crate; the rest is ours for three
//! reasons. The crate takes extension headers of any length into memory, and splits PAX records at
//! newlines, which loses binary attributes such as `security.capability`. And where the format
//! leaves room, what counts is how the engine reads a layer, which is how Go's archive/tar does:
//! an empty number is zero, a global header applies to nothing.

use std::io::{self, BufRead, Read};
use std::ops::Range;

use tar::{EntryType, Header};

use crate::image::error::Problem;
use crate::image::limits::{CAPABILITY_BYTES, EXTENSION_BYTES, EXTENSIONS, PATH_BYTES};
use crate::image::path;

const BLOCK: usize = 512;
/// Where a header block keeps its numbers.
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const CHECKSUM: Range<usize> = 148..156;
/// The size of an old GNU sparse file once it is unpacked.
const REAL_SIZE: Range<usize> = 483..495;
/// Where the old GNU sparse format keeps "a further sparse header follows": in the main header,
/// and in a further one.
const SPARSE_MORE: (usize, usize) = (482, 504);

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file with data.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A further name of a file that came before.
    Hardlink,
    /// A device, a pipe, or something else without data.
    Other,
}

/// One entry's header, extensions applied.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The normalised path.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    /// Bytes of data in the stream.
    pub(crate) size: u64,
    /// Bytes of the file once it is unpacked; differs from `size` for a sparse file only.
    pub(crate) file_size: u64,
    /// The data is a map of pieces and not the file as it is.
    pub(crate) sparse: bool,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// The target of a link, as it is written, up to the longest that Linux takes.
    pub(crate) link: Vec<u8>,
    /// The raw `security.capability` attribute.
    pub(crate) capability: Option<Vec<u8>>,
}

/// What came in extension headers before an entry.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    gnu_path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    capability: Option<Vec<u8>>,
    sparse: bool,
    sparse_path: Option<Vec<u8>>,
    sparse_size: Option<u64>,
}

/// Reads entries one after the other.
pub(crate) struct TarReader<R> {
    input: R,
    /// Bytes read so far, data that is still to be skipped included.
    offset: u64,
    /// Bytes of the current entry's data that were not read yet.
    remaining: u64,
    /// Zeros between that data and the next header.
    padding: u64,
    entries: u64,
    max_entries: u64,
    max_bytes: u64,
    ended: bool,
}

impl<R: BufRead> TarReader<R> {
    /// A reader that fails after `max_entries` entries, or at a header that declares more than
    /// `max_bytes` in all.
    pub(crate) fn new(input: R, max_entries: u64, max_bytes: u64) -> Self {
        TarReader {
            input,
            offset: 0,
            remaining: 0,
            padding: 0,
            entries: 0,
            max_entries,
            max_bytes,
            ended: false,
        }
    }

    /// The next entry, whether or not the data of the last one was read. `None` at the end mark,
    /// or where the stream ends between entries.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, Problem> {
        let mut extensions = Extensions::default();
        for _ in 0..=EXTENSIONS {
            self.skip_data()?;
            let Some(block) = self.header_block()? else { return Ok(None) };
            self.entries += 1;
            if self.entries > self.max_entries {
                return Err(Problem::TooLarge { limit: self.max_entries, unit: "entries" });
            }
            let header = Header::from_byte_slice(&block);
            self.check(header)?;
            let kind = header.entry_type();
            if let EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink = kind {
                let data = self.extension(header)?;
                match kind {
                    EntryType::XHeader => self.pax(&data, &mut extensions)?,
                    EntryType::GNULongName => extensions.gnu_path = Some(until_nul(&data)),
                    _ => extensions.gnu_link = Some(until_nul(&data)),
                }
                continue;
            }
            if kind == EntryType::XGlobalHeader {
                // Go hands global headers out and applies them to nothing.
                let size = self.number(header, SIZE)?;
                self.expect_data(size)?;
                continue;
            }
            return self.entry(header, &block, extensions).map(Some);
        }
        let unit = "extension headers before one entry";
        Err(Problem::TooLarge { limit: EXTENSIONS as u64, unit })
    }

    /// The data of the entry that [`next_entry`](Self::next_entry) returned last.
    pub(crate) fn data(&mut self) -> Data<'_, R> {
        Data { tar: self }
    }

    /// What lies below, behind the end mark.
    pub(crate) fn into_inner(self) -> R {
        self.input
    }

    fn entry(
        &mut self,
        header: &Header,
        block: &[u8; BLOCK],
        extensions: Extensions,
    ) -> Result<Entry, Problem> {
        let raw_path = extensions
            .gnu_path
            .or(extensions.sparse_path)
            .or(extensions.path)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let path = path::normalise(&raw_path).map_err(|problem| self.located(problem))?;
        let kind = match header.entry_type() {
            EntryType::Symlink => Kind::Symlink,
            EntryType::Link => Kind::Hardlink,
            EntryType::Directory => Kind::Folder,
            EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Other,
            // A file whose name ends in a slash is a folder; so the first tar had it.
            EntryType::Regular if raw_path.ends_with(b"/") => Kind::Folder,
            _ => Kind::File,
        };
        let declared = match extensions.size {
            Some(size) => size,
            None => self.number(header, SIZE)?,
        };
        let size = if kind == Kind::File { declared } else { 0 };
        let mut sparse = extensions.sparse;
        let mut file_size = extensions.sparse_size.unwrap_or(size);
        if header.entry_type() == EntryType::GNUSparse {
            sparse = true;
            file_size = self.number(header, REAL_SIZE)?;
            self.skip_sparse_headers(block)?;
        }
        self.expect_data(size)?;
        let mut link = extensions
            .gnu_link
            .or(extensions.link)
            .or_else(|| header.link_name_bytes().map(|name| name.into_owned()))
            .unwrap_or_default();
        link.truncate(PATH_BYTES);
        Ok(Entry {
            path,
            kind,
            size,
            file_size,
            sparse,
            mode: (self.number(header, MODE)? & 0o7777) as u32,
            uid: match extensions.uid {
                Some(uid) => uid,
                None => self.number(header, UID)?,
            },
            gid: match extensions.gid {
                Some(gid) => gid,
                None => self.number(header, GID)?,
            },
            link,
            capability: extensions.capability,
        })
    }

    /// Reads one header block; `None` at the end.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, Problem> {
        if self.ended {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        let count = self.fill(&mut block)?;
        if count == 0 {
            self.ended = true;
            return Ok(None);
        }
        if count < BLOCK {
            return Err(self.malformed("the stream ends inside a header"));
        }
        if block.iter().any(|byte| *byte != 0) {
            return Ok(Some(block));
        }
        // Two blocks of zeros end the archive; the second may be missing, nothing else may come.
        let count = self.fill(&mut block)?;
        if block[..count].iter().any(|byte| *byte != 0) {
            return Err(self.malformed("a single block of zeros stands between entries"));
        }
        self.ended = true;
        Ok(None)
    }

    fn check(&self, header: &Header) -> Result<(), Problem> {
        let block = header.as_bytes();
        let sum = |signed: bool| {
            block.iter().enumerate().fold(0i64, |sum, (at, byte)| {
                let byte = if CHECKSUM.contains(&at) { b' ' } else { *byte };
                sum + if signed { i64::from(byte as i8) } else { i64::from(byte) }
            })
        };
        let stated = self.number(header, CHECKSUM)? as i64;
        if stated == sum(false) || stated == sum(true) {
            return Ok(());
        }
        Err(self.malformed("the checksum of a header is wrong"))
    }

    /// Reads the data of an extension header.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, Problem> {
        let size = self.number(header, SIZE)?;
        if size > EXTENSION_BYTES {
            return Err(Problem::TooLarge {
                limit: EXTENSION_BYTES,
                unit: "bytes of extension header",
            });
        }
        self.expect_data(size)?;
        let mut data = Vec::new();
        self.data().read_to_end(&mut data)?;
        Ok(data)
    }

    /// Applies PAX records: `<length> <key>=<value>\n`, the length counting all of it.
    fn pax(&self, mut data: &[u8], into: &mut Extensions) -> Result<(), Problem> {
        while !data.is_empty() {
            let wrong = || self.malformed("a PAX record is malformed");
            let space = data.iter().take(12).position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length = decimal(&data[..space]).ok_or_else(wrong)?;
            let length = usize::try_from(length).map_err(|_| wrong())?;
            if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
                return Err(wrong());
            }
            let record = &data[space + 1..length - 1];
            data = &data[length..];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let number = || decimal(value).map(Some).ok_or_else(wrong);
            match key {
                // An empty value takes the record back.
                b"path" => into.path = (!value.is_empty()).then(|| value.to_vec()),
                b"linkpath" => into.link = (!value.is_empty()).then(|| value.to_vec()),
                b"size" => into.size = number()?,
                b"uid" => into.uid = number()?,
                b"gid" => into.gid = number()?,
                b"SCHILY.xattr.security.capability" => {
                    into.capability = Some(value[..value.len().min(CAPABILITY_BYTES)].to_vec());
                }
                b"GNU.sparse.name" => into.sparse_path = Some(value.to_vec()),
                b"GNU.sparse.realsize" | b"GNU.sparse.size" => into.sparse_size = number()?,
                _ if key.starts_with(b"GNU.sparse.") => {}
                _ => continue,
            }
            into.sparse |= key.starts_with(b"GNU.sparse.");
        }
        Ok(())
    }

    /// The old GNU sparse format puts further headers between the header and the data.
    fn skip_sparse_headers(&mut self, block: &[u8; BLOCK]) -> Result<(), Problem> {
        let mut more = block[SPARSE_MORE.0] != 0;
        while more {
            let mut further = [0; BLOCK];
            if self.fill(&mut further)? < BLOCK {
                return Err(self.malformed("the stream ends inside a sparse header"));
            }
            if self.offset > self.max_bytes {
                return Err(Problem::TooLarge { limit: self.max_bytes, unit: "bytes" });
            }
            more = further[SPARSE_MORE.1] != 0;
        }
        Ok(())
    }

    fn expect_data(&mut self, size: u64) -> Result<(), Problem> {
        let end = self.offset.checked_add(size).filter(|end| *end <= self.max_bytes);
        if end.is_none() {
            return Err(Problem::TooLarge { limit: self.max_bytes, unit: "bytes" });
        }
        self.remaining = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        Ok(())
    }

    fn skip_data(&mut self) -> Result<(), Problem> {
        let mut left = self.remaining + self.padding;
        while left > 0 {
            let ready = self.input.fill_buf()?.len() as u64;
            if ready == 0 {
                // Go is content with an archive that ends before the last padding does.
                if left <= self.padding {
                    self.ended = true;
                    break;
                }
                return Err(self.malformed("the stream ends inside a file"));
            }
            let step = ready.min(left);
            self.input.consume(step as usize);
            self.offset += step;
            left -= step;
        }
        self.remaining = 0;
        self.padding = 0;
        Ok(())
    }

    /// Reads as many bytes as there are.
    fn fill(&mut self, out: &mut [u8]) -> Result<usize, Problem> {
        let mut count = 0;
        while count < out.len() {
            match self.input.read(&mut out[count..]) {
                Ok(0) => break,
                Ok(step) => count += step,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.offset += count as u64;
        Ok(count)
    }

    /// A number of a header block: octal digits, or base 256 where the first bit is set.
    fn number(&self, header: &Header, field: Range<usize>) -> Result<u64, Problem> {
        let bytes = &header.as_bytes()[field];
        let wrong = || self.malformed("a number in a header is malformed");
        if let Some((first, rest)) = bytes.split_first()
            && first & 0x80 != 0
        {
            // The second bit is the sign; nothing that is counted here is negative.
            let first = u64::from(first & 0x7f);
            let value = rest.iter().try_fold(first, |value, byte| {
                value.checked_mul(256).map(|value| value | u64::from(*byte))
            });
            return value
                .filter(|value| *value <= i64::MAX as u64 && first < 0x40)
                .ok_or_else(wrong);
        }
        let text = until_nul(bytes);
        let digits = text.trim_ascii();
        digits
            .iter()
            .try_fold(0u64, |value, digit| match digit {
                b'0'..=b'7' => value.checked_mul(8).map(|value| value | u64::from(digit - b'0')),
                _ => None,
            })
            .filter(|value| *value <= i64::MAX as u64)
            .ok_or_else(wrong)
    }

    fn malformed(&self, what: &str) -> Problem {
        Problem::Malformed(format!("{what}, entry {} before byte {}", self.entries, self.offset))
    }

    fn located(&self, problem: Problem) -> Problem {
        match problem {
            Problem::Malformed(what) => self.malformed(&what),
            other @ (Problem::TooLarge { .. } | Problem::Io(_)) => other,
        }
    }
}

/// The data of one entry.
pub(crate) struct Data<'a, R> {
    tar: &'a mut TarReader<R>,
}

impl<R: BufRead> Read for Data<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Data<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.tar.remaining;
        if left == 0 {
            return Ok(&[]);
        }
        let (offset, entries) = (self.tar.offset, self.tar.entries);
        let ready = self.tar.input.fill_buf()?;
        if ready.is_empty() {
            let what = format!("the stream ends inside a file, entry {entries}, byte {offset}");
            return Err(Problem::Malformed(what).into());
        }
        let count = ready.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        Ok(&ready[..count])
    }

    fn consume(&mut self, count: usize) {
        self.tar.input.consume(count);
        self.tar.remaining -= count as u64;
        self.tar.offset += count as u64;
    }
}

/// Whether a block of 512 bytes is the beginning of a tar stream.
pub(crate) fn looks_like_tar(block: &[u8]) -> bool {
    block.len() == BLOCK
        && (block.iter().all(|byte| *byte == 0) || {
            let reader = TarReader::new(io::empty(), 1, 1);
            reader.check(Header::from_byte_slice(block)).is_ok()
        })
}

fn until_nul(data: &[u8]) -> Vec<u8> {
    data.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
