//! One block compressed by itself.

use std::io;

use flate2::{Compress, Compression, Crc, FlushCompress};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::encoding::{Encoding, EncodingForm};

/// Compresses blocks, each as if there were no other.
pub(super) enum Encoder {
    Gzip(Box<Compress>),
    Zstd(Box<Compressor<'static>>),
}

/// What the whole has to say of a block.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Its uncompressed length in bytes.
    pub length: u32,
    /// Where that is gzip's.
    pub crc: Crc,
}

/// A block of nothing but zeros, compressed.
#[derive(Debug)]
pub(super) struct Zeros {
    pub checks: Checks,
    pub bytes: Vec<u8>,
}

impl Encoder {
    pub fn new(encoding: Encoding) -> io::Result<Self> {
        let level = encoding.level();
        Ok(match encoding.form() {
            EncodingForm::Gzip => {
                let level = Compression::new(level.unsigned_abs());
                Self::Gzip(Box::new(Compress::new(level, false)))
            }
            EncodingForm::Zstd => {
                let mut compressor = Compressor::new(level)?;
                // Its last four bytes are what the table of all frames has, too.
                compressor.set_parameter(CParameter::ChecksumFlag(true))?;
                Self::Zstd(Box::new(compressor))
            }
        })
    }

    /// Compresses a block into `compressed`, in place of what is there.
    ///
    /// # Errors
    /// The library's, as without memory.
    pub fn encode(&mut self, raw: &[u8], compressed: &mut Vec<u8>) -> io::Result<Checks> {
        compressed.clear();
        let mut checks = Checks {
            length: u32::try_from(raw.len()).map_err(io::Error::other)?,
            crc: Crc::new(),
        };
        match self {
            Self::Gzip(compress) => {
                deflate(compress, raw, compressed)?;
                checks.crc.update(raw);
            }
            Self::Zstd(compressor) => {
                compressed.reserve(compress_bound(raw.len()));
                compressor.compress_to_buffer(raw, compressed)?;
            }
        }
        Ok(checks)
    }

    /// A block of zeros.
    pub fn zeros(&mut self, encoding: Encoding) -> io::Result<Zeros> {
        let mut bytes = Vec::new();
        let checks = self.encode(&vec![0; encoding.block_bytes()], &mut bytes)?;
        bytes.shrink_to_fit();
        Ok(Zeros { checks, bytes })
    }
}

/// Deflates up to the border of a byte, so that another block can follow (RFC 1951; zlib's
/// `Z_SYNC_FLUSH`).
fn deflate(compress: &mut Compress, raw: &[u8], target: &mut Vec<u8>) -> io::Result<()> {
    compress.reset();
    let mut taken = 0;
    loop {
        // Room for what does not shrink, and some more, so that the flush fits the first time.
        target.reserve((raw.len() - taken) + (raw.len() >> 8) + 1024);
        let before = compress.total_in();
        let done = compress.compress_vec(&raw[taken..], target, FlushCompress::Sync);
        done.map_err(io::Error::other)?;
        taken += usize::try_from(compress.total_in() - before).map_err(io::Error::other)?;
        // All is flushed as soon as there is room left (zlib.h, `deflate`).
        if taken == raw.len() && target.len() < target.capacity() {
            return Ok(());
        }
    }
}
