//! A file or a stream in blocks of one length.

use std::fs::File;
use std::io::{self, Read};
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
pub(super) struct Blocks<'a> {
    source: Source<'a>,
    block_bytes: usize,
    /// Some zeros.
    zeros: Vec<u8>,
}

/// Where the blocks come from.
enum Source<'a> {
    File {
        file: &'a File,
        length_bytes: u64,
        done_bytes: u64,
    },
    /// Read to its end.
    Stream(&'a mut (dyn Read + Send)),
}

/// Zeros told at once.
const ZEROS_BYTES: usize = 256 << 10;

impl<'a> Blocks<'a> {
    pub fn new(file: &'a File, length_bytes: u64, block_bytes: usize) -> Self {
        let source = Source::File {
            file,
            length_bytes,
            done_bytes: 0,
        };
        Self::of(source, block_bytes)
    }

    /// Those of what is read, to its end.
    pub fn of_stream(stream: &'a mut (dyn Read + Send), block_bytes: usize) -> Self {
        Self::of(Source::Stream(stream), block_bytes)
    }

    fn of(source: Source<'a>, block_bytes: usize) -> Self {
        Self {
            source,
            block_bytes,
            zeros: vec![0; ZEROS_BYTES],
        }
    }

    /// The next block, its bytes at the start of `buffer`, which grows to the length of a block. A
    /// block that lies in a hole is not read, and a buffer that is empty stays so.
    ///
    /// # Errors
    /// The file's or the stream's; that a file has become shorter is one.
    pub fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Block>> {
        let block_bytes = self.block_bytes;
        let length = match &mut self.source {
            Source::File {
                file,
                length_bytes,
                done_bytes,
            } => {
                let start = *done_bytes;
                let left = *length_bytes - start;
                let length =
                    usize::try_from(left).map_or(block_bytes, |left| left.min(block_bytes));
                let end = start + length as u64;
                *done_bytes = end;
                // Zeros in a block that is shorter are compressed like any other.
                if length == block_bytes && is_hole(file, start, end) {
                    return Ok(Some(Block {
                        length,
                        is_zeros: true,
                    }));
                }
                if length > 0 {
                    buffer.resize(block_bytes, 0);
                    file.read_exact_at(&mut buffer[..length], start)?;
                }
                length
            }
            Source::Stream(stream) => {
                buffer.resize(block_bytes, 0);
                fill(*stream, buffer)?
            }
        };
        let is_zeros = length == block_bytes && is_zeros(&buffer[..length]);
        Ok((length > 0).then_some(Block { length, is_zeros }))
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

/// Reads until the buffer is full or the stream at its end; how far that was.
fn fill(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match stream.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn is_zeros(bytes: &[u8]) -> bool {
    // In pieces, so that most blocks are told by their first bytes.
    let mut pieces = bytes.chunks(512);
    pieces.all(|piece| piece.iter().fold(0, |all, byte| all | byte) == 0)
}
