//! A file in blocks of one length.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::host_space::is_hole;

/// A block that is in a buffer, or is zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// In bytes; only the last one's is less than the others'.
    pub length: usize,
    pub is_zeros: bool,
}

/// Gives one block after the other.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    file: &'a File,
    length_bytes: u64,
    block_bytes: usize,
    done_bytes: u64,
    /// Some zeros.
    zeros: Vec<u8>,
}

/// Zeros told at once.
const ZEROS_BYTES: usize = 256 << 10;

impl<'a> Blocks<'a> {
    pub fn new(file: &'a File, length_bytes: u64, block_bytes: usize) -> Self {
        Self {
            file,
            length_bytes,
            block_bytes,
            done_bytes: 0,
            zeros: vec![0; ZEROS_BYTES],
        }
    }

    /// The next block, its bytes at the start of `buffer`, which grows to the length of a block. A
    /// block that lies in a hole is not read, and a buffer that is empty stays so.
    ///
    /// # Errors
    /// The file's; that it has become shorter is one.
    pub fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Block>> {
        let start = self.done_bytes;
        let left = self.length_bytes - start;
        if left == 0 {
            return Ok(None);
        }
        let length =
            usize::try_from(left).map_or(self.block_bytes, |left| left.min(self.block_bytes));
        let end = start + length as u64;
        self.done_bytes = end;
        let is_whole = length == self.block_bytes;
        // Zeros in a block that is shorter are compressed like any other.
        if is_whole && is_hole(self.file, start, end) {
            return Ok(Some(Block {
                length,
                is_zeros: true,
            }));
        }
        buffer.resize(self.block_bytes, 0);
        self.file.read_exact_at(&mut buffer[..length], start)?;
        let is_zeros = is_whole && is_zeros(&buffer[..length]);
        Ok(Some(Block { length, is_zeros }))
    }

    /// Passes a block's bytes on.
    pub fn tell(&self, block: &Block, buffer: &[u8], to: &mut dyn FnMut(&[u8])) {
        if !block.is_zeros {
            return to(&buffer[..block.length]);
        }
        let mut left = block.length;
        while left > 0 {
            let now = left.min(self.zeros.len());
            to(&self.zeros[..now]);
            left -= now;
        }
    }
}

fn is_zeros(bytes: &[u8]) -> bool {
    // In pieces, so that most blocks are told by their first bytes.
    let mut pieces = bytes.chunks(512);
    pieces.all(|piece| piece.iter().fold(0, |all, byte| all | byte) == 0)
}
