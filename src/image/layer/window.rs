//! A file in pieces of bounded size that overlap, so that nothing is missed at an edge.

use std::io::{self, BufRead};

use crate::image::error::Problem;
use crate::image::limits::PARSED_BYTES;
use crate::image::secrets::{literals, text};
use crate::image::tools::signatures;

/// How much is enough to see what a file is, in bytes.
const HEAD: usize = 8 * 1024;
/// The size of a piece, in bytes.
const PIECE: usize = 1 << 20;
/// How much of a piece is seen again in the next one, in bytes.
const OVERLAP: usize = {
    let longest = if text::OVERLAP > literals::OVERLAP { text::OVERLAP } else { literals::OVERLAP };
    if longest > signatures::OVERLAP { longest } else { signatures::OVERLAP }
};

/// The memory for pieces, used for one file after the other.
#[derive(Default)]
pub(crate) struct Window {
    buffer: Vec<u8>,
}

/// One piece of a file.
pub(crate) struct Piece<'a> {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    pub(crate) bytes: &'a [u8],
    /// How many of the bytes the next piece will not begin with again.
    pub(crate) fresh: usize,
}

/// Hands out the pieces of one file.
pub(crate) struct Pieces<'a, R> {
    buffer: &'a mut Vec<u8>,
    data: R,
    offset: u64,
    size: usize,
    ended: bool,
    /// The bytes of the last piece that the next one does not need.
    spent: usize,
    started: bool,
}

impl Window {
    /// Begins a new file.
    pub(crate) fn open<R: BufRead>(&mut self, data: R) -> Pieces<'_, R> {
        self.buffer.clear();
        Pieces {
            buffer: &mut self.buffer,
            data,
            offset: 0,
            size: PIECE,
            ended: false,
            spent: 0,
            started: false,
        }
    }
}

impl<R: BufRead> Pieces<'_, R> {
    /// The beginning of the file; the first piece will hold it too.
    pub(crate) fn head(&mut self) -> Result<&[u8], Problem> {
        self.fill(HEAD)?;
        Ok(self.buffer)
    }

    /// Asks for the file in one piece. The caller has seen to it that it is not too long.
    pub(crate) fn whole(&mut self, whole: bool) {
        self.size = if whole { PARSED_BYTES as usize + 1 } else { PIECE };
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Piece<'_>>, Problem> {
        if self.started && self.ended {
            return Ok(None);
        }
        self.started = true;
        self.buffer.drain(..self.spent);
        self.offset += self.spent as u64;
        self.fill(self.size)?;
        self.spent = if self.ended { 0 } else { self.buffer.len().saturating_sub(OVERLAP) };
        let fresh = if self.ended { self.buffer.len() } else { self.spent };
        Ok(Some(Piece { offset: self.offset, bytes: self.buffer, fresh }))
    }

    fn fill(&mut self, size: usize) -> Result<(), Problem> {
        while !self.ended && self.buffer.len() < size {
            let ready = match self.data.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let count = ready.len().min(size - self.buffer.len());
            self.buffer.extend_from_slice(&ready[..count]);
            self.data.consume(count);
            self.ended = count == 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_seen_and_edges_twice() {
        let data: Vec<u8> = (0..3 * PIECE + 17).map(|at| (at % 251) as u8).collect();
        let mut window = Window::default();
        let mut pieces = window.open(&data[..]);
        assert_eq!(pieces.head().unwrap(), &data[..HEAD]);
        let mut fresh = 0;
        while let Some(piece) = pieces.next_piece().unwrap() {
            assert_eq!(piece.offset, fresh as u64);
            let at = piece.offset as usize;
            assert_eq!(piece.bytes, &data[at..at + piece.bytes.len()]);
            fresh += piece.fresh;
        }
        assert_eq!(fresh, data.len());
    }

    #[test]
    fn an_empty_file_is_one_empty_piece() {
        let mut window = Window::default();
        let mut pieces = window.open(&b""[..]);
        assert!(pieces.next_piece().unwrap().unwrap().bytes.is_empty());
        assert!(pieces.next_piece().unwrap().is_none());
    }
}
