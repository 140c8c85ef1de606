//! A digest of a file's content that costs its data and nothing for its holes.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::units::Hex;

/// Content is looked at in pieces of this many bytes, whatever a filesystem's own block size.
pub const CONTENT_BLOCK_SIZE: usize = 4096;

const ZEROS: [u8; CONTENT_BLOCK_SIZE] = [0; CONTENT_BLOCK_SIZE];

/// The SHA-256 of a file's content in canonical form: for every 4 KiB block that is not all zeros
/// its index (64 bits, little-endian) and the block (the last one filled up with zeros), then the
/// file's length in bytes (64 bits, little-endian).
///
/// Two contents have the same digest when they have the same bytes, be their zeros holes, blocks of
/// zeros or extents of a sparse tar entry; a terabyte of holes costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest(pub [u8; 32]);

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocks:{}", Hex(&self.0))
    }
}

/// Computes a [`ContentDigest`] from pieces of data in ascending order; what lies between is zeros.
#[derive(Clone)]
pub struct ContentHasher {
    sha256: Sha256,
    /// The block that `position_bytes` lies in, as far as it was given; zeros elsewhere.
    block: [u8; CONTENT_BLOCK_SIZE],
    position_bytes: u64,
}

impl fmt::Debug for ContentHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHasher at {}", self.position_bytes)
    }
}

impl Default for ContentHasher {
    fn default() -> Self {
        Self {
            sha256: Sha256::new(),
            block: ZEROS,
            position_bytes: 0,
        }
    }
}

impl ContentHasher {
    /// The digest of `content` alone.
    pub fn digest(content: &[u8]) -> ContentDigest {
        let mut hasher = Self::default();
        hasher.ascending_data(0, content);
        hasher.finish(content.len() as u64)
    }

    /// Takes in `bytes` that stand at `offset_bytes` in the file.
    ///
    /// # Errors
    /// When the offset lies before the end of the bytes taken in so far.
    pub fn data(&mut self, offset_bytes: u64, bytes: &[u8]) -> Result<(), String> {
        let end = self.position_bytes;
        if offset_bytes < end {
            return Err(format!(
                "data at byte {offset_bytes} comes after data up to byte {end}"
            ));
        }
        self.ascending_data(offset_bytes, bytes);
        Ok(())
    }

    fn ascending_data(&mut self, offset_bytes: u64, mut bytes: &[u8]) {
        if index(offset_bytes) != index(self.position_bytes) {
            self.flush();
        }
        self.position_bytes = offset_bytes;
        while !bytes.is_empty() {
            let within = within(self.position_bytes);
            let length = bytes.len().min(CONTENT_BLOCK_SIZE - within);
            let (piece, rest) = bytes.split_at(length);
            if length == CONTENT_BLOCK_SIZE {
                Self::take(&mut self.sha256, index(self.position_bytes), piece);
            } else {
                self.block[within..within + length].copy_from_slice(piece);
                if within + length == CONTENT_BLOCK_SIZE {
                    self.flush();
                }
            }
            self.position_bytes = self.position_bytes.saturating_add(length as u64);
            bytes = rest;
        }
    }

    fn flush(&mut self) {
        Self::take(&mut self.sha256, index(self.position_bytes), &self.block);
        self.block = ZEROS;
    }

    fn take(sha256: &mut Sha256, index: u64, block: &[u8]) {
        if block != ZEROS {
            sha256.update(index.to_le_bytes());
            sha256.update(block);
        }
    }

    /// The digest of a file of `size_bytes` bytes.
    pub fn finish(mut self, size_bytes: u64) -> ContentDigest {
        self.flush();
        self.sha256.update(size_bytes.to_le_bytes());
        ContentDigest(self.sha256.finalize().into())
    }
}

fn index(offset_bytes: u64) -> u64 {
    offset_bytes / CONTENT_BLOCK_SIZE as u64
}

fn within(offset_bytes: u64) -> usize {
    // The remainder is below 4096.
    (offset_bytes % CONTENT_BLOCK_SIZE as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, word for word.
    fn by_definition(content: &[u8]) -> ContentDigest {
        let mut stream = Vec::new();
        for (index, block) in content.chunks(4096).enumerate() {
            if block.iter().any(|byte| *byte != 0) {
                stream.extend_from_slice(&(index as u64).to_le_bytes());
                stream.extend_from_slice(block);
                stream.resize(stream.len() + 4096 - block.len(), 0);
            }
        }
        stream.extend_from_slice(&(content.len() as u64).to_le_bytes());
        ContentDigest(Sha256::digest(stream).into())
    }

    fn content(length: usize) -> Vec<u8> {
        let byte = |index: usize| match index / 3000 % 3 {
            1 => 0,
            _ => (index * 31 % 251) as u8,
        };
        (0..length).map(byte).collect()
    }

    #[test]
    fn the_digest_is_what_its_definition_says_however_the_data_is_cut() {
        for length in [0, 1, 4095, 4096, 4097, 8192, 50_000] {
            let content = content(length);
            assert_eq!(ContentHasher::digest(&content), by_definition(&content));
            for piece in [1, 7, 4096, 5000, 65536] {
                let mut hasher = ContentHasher::default();
                for (index, bytes) in content.chunks(piece).enumerate() {
                    hasher.data((index * piece) as u64, bytes).unwrap();
                }
                assert_eq!(hasher.finish(length as u64), by_definition(&content));
            }
        }
    }

    #[test]
    fn holes_equal_zeros_and_cost_nothing() {
        let mut content = vec![0; 100_000];
        content[50_001..50_004].copy_from_slice(b"abc");
        content[50_010..50_013].copy_from_slice(b"def");
        let mut hasher = ContentHasher::default();
        hasher.data(50_001, b"abc").unwrap();
        hasher.data(50_010, b"def").unwrap();
        assert_eq!(hasher.finish(100_000), by_definition(&content));
        let mut huge = ContentHasher::default();
        huge.data(1 << 60, b"x").unwrap();
        huge.finish(u64::MAX);
    }

    #[test]
    fn a_moved_byte_and_a_longer_tail_of_zeros_change_the_digest() {
        let digest = |offset: u64, size: u64| {
            let mut hasher = ContentHasher::default();
            hasher.data(offset, b"x").unwrap();
            hasher.finish(size)
        };
        assert_ne!(digest(0, 9000), digest(1, 9000));
        assert_ne!(digest(0, 9000), digest(4096, 9000));
        assert_ne!(digest(0, 9000), digest(0, 9001));
    }

    #[test]
    fn data_out_of_order_is_refused() {
        let mut hasher = ContentHasher::default();
        hasher.data(10, b"abc").unwrap();
        assert!(hasher.data(12, b"x").is_err());
        assert!(hasher.data(13, b"x").is_ok());
    }
}
