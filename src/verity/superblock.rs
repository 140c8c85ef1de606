//! The superblock before a tree: cryptsetup's "DM-Verity On-Disk Format". Little-endian.

use super::{BLOCK_BYTES, MAX_SALT_BYTES, Salt};
use crate::error::{Error, Result};

/// Bytes that a superblock takes; the rest of its block is zeros.
const SUPERBLOCK_BYTES: usize = 512;

const SIGNATURE: &[u8; 8] = b"verity\0\0";
const VERSION: usize = 8;
const HASH_TYPE: usize = 12;
const UUID: usize = 16;
const ALGORITHM: usize = 32;
const DATA_BLOCK_SIZE: usize = 64;
const HASH_BLOCK_SIZE: usize = 68;
const DATA_BLOCKS: usize = 72;
const SALT_SIZE: usize = 80;
const SALT: usize = 88;

/// The only algorithm that is written and read here.
const SHA256: &str = "sha256";

/// What a superblock says, where it is one that can be read here: version 1, hash type 1, SHA-256,
/// blocks of 4096 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// The UUID of the tree; layerpress gives it the filesystem's.
    pub uuid: [u8; 16],
    /// Blocks of data, 1 and more.
    pub data_blocks: u64,
    /// What is hashed before each block.
    pub salt: Salt,
}

/// Whether bytes begin as a superblock does.
pub fn is_signed(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

impl Superblock {
    /// The whole block.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK_BYTES as usize];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        let salt = self.salt.bytes();
        put(0, SIGNATURE);
        put(VERSION, &1_u32.to_le_bytes());
        put(HASH_TYPE, &1_u32.to_le_bytes());
        put(UUID, &self.uuid);
        put(ALGORITHM, SHA256.as_bytes());
        put(DATA_BLOCK_SIZE, &(BLOCK_BYTES as u32).to_le_bytes());
        put(HASH_BLOCK_SIZE, &(BLOCK_BYTES as u32).to_le_bytes());
        put(DATA_BLOCKS, &self.data_blocks.to_le_bytes());
        // 256 at most.
        put(SALT_SIZE, &(salt.len() as u16).to_le_bytes());
        put(SALT, salt);
        bytes
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Error::BadImage`] where it is none or its numbers make no sense, [`Error::Unsupported`] for
    /// other algorithms and block sizes.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let Some(bytes) = bytes.first_chunk::<SUPERBLOCK_BYTES>() else {
            return Err(Error::bad_image(format!(
                "expected a verity superblock of {SUPERBLOCK_BYTES} bytes, found {}",
                bytes.len()
            )));
        };
        if !is_signed(bytes) {
            return Err(Error::bad_image(
                "expected a verity superblock, found something else",
            ));
        }
        let number = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let name = &bytes[ALGORITHM..DATA_BLOCK_SIZE];
        let end = name.iter().position(|byte| *byte == 0);
        let algorithm = String::from_utf8_lossy(&name[..end.unwrap_or(name.len())]);
        let unfit = |what: &str, expected: &str, found: &dyn std::fmt::Display| {
            Err(Error::unsupported(format!(
                "verity superblock: expected {what} {expected}, found {found} (`veritysetup verify` may read it)"
            )))
        };
        for (what, at, expected) in [
            ("version", VERSION, 1),
            ("hash type", HASH_TYPE, 1),
            ("data blocks of bytes:", DATA_BLOCK_SIZE, BLOCK_BYTES as u32),
            ("hash blocks of bytes:", HASH_BLOCK_SIZE, BLOCK_BYTES as u32),
        ] {
            let found = number(at);
            if found != expected {
                return unfit(what, &expected.to_string(), &found);
            }
        }
        if algorithm != SHA256 {
            return unfit("the algorithm", SHA256, &algorithm);
        }
        let [low, high] = [number(DATA_BLOCKS), number(DATA_BLOCKS + 4)];
        let data_blocks = u64::from(high) << 32 | u64::from(low);
        // What 64 bits of bytes can count.
        if data_blocks == 0 || data_blocks > i64::MAX.unsigned_abs() / BLOCK_BYTES {
            return Err(Error::bad_image(format!(
                "verity superblock: expected a number of data blocks, found {data_blocks}"
            )));
        }
        let salt_bytes = usize::from(u16::from_le_bytes([bytes[SALT_SIZE], bytes[SALT_SIZE + 1]]));
        let salt = bytes[SALT..].get(..salt_bytes).and_then(Salt::new);
        let Some(salt) = salt else {
            return Err(Error::bad_image(format!(
                "verity superblock: expected a salt of at most {MAX_SALT_BYTES} bytes, found {salt_bytes}"
            )));
        };
        Ok(Self {
            uuid: std::array::from_fn(|at| bytes[UUID + at]),
            data_blocks,
            salt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Superblock {
        Superblock {
            uuid: *b"layerpress uuid!",
            data_blocks: 0x0102_0304_0506,
            salt: Salt::new(&[7; 256]).unwrap(),
        }
    }

    #[test]
    fn every_field_is_at_the_offset_that_the_format_says() {
        let bytes = superblock().encode();
        assert_eq!(bytes.len(), 4096);
        assert_eq!(bytes[..16], *b"verity\0\0\x01\0\0\0\x01\0\0\0");
        assert_eq!(bytes[16..32], *b"layerpress uuid!");
        assert_eq!(bytes[32..40], *b"sha256\0\0");
        assert_eq!(bytes[64..72], [0, 16, 0, 0, 0, 16, 0, 0]);
        assert_eq!(bytes[72..80], [6, 5, 4, 3, 2, 1, 0, 0]);
        assert_eq!(bytes[80..88], [0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[88..344], [7; 256]);
        assert!(bytes[344..].iter().all(|byte| *byte == 0));
        assert_eq!(Superblock::decode(&bytes).unwrap(), superblock());
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_was_found() {
        let good = superblock().encode();
        for (at, byte, words) in [
            (0, b'V', "something else"),
            (8, 2, "version 1, found 2"),
            (12, 0, "hash type 1, found 0"),
            (65, 2, "4096, found 512"),
            (69, 2, "4096, found 512"),
            (35, b'5', "sha256, found sha556"),
            (79, 255, "a number of data blocks"),
            (80, 1, "found 257"),
        ] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            let error = Superblock::decode(&bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(Superblock::decode(&good[..511]).is_err());
    }
}
