//! What a filesystem is born with, and what names it: the first is known before anything is
//! planned, the second need not be before the tree is in.

use crate::oci::DigestHasher;
use crate::ondisk::inode::{EARLIEST_SECOND, LATEST_SECOND};
use crate::ondisk::xattr::Note;
use crate::tree::Recipe;
use crate::units::{Hex, Timestamp, parse_hex};

/// What a filesystem is born with: nothing of it depends on what its tree was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// `s_hash_seed`, in the byte order of a UUID; [`HASH_SEED`] where no other is wanted.
    pub hash_seed: [u8; 16],
    /// `s_volume_name`: at most 16 bytes.
    pub label: String,
    /// When the filesystem was made, in seconds since 1970; see [`Self::inode_seconds`] and
    /// [`Self::superblock_seconds`] for what is written.
    pub made_seconds: i64,
}

/// The hash seed of every filesystem: with a seed of its own each version of an image would have the
/// names of its large directories in another order, and no block of them in common with the last.
/// Of version 8 (RFC 9562), the start of the SHA-256 of `layerpress directory hash seed` and a
/// line's end.
pub const HASH_SEED: [u8; 16] = [
    0xe5, 0xb4, 0x63, 0x31, 0x8b, 0xc4, 0x85, 0x80, 0x8e, 0xf5, 0xe6, 0x08, 0xaa, 0x57, 0xc0, 0x91,
];

/// What a filesystem is called until it is sealed, `s_uuid`: told to mke2fs, which else would make
/// one by chance. Of the same kind, from `layerpress place-holder UUID`.
pub const PLACE_HOLDER_UUID: [u8; 16] = [
    0x34, 0xf9, 0xe5, 0x81, 0xa3, 0x02, 0x87, 0xd5, 0x9e, 0x35, 0x85, 0x69, 0x86, 0x72, 0xd4, 0xb4,
];

/// What stands for the chain ID in `lost+found` until the filesystem is sealed.
pub const PLACE_HOLDER_CHAIN_ID: [u8; 32] = [0; 32];

impl Birth {
    /// Of a filesystem made at a time, without a label.
    pub fn at(made: Timestamp) -> Self {
        Self {
            hash_seed: HASH_SEED,
            label: String::new(),
            made_seconds: made.seconds,
        }
    }

    /// The time of the inodes that mke2fs makes, within what inodes hold. mke2fs takes the second 0
    /// for "now", so that becomes 1.
    pub fn inode_seconds(&self) -> i64 {
        match self.made_seconds.clamp(EARLIEST_SECOND, LATEST_SECOND) {
            0 => 1,
            seconds => seconds,
        }
    }

    /// The superblock's time: the same, but for what is before its first second.
    pub fn superblock_seconds(&self) -> u64 {
        self.inode_seconds().max(1).cast_unsigned()
    }

    /// What mke2fs is told; beyond, its inodes would be of 1901 and later.
    pub fn mke2fs_seconds(&self) -> u32 {
        self.inode_seconds().clamp(1, i64::from(i32::MAX)) as u32
    }

    /// The hash seed as the four words the directory hash starts from.
    pub fn hash_seed_words(&self) -> [u32; 4] {
        std::array::from_fn(|word| {
            let bytes = &self.hash_seed[4 * word..];
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        })
    }
}

/// What names a filesystem. It is of the tree and of nothing else: the same in whatever kind, size
/// and journal, from whichever source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `s_uuid`.
    pub uuid: [u8; 16],
    /// What the filesystem tells of what it was made from: the chain ID of what is nothing but an
    /// image's layers, if that is a SHA-256, for which alone there is room; else the recipe's digest.
    pub note: Option<Note>,
}

impl Identity {
    /// The identity that a recipe gives: the same recipe, the same identity. The UUID is of version 8
    /// (RFC 9562), made from the recipe's text.
    pub fn of_recipe(recipe: &Recipe) -> Self {
        let sha256 = |digest: &str| digest.strip_prefix("sha256:").map(hex_bytes);
        Self {
            uuid: derive("layerpress filesystem UUID", &recipe.to_string()),
            note: match recipe.chain_id() {
                Some(chain_id) => sha256(chain_id.0.as_ref()).map(Note::ChainId),
                None => sha256(recipe.digest().as_ref()).map(Note::Recipe),
            },
        }
    }
}

