//! A file or a stream compressed while it is read once, on as many threads as are wanted: the same bytes for any
//! number of them.
//!
//! It is cut into blocks of a fixed length, and each is compressed by itself. So a block of zeros, of
//! which a filesystem has many, is compressed once for all.
//!
//! gzip: one member (RFC 1952) whose deflate blocks end at a byte's border behind each MiB, as pigz's
//! do. zstd: a frame (RFC 8878) for each 4 MiB, with its length and checksum, and behind them the table
//! of all frames by which readers of the seekable format find a place (zstd,
//! contrib/seekable_format/zstd_seekable_compression_format.md).

mod assembly;
mod blocks;
mod encoder;
mod encoding;
mod frames;
mod team;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;

pub use encoding::{Encoding, EncodingForm};
pub use frames::{Frames, Piece, frames};

use assembly::Assembly;
use blocks::Blocks;
use encoder::Encoder;

/// What is done with bytes on their way.
pub struct Streams<'a> {
    /// Takes each of the bytes that are read, in their order; a file's holes are zeros.
    pub raw: &'a mut dyn FnMut(&[u8]),
    /// Takes each of the compressed bytes, in their order.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub compressed: &'a mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
}

/// Why a file could not be compressed.
#[derive(Debug)]
pub enum EncodeError {
    /// It could not be read.
    Read(io::Error),
    /// What came of it could not be written.
    Write(io::Error),
    /// There was not enough memory, or the library failed.
    Encode(io::Error),
}

/// Compresses the first `length_bytes` of a file with at most `jobs` threads.
///
/// # Errors
/// See [`EncodeError`].
pub fn encode(
    file: &File,
    length_bytes: u64,
    encoding: Encoding,
    jobs: NonZeroUsize,
    streams: &mut Streams<'_>,
) -> Result<(), EncodeError> {
    let blocks = Blocks::new(file, length_bytes, encoding.block_bytes());
    encode_blocks(blocks, encoding, jobs, streams)
}

/// Compresses what `stream` gives to its end: the same bytes as of a file with the same content.
///
/// # Errors
/// See [`EncodeError`].
pub fn encode_stream(
    stream: &mut (dyn Read + Send),
    encoding: Encoding,
    jobs: NonZeroUsize,
    streams: &mut Streams<'_>,
) -> Result<(), EncodeError> {
    let blocks = Blocks::of_stream(stream, encoding.block_bytes());
    encode_blocks(blocks, encoding, jobs, streams)
}

fn encode_blocks(
    mut blocks: Blocks<'_>,
    encoding: Encoding,
    jobs: NonZeroUsize,
    streams: &mut Streams<'_>,
) -> Result<(), EncodeError> {
    let mut assembly = Assembly::new(encoding);
    (streams.compressed)(&assembly.head()).map_err(EncodeError::Write)?;
    let jobs = encoding.threads(jobs);
    if !team::encode(&mut blocks, encoding, jobs, &mut assembly, streams)? {
        one_by_one(&mut blocks, encoding, &mut assembly, streams)?;
    }
    (streams.compressed)(&assembly.tail()).map_err(EncodeError::Write)
}

/// The same without other threads.
fn one_by_one(
    blocks: &mut Blocks<'_>,
    encoding: Encoding,
    assembly: &mut Assembly,
    streams: &mut Streams<'_>,
) -> Result<(), EncodeError> {
    let mut encoder = Encoder::new(encoding).map_err(EncodeError::Encode)?;
    let zeros = encoder.zeros(encoding).map_err(EncodeError::Encode)?;
    let (mut raw, mut compressed) = (Vec::new(), Vec::new());
    while let Some(block) = blocks.next(&mut raw).map_err(EncodeError::Read)? {
        blocks.tell(&block, &raw, streams.raw);
        if block.is_zeros && block.length == encoding.block_bytes() {
            assembly.add(&zeros.checks, &zeros.bytes);
            (streams.compressed)(&zeros.bytes).map_err(EncodeError::Write)?;
            continue;
        }
        let checks = encoder.encode(&raw[..block.length], &mut compressed);
        let checks = checks.map_err(EncodeError::Encode)?;
        assembly.add(&checks, &compressed);
        (streams.compressed)(&compressed).map_err(EncodeError::Write)?;
    }
    Ok(())
}
