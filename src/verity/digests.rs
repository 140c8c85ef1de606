//! The salt, and the hash at the root of a tree.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::DIGEST_BYTES;
use crate::units::{Hex, parse_hex};

/// Bytes that a salt has at most: there is no room for more in the superblock.
pub const MAX_SALT_BYTES: usize = 256;

/// What is hashed before each block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salt(Vec<u8>);

impl Salt {
    /// A salt of these bytes; `None` where they are more than 256.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_SALT_BYTES).then(|| Self(bytes.to_vec()))
    }

    /// Its bytes, at most 256.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Computes digests behind this salt.
    pub(super) fn hasher(&self) -> BlockHasher {
        BlockHasher(Sha256::new_with_prefix(&self.0))
    }
}

impl Default for Salt {
    /// 32 zero bytes, as containerd and hcsshim have it: the root hash is a function of the
    /// filesystem alone then.
    fn default() -> Self {
        Self(vec![0; DIGEST_BYTES])
    }
}

/// Hexadecimal digits; none for a salt without bytes.
impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl FromStr for Salt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = parse_hex(text.as_bytes()).ok_or_else(|| {
            format!("'{text}' is no salt: expected an even number of hexadecimal digits")
        })?;
        Self::new(&bytes).ok_or_else(|| {
            format!(
                "expected a salt of at most {MAX_SALT_BYTES} bytes, found {}",
                bytes.len()
            )
        })
    }
}

/// The digest of a tree's topmost block, or of the only data block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootHash(pub [u8; DIGEST_BYTES]);

/// 64 hexadecimal digits.
impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl FromStr for RootHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = parse_hex(text.as_bytes()).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| {
            format!(
                "expected the 64 hexadecimal digits that a build with --verity tells and leaves in OUTPUT.roothash (--roothash \"$(cat OUTPUT.roothash)\"), found '{text}'"
            )
        })
    }
}

/// Hashes blocks behind a salt.
#[derive(Clone)]
pub(super) struct BlockHasher(Sha256);

impl BlockHasher {
    /// The digest of a block.
    pub fn digest(&self, block: &[u8]) -> [u8; DIGEST_BYTES] {
        self.0.clone().chain_update(block).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_up_to_256_bytes_and_goes_before_the_block() {
        assert_eq!(Salt::default().to_string(), "0".repeat(64));
        assert_eq!("".parse(), Ok(Salt(Vec::new())));
        assert_eq!("aB01".parse(), Ok(Salt(vec![0xab, 1])));
        assert!("00".repeat(256).parse::<Salt>().is_ok());
        for (wrong, why) in [
            ("abc".to_owned(), "even number"),
            ("0x00".to_owned(), "hexadecimal"),
            ("00".repeat(257), "found 257"),
        ] {
            let error = wrong.parse::<Salt>().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        // printf 'abc' | sha256sum
        let salted = Salt(b"a".to_vec()).hasher().digest(b"bc");
        assert!(
            RootHash(salted)
                .to_string()
                .starts_with("ba7816bf8f01cfea414140de5dae2223")
        );
    }

    #[test]
    fn a_root_hash_is_64_digits_and_an_error_says_where_to_find_it() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex.parse::<RootHash>().unwrap().to_string(), hex);
        assert_eq!(hex.to_uppercase().parse::<RootHash>(), hex.parse());
        for wrong in ["", &hex[1..], "@img.roothash", &format!("{hex}\n")] {
            let error = wrong.parse::<RootHash>().unwrap_err();
            assert!(error.contains("OUTPUT.roothash"), "{error}");
        }
    }
}