fn derive(purpose: &str, text: &str) -> [u8; 16] {
    let mut hasher = DigestHasher::sha256();
    hasher.update(format!("{purpose}\n{text}").as_bytes());
    let digest = hasher.finish();
    let mut uuid: [u8; 16] = hex_bytes(digest.digest());
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

/// The first bytes of a digest.
fn hex_bytes<const N: usize>(hex: &str) -> [u8; N] {
    // A digest is hexadecimal throughout, and at least 32 bytes long.
    let bytes = parse_hex(hex.as_bytes()).unwrap_or_default();
    std::array::from_fn(|index| bytes[index])
}

/// A UUID in its usual form.
pub fn uuid_text(uuid: [u8; 16]) -> String {
    let hex = Hex(&uuid).to_string();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

/// Reads a UUID in its usual form.
///
/// # Errors
/// A sentence about what was expected.
pub fn parse_uuid(text: &str) -> Result<[u8; 16], String> {
    let expected = || {
        format!("'{text}' is not a UUID: expected 8-4-4-4-12 hexadecimal digits, as uuidgen prints")
    };
    let lengths = text.split('-').map(str::len);
    if !lengths.eq([8, 4, 4, 4, 12]) {
        return Err(expected());
    }
    let digits: String = text.split('-').collect();
    let uuid = parse_hex(digits.as_bytes()).and_then(|uuid| uuid.try_into().ok());
    uuid.ok_or_else(expected)
}

/// Reads a filesystem's label.
///
/// # Errors
/// A sentence about what was expected.
pub fn parse_label(text: &str) -> Result<String, String> {
    if text.len() > 16 {
        return Err(format!(
            "expected a label of at most 16 bytes, found {}",
            text.len()
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::DiffId;

    fn identity(last: char) -> Identity {
        let digest = format!("sha256:{}{last}", "0".repeat(63));
        let recipe = Recipe::of_layers(&[DiffId(digest.parse().unwrap())]);
        Identity::of_recipe(&recipe)
    }

    #[test]
    fn an_identity_depends_on_the_recipe_and_is_well_formed() {
        let one = identity('1');
        assert_eq!(one, identity('1'));
        assert_ne!(one.uuid, identity('2').uuid);
        let Some(Note::ChainId(told)) = one.note else {
            panic!("{one:?}");
        };
        assert_eq!(told[31], 1);
        // What was derived from the chain ID before there were recipes.
        let known = "1a4ab4a0-a086-86c8-b2b1-5b372a52db65";
        assert_eq!(uuid_text(one.uuid), known);
        let text = uuid_text(one.uuid);
        assert_eq!(&text[14..15], "8");
        assert!("89ab".contains(&text[19..20]));
        assert_eq!(parse_uuid(&text), Ok(one.uuid));
    }

    #[test]
    fn what_every_filesystem_has_in_common_is_what_its_words_give() {
        assert_eq!(HASH_SEED, derive("layerpress directory hash seed", ""));
        assert_eq!(
            PLACE_HOLDER_UUID,
            derive("layerpress place-holder UUID", "")
        );
        let words = Birth::at(Timestamp::from_seconds(5)).hash_seed_words();
        assert_eq!(words[0], 0x3163_b4e5);
    }

    /// Bug: superblock and `lost+found` were moved to 1 to 2^31 - 1 without a word, while the root
    /// kept its time. Found by building with an epoch of 4294967295 and of -5.
    #[test]
    fn superblock_and_inodes_have_one_time_as_far_as_a_superblock_reaches() {
        for (seconds, inode, superblock, mke2fs) in [
            (i64::MIN, EARLIEST_SECOND, 1, 1),
            (-5, -5, 1, 1),
            (0, 1, 1, 1),
            (7, 7, 7, 7),
            (1 << 31, 1 << 31, 1 << 31, 2_147_483_647),
            (1 << 33, 1 << 33, 1 << 33, 2_147_483_647),
            (1 << 40, LATEST_SECOND, LATEST_SECOND as u64, 2_147_483_647),
        ] {
            let birth = Birth::at(Timestamp::from_seconds(seconds));
            assert_eq!(birth.inode_seconds(), inode);
            assert_eq!(birth.superblock_seconds(), superblock);
            assert_eq!(birth.mke2fs_seconds(), mke2fs);
        }
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for wrong in [
            "",
            "random",
            "01234567-89ab-cdef-0123-456789abcde",
            "0123456+-89ab-cdef-0123-456789abcdef",
            "é123456-89ab-cdef-0123-456789abcdef",
        ] {
            assert!(parse_uuid(wrong).is_err(), "{wrong}");
        }
    }
}
