//! A tar's bytes, in blocks and stretches, with the position known.

use super::header::BLOCK;
use crate::error::{Error, Result};
use crate::page_buffer::PageBuffer;

/// Bytes read at once: a multiple of the block size, so that no block straddles the buffer's end.
pub const BUFFER_BYTES: usize = 256 << 10;

/// Where a tar's bytes come from, the next one first.
pub trait TarBytes {
    /// Puts the next bytes into a buffer of [`BUFFER_BYTES`], or another such one in its place;
    /// gives how many, 0 at the end only.
    ///
    /// # Errors
    /// Those of reading.
    fn next(&mut self, buffer: &mut PageBuffer) -> Result<usize>;

    /// Leaves out up to `length` of the next bytes; gives how many. What cannot go on without
    /// reading leaves out none.
    ///
    /// # Errors
    /// As reading them would have.
    fn leave_out(&mut self, _length: u64) -> Result<u64> {
        Ok(0)
    }
}

/// Reads a tar from start to end.
pub(super) struct Blocks<R> {
    reader: R,
    buffer: PageBuffer,
    start: usize,
    end: usize,
    position: u64,
}

impl<R: TarBytes> Blocks<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: PageBuffer::new(BUFFER_BYTES),
            start: 0,
            end: 0,
            position: 0,
        }
    }

    /// Where the next byte is in the uncompressed tar.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes, `most` at most; none at the end only.
    fn take(&mut self, most: u64) -> Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, self.reader.next(&mut self.buffer)?);
        }
        let available = &self.buffer[self.start..self.end];
        let length =
            usize::try_from(most).map_or(available.len(), |most| most.min(available.len()));
        self.start += length;
        self.position += length as u64;
        Ok(&available[..length])
    }

    /// Fills as much of `target` as there is left; gives how much that was.
    pub(super) fn fill(&mut self, target: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < target.len() {
            let rest = &mut target[filled..];
            let piece = self.take(rest.len() as u64)?;
            if piece.is_empty() {
                break;
            }
            rest[..piece.len()].copy_from_slice(piece);
            filled += piece.len();
        }
        Ok(filled)
    }

    /// The next block, which must be there.
    pub(super) fn block(&mut self, what: &str) -> Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        match self.fill(&mut block)? {
            BLOCK => Ok(block),
            got => Err(self.truncated(what, (BLOCK - got) as u64)),
        }
    }

    /// The next `length` bytes and the padding after them. The caller has held `length` against a
    /// limit; what is not there is not allocated for.
    pub(super) fn payload(&mut self, length: u64, what: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut missing = length;
        while missing > 0 {
            let piece = self.take(missing)?;
            if piece.is_empty() {
                return Err(self.truncated(what, missing));
            }
            bytes.extend_from_slice(piece);
            missing -= piece.len() as u64;
        }
        missing = self.skip(padding(length))?;
        if missing > 0 {
            return Err(self.truncated(what, missing));
        }
        Ok(bytes)
    }

    /// Passes over `length` bytes; gives how many of them were missing.
    pub(super) fn skip(&mut self, length: u64) -> Result<u64> {
        let mut left = length;
        while left > 0 {
            if self.start == self.end {
                let left_out = self.reader.leave_out(left)?;
                self.position += left_out;
                left -= left_out;
                if left == 0 {
                    break;
                }
            }
            let passed = self.take(left)?.len();
            if passed == 0 {
                break;
            }
            left -= passed as u64;
        }
        Ok(left)
    }

    /// Reads to the end; tells whether only zeros came.
    pub(super) fn drain(&mut self) -> Result<bool> {
        let mut zero = true;
        loop {
            let piece = self.take(u64::MAX)?;
            if piece.is_empty() {
                return Ok(zero);
            }
            zero = zero && piece.iter().all(|byte| *byte == 0);
        }
    }

    pub(super) fn truncated(&self, what: &str, missing: u64) -> Error {
        Error::bad_image(format!(
            "the tar ends at byte {} within {what}: expected {missing} more bytes",
            self.position
        ))
    }
}

/// Bytes from the end of `length` bytes of data to the next block.
pub(super) fn padding(length: u64) -> u64 {
    length.wrapping_neg() % BLOCK as u64
}
