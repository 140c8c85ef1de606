//! What stands before and behind the compressed blocks, and the sums over all of them.

use flate2::Crc;

use super::encoder::Checks;
use super::encoding::{Encoding, EncodingForm};

/// The whole in the making.
#[derive(Debug)]
pub(super) struct Assembly {
    encoding: Encoding,
    crc: Crc,
    /// Of each zstd frame its compressed and its uncompressed length in bytes, and the lowest 32 bits of
    /// the XXH64 of its content.
    frames: Vec<[u32; 3]>,
}

/// The first bytes of a skippable frame with a seek table, little-endian.
const SKIPPABLE_MAGIC: u32 = 0x184d_2a5e;

/// The last bytes of a file of zstd's seekable format, little-endian.
const SEEKABLE_MAGIC: u32 = 0x8f92_eab1;

/// That the table has checksums.
const HAS_CHECKSUMS: u8 = 1 << 7;

/// Bytes of the table's footer.
const FOOTER_BYTES: u32 = 9;

impl Assembly {
    pub fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            crc: Crc::new(),
            frames: Vec::new(),
        }
    }

    /// What comes first.
    pub fn head(&self) -> Vec<u8> {
        match self.encoding.form() {
            // RFC 1952, 2.3: no name and no time, made on Unix.
            EncodingForm::Gzip => {
                let effort = match self.encoding.level() {
                    9 => 2,
                    1 => 4,
                    _ => 0,
                };
                vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 3]
            }
            EncodingForm::Zstd => Vec::new(),
        }
    }

    /// Takes note of the next block.
    pub fn add(&mut self, checks: &Checks, compressed: &[u8]) {
        match self.encoding.form() {
            EncodingForm::Gzip => self.crc.combine(&checks.crc),
            EncodingForm::Zstd => {
                // A frame ends with the checksum of its content (RFC 8878, 3.1.1).
                let checksum = compressed
                    .last_chunk()
                    .map_or(0, |last| u32::from_le_bytes(*last));
                // Of 4 MiB at most.
                let length = u32::try_from(compressed.len()).unwrap_or(u32::MAX);
                self.frames.push([length, checks.length, checksum]);
            }
        }
    }

    /// What comes last.
    pub fn tail(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.encoding.form() {
            EncodingForm::Gzip => {
                // An empty block that is the last (RFC 1951, 3.2.6).
                bytes.extend_from_slice(&[3, 0]);
                bytes.extend_from_slice(&self.crc.sum().to_le_bytes());
                // The length modulo 2^32.
                bytes.extend_from_slice(&self.crc.amount().to_le_bytes());
            }
            EncodingForm::Zstd => {
                // As many blocks of 4 MiB as no file has.
                let count = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
                let table = count.saturating_mul(12).saturating_add(FOOTER_BYTES);
                bytes.extend_from_slice(&SKIPPABLE_MAGIC.to_le_bytes());
                bytes.extend_from_slice(&table.to_le_bytes());
                for frame in &self.frames {
                    for number in frame {
                        bytes.extend_from_slice(&number.to_le_bytes());
                    }
                }
                bytes.extend_from_slice(&count.to_le_bytes());
                bytes.push(HAS_CHECKSUMS);
                bytes.extend_from_slice(&SEEKABLE_MAGIC.to_le_bytes());
            }
        }
        bytes
    }
}
