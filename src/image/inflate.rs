//! How much a compressed layer inflates.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use crate::image::error::Problem;
use crate::image::limits::Limits;

/// A compressed stream that tells how much of it was taken.
pub(crate) struct Compressed<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
}

/// What a decoder makes of a compressed stream. It fails where that is out of proportion.
pub(crate) struct Inflated<R> {
    decoder: R,
    taken: Rc<Cell<u64>>,
    given: u64,
    factor: u64,
    floor: u64,
}

impl<R: BufRead> Compressed<R> {
    /// A stream that a decoder is to read.
    pub(crate) fn new(inner: R) -> Self {
        Compressed { inner, taken: Rc::default() }
    }

    /// The bound for what the decoder that is made of this stream gives.
    pub(crate) fn bound<D: BufRead>(
        self,
        limits: &Limits,
        decoder: impl FnOnce(Self) -> io::Result<D>,
    ) -> io::Result<Inflated<D>> {
        let taken = Rc::clone(&self.taken);
        Ok(Inflated {
            decoder: decoder(self)?,
            taken,
            given: 0,
            factor: limits.inflation,
            floor: limits.inflation_floor,
        })
    }
}

impl<R: BufRead> Read for Compressed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Compressed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.taken.set(self.taken.get() + count as u64);
        self.inner.consume(count);
    }
}

impl<R: BufRead> Read for Inflated<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Inflated<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.given > self.floor && self.given > self.taken.get().saturating_mul(self.factor) {
            return Err(Problem::TooLarge {
                limit: self.factor,
                unit: "times its compressed size",
            }
            .into());
        }
        self.decoder.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.given += count as u64;
        self.decoder.consume(count);
    }
}
