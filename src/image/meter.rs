//! A reader that hashes and counts what passes through it, and stops at a bound.

use std::fmt::Write;
use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};

use crate::image::error::Problem;

/// Hashes and counts exactly the bytes that were consumed.
pub(crate) struct Meter<R> {
    inner: R,
    hash: Sha256,
    count: u64,
    limit: u64,
    unit: &'static str,
}

impl<R: BufRead> Meter<R> {
    /// A meter that fails once more than `limit` bytes pass.
    pub(crate) fn new(inner: R, limit: u64, unit: &'static str) -> Self {
        Meter { inner, hash: Sha256::new(), count: 0, limit, unit }
    }

    /// Consumes all that is left, so that the digest covers the whole stream.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        loop {
            let ready = self.fill_buf()?.len();
            if ready == 0 {
                return Ok(());
            }
            self.consume(ready);
        }
    }

    /// The bytes consumed, and their digest as `sha256:<hex>`.
    pub(crate) fn finish(self) -> (u64, String) {
        (self.count, format!("sha256:{}", hex(&self.hash.finalize())))
    }
}

impl<R: BufRead> Read for Meter<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Meter<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let ready = self.inner.fill_buf()?;
        if !ready.is_empty() && self.count >= self.limit {
            return Err(Problem::TooLarge { limit: self.limit, unit: self.unit }.into());
        }
        Ok(ready)
    }

    fn consume(&mut self, count: usize) {
        // The bytes are still in the inner buffer, so this reads nothing and cannot fail.
        if let Ok(ready) = self.inner.fill_buf() {
            self.hash.update(&ready[..count.min(ready.len())]);
        }
        self.count += count as u64;
        self.inner.consume(count);
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The digest of a whole, as `sha256:<hex>`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_covers_what_was_consumed() {
        let mut meter = Meter::new(&b"abc"[..], 10, "bytes");
        meter.drain().unwrap();
        assert_eq!(meter.finish(), (3, sha256(b"abc")));
        assert!(sha256(b"abc").starts_with("sha256:ba7816bf"));
    }

    #[test]
    fn a_stream_of_exactly_the_limit_passes_and_one_more_fails() {
        assert!(Meter::new(&b"abc"[..], 3, "bytes").drain().is_ok());
        let mut small = Meter::new(io::BufReader::with_capacity(1, &b"abcd"[..]), 3, "bytes");
        assert!(small.drain().is_err());
    }
}
