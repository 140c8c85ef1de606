//! Extended attributes, in the inode and in a block of their own, as they are written and as they
//! are found in any ext filesystem: kernel documentation, "Extended Attributes".

use super::inode::{IN_INODE_XATTR_OFFSET, INODE_BYTES};
use super::{BLOCK, get_u16, get_u32, put_u16, put_u32, within_block};

/// The attribute of mke2fs' `lost+found` that tells which image a filesystem was made from: the
/// 32 bytes of its chain ID, a SHA-256 (OCI image-spec, config.md, "Layer ChainID").
pub const CHAIN_ID_XATTR: &[u8] = b"user.layerpress.chain_id";

/// The attribute in its place where the tree is more than the image's layers: the 32 bytes of its
/// recipe's digest, a SHA-256. It takes as much room.
pub const RECIPE_XATTR: &[u8] = b"user.layerpress.recipe";

/// Whether an attribute of `lost+found` is one of both.
pub fn is_note(name: &[u8]) -> bool {
    name == CHAIN_ID_XATTR || name == RECIPE_XATTR
}

/// What a filesystem tells of what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The chain ID of the layers, and there is nothing else.
    ChainId([u8; 32]),
    /// The digest of the recipe.
    Recipe([u8; 32]),
}

/// The longest name of an attribute that Linux passes on, prefix included (`XATTR_NAME_MAX`). On
/// disk a name without its prefix could have as many; the kernel then lists it and cannot read it.
pub const NAME_MAX: usize = 255;

/// `h_magic`, of an attribute block and of attributes in an inode.
const MAGIC: u32 = 0xea02_0000;

/// Inodes that may share a block (`EXT4_XATTR_REFCOUNT_MAX`).
pub const SHARERS_MAX: u32 = 1024;

const BLOCK_HEADER_BYTES: usize = 32;
/// Bytes that each attribute takes beside its name and its value.
pub const ENTRY_HEADER_BYTES: usize = 16;
const TERMINATOR_BYTES: usize = 4;
const IN_INODE_BYTES: usize = INODE_BYTES - IN_INODE_XATTR_OFFSET;

/// Bytes for attributes in an inode.
pub const IN_INODE_CAPACITY: usize = IN_INODE_BYTES - 4 - TERMINATOR_BYTES;
/// Bytes for attributes in a block.
pub const BLOCK_CAPACITY: usize = BLOCK - BLOCK_HEADER_BYTES - TERMINATOR_BYTES;

/// The attributes that have a number each and no name.
const WHOLE_NAMES: [(u8, &[u8]); 2] = [
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
];
/// The prefixes that numbers stand for.
const PREFIXES: [(u8, &[u8]); 3] = [(1, b"user."), (4, b"trusted."), (6, b"security.")];

/// An attribute to be written. The order is the one the kernel searches a block in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredXattr<'a> {
    /// The number that stands for the name's prefix.
    pub name_index: u8,
    /// The name without its prefix, at most 255 bytes.
    pub name: &'a [u8],
    /// The value.
    pub value: std::borrow::Cow<'a, [u8]>,
}

impl StoredXattr<'_> {
    /// The kernel's order within a block.
    pub fn sort_key(&self) -> (u8, usize, &[u8]) {
        (self.name_index, self.name.len(), self.name)
    }

    /// Bytes it takes: header and name, and the value, each in fours.
    pub fn stored_bytes(&self) -> usize {
        self.entry_bytes() + self.value.len().next_multiple_of(4)
    }

    fn entry_bytes(&self) -> usize {
        ENTRY_HEADER_BYTES + self.name.len().next_multiple_of(4)
    }

    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0_u32, |hash, &byte| {
            // Signed, as on x86: e2fsprogs before 1.47 knows no other way, later ones both.
            hash.rotate_left(5) ^ i32::from(byte.cast_signed()).cast_unsigned()
        });
        self.value.chunks(4).fold(name, |hash, piece| {
            let mut word = [0; 4];
            word[..piece.len()].copy_from_slice(piece);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}

/// The attribute that tells a filesystem's image.
pub fn chain_id_xattr(chain_id: &[u8; 32]) -> Option<StoredXattr<'_>> {
    digest_xattr(CHAIN_ID_XATTR, chain_id)
}

/// The attribute that tells this.
pub fn note_xattr(note: &Note) -> Option<StoredXattr<'_>> {
    match note {
        Note::ChainId(chain_id) => digest_xattr(CHAIN_ID_XATTR, chain_id),
        Note::Recipe(recipe) => digest_xattr(RECIPE_XATTR, recipe),
    }
}

fn digest_xattr<'a>(name: &'static [u8], digest: &'a [u8; 32]) -> Option<StoredXattr<'a>> {
    split_name(name).map(|(name_index, name)| StoredXattr {
        name_index,
        name,
        value: digest[..].into(),
    })
}

/// The number of a full name's prefix and the rest of the name; `None` for a namespace that ext
/// has no number for, and for a name that has nothing beside its prefix.
pub fn split_name(name: &[u8]) -> Option<(u8, &[u8])> {
    if let Some((index, _)) = WHOLE_NAMES.into_iter().find(|(_, whole)| *whole == name) {
        return Some((index, b""));
    }
    PREFIXES
        .into_iter()
        .find_map(|(index, prefix)| Some((index, name.strip_prefix(prefix)?)))
        .filter(|(_, rest)| !rest.is_empty())
}

/// The end of an inode, with these attributes; zeros for none. They fit: their
/// [`StoredXattr::stored_bytes`] sum up to [`IN_INODE_CAPACITY`] at most.
pub fn encode_in_inode(xattrs: &[StoredXattr<'_>]) -> [u8; IN_INODE_BYTES] {
    let mut bytes = [0; IN_INODE_BYTES];
    if !xattrs.is_empty() {
        put_u32(&mut bytes, 0, MAGIC);
        // Values are found from the first entry on, and their hashes are not kept here.
        encode_entries(&mut bytes[4..], 0, xattrs, false);
    }
    bytes
}

/// An attribute block, shared by `sharers` inodes. The attributes are in the kernel's order and
/// fit: their [`StoredXattr::stored_bytes`] sum up to [`BLOCK_CAPACITY`] at most.
pub fn encode_block(xattrs: &[StoredXattr<'_>], sharers: u32) -> Vec<u8> {
    let mut bytes = vec![0; BLOCK];
    put_u32(&mut bytes, 0, MAGIC);
    set_sharers(&mut bytes, sharers);
    put_u32(&mut bytes, 8, 1);
    let hashes = xattrs.iter().map(StoredXattr::hash);
    let all = hashes
        .clone()
        .fold(0_u32, |all, hash| all.rotate_left(16) ^ hash);
    put_u32(
        &mut bytes,
        12,
        if hashes.clone().any(|hash| hash == 0) {
            0
        } else {
            all
        },
    );
    encode_entries(&mut bytes, BLOCK_HEADER_BYTES, xattrs, true);
    bytes
}

/// Sets `h_refcount` of an encoded block.
pub fn set_sharers(bytes: &mut [u8], sharers: u32) {
    put_u32(bytes, 4, sharers);
}

fn encode_entries(bytes: &mut [u8], start: usize, xattrs: &[StoredXattr<'_>], hashed: bool) {
    let mut entry = start;
    let mut value_offset = bytes.len();
    for xattr in xattrs {
        value_offset -= xattr.value.len().next_multiple_of(4);
        bytes[entry] = within_block(xattr.name.len());
        bytes[entry + 1] = xattr.name_index;
        // An empty value is nowhere.
        let offset = if xattr.value.is_empty() {
            0
        } else {
            value_offset
        };
        put_u16(bytes, entry + 2, within_block(offset));
        put_u32(bytes, entry + 8, within_block(xattr.value.len()));
        put_u32(bytes, entry + 12, if hashed { xattr.hash() } else { 0 });
        bytes[entry + 16..entry + 16 + xattr.name.len()].copy_from_slice(xattr.name);
        bytes[value_offset..value_offset + xattr.value.len()].copy_from_slice(&xattr.value);
        entry += xattr.entry_bytes();
    }
}

/// An attribute as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundXattr {
    /// The number that stands for the name's prefix.
    pub name_index: u8,
    /// The name without its prefix.
    pub name: Box<[u8]>,
    /// Its value.
    pub value: FoundValue,
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundValue {
    /// Here.
    Here(Box<[u8]>),
    /// In an inode of its own (the `ea_inode` feature).
    InInode {
        /// `e_value_inum`.
        inode: u32,
        /// `e_value_size`.
        size_bytes: u32,
    },
}

impl FoundXattr {
    /// Whether it is not an attribute but the content of an inode with inline data, from byte 60
    /// on.
    pub fn is_inline_data(&self) -> bool {
        self.name_index == 7 && *self.name == *b"data"
    }

    /// The name as user space knows it; `None` for what the kernel keeps for itself.
    pub fn full_name(&self) -> Option<Vec<u8>> {
        let named =
            |(index, name): &(u8, &'static [u8])| (*index == self.name_index).then_some(*name);
        if let Some(whole) = WHOLE_NAMES.iter().find_map(named) {
            return Some(whole.to_vec());
        }
        let prefix = PREFIXES.iter().find_map(named)?;
        Some([prefix, &self.name].concat())
    }
}

/// The attributes in an inode, from where its fixed fields end; without the magic there are none.
///
/// # Errors
/// A sentence about what was expected and found.
pub fn decode_in_inode(bytes: &[u8]) -> Result<Vec<FoundXattr>, String> {
    if bytes.len() < 4 || get_u32(bytes, 0) != MAGIC {
        return Ok(Vec::new());
    }
    // Values are found from the first entry on.
    decode_entries(&bytes[4..], 0)
}

/// The attributes of a block.
///
/// # Errors
/// A sentence about what was expected and found.
pub fn decode_block(bytes: &[u8]) -> Result<Vec<FoundXattr>, String> {
    if bytes.len() < BLOCK_HEADER_BYTES || get_u32(bytes, 0) != MAGIC {
        return Err("expected a block of extended attributes, found no magic".to_owned());
    }
    decode_entries(bytes, BLOCK_HEADER_BYTES)
}

fn decode_entries(bytes: &[u8], start: usize) -> Result<Vec<FoundXattr>, String> {
    let mut found = Vec::new();
    let mut at = start;
    loop {
        let left = bytes.len().saturating_sub(at);
        if left < 4 || get_u32(bytes, at) == 0 {
            return Ok(found);
        }
        let name_len = usize::from(bytes[at]);
        let next = at + ENTRY_HEADER_BYTES + name_len.next_multiple_of(4);
        if next > bytes.len() {
            return Err(format!(
                "expected an extended attribute within {left} bytes, found one with a name of {name_len}"
            ));
        }
        let e_value_offs = usize::from(get_u16(bytes, at + 2));
        let e_value_inum = get_u32(bytes, at + 4);
        let e_value_size = get_u32(bytes, at + 8) as usize;
        let value = if e_value_inum != 0 {
            FoundValue::InInode {
                inode: e_value_inum,
                size_bytes: get_u32(bytes, at + 8),
            }
        } else if e_value_size == 0 {
            FoundValue::Here(Box::default())
        } else {
            let end = e_value_offs.checked_add(e_value_size);
            let value = end.and_then(|end| bytes.get(e_value_offs..end));
            FoundValue::Here(value.map(Into::into).ok_or_else(|| {
                format!(
                    "expected an extended attribute's value within {} bytes, found {e_value_size} bytes at {e_value_offs}",
                    bytes.len()
                )
            })?)
        };
        let name = at + ENTRY_HEADER_BYTES;
        found.push(FoundXattr {
            name_index: bytes[at + 1],
            name: bytes[name..name + name_len].into(),
            value,
        });
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xattr(name_index: u8, name: &'static [u8], value: &'static [u8]) -> StoredXattr<'static> {
        StoredXattr {
            name_index,
            name,
            value: value.into(),
        }
    }

    #[test]
    fn names_are_split_at_their_namespace_and_unknown_ones_have_none() {
        assert_eq!(split_name(b"user.a"), Some((1, &b"a"[..])));
        assert_eq!(split_name(b"system.posix_acl_access"), Some((2, &b""[..])));
        assert_eq!(split_name(b"system.posix_acl_default"), Some((3, &b""[..])));
        assert_eq!(split_name(b"trusted.x"), Some((4, &b"x"[..])));
        assert_eq!(
            split_name(b"security.capability"),
            Some((6, &b"capability"[..]))
        );
        for unknown in [
            &b"user."[..],
            b"system.nfs4_acl",
            b"com.apple.quarantine",
            b"",
        ] {
            assert_eq!(split_name(unknown), None);
        }
    }

    #[test]
    fn an_inode_holds_88_bytes_with_values_packed_from_the_end() {
        let capability = xattr(6, b"capability", &[7; 20]);
        assert_eq!(capability.stored_bytes(), 48);
        let bytes = encode_in_inode(&[capability, xattr(1, b"abcd", b"0123456789abcdef0123")]);
        assert_eq!(get_u32(&bytes, 0), 0xea02_0000);
        assert_eq!(bytes[4..6], [10, 6]);
        assert_eq!(get_u16(&bytes, 6), 92 - 20);
        assert_eq!(
            (get_u32(&bytes, 8), get_u32(&bytes, 12), get_u32(&bytes, 16)),
            (0, 20, 0)
        );
        assert_eq!(&bytes[20..30], b"capability");
        assert_eq!((bytes[32], bytes[33], get_u16(&bytes, 34)), (4, 1, 92 - 40));
        // The four bytes of the terminator lie between the entries and the values.
        assert_eq!(bytes[52..56], [0; 4]);
        assert_eq!(&bytes[56..76], b"0123456789abcdef0123");
        assert_eq!(bytes[76..96], [7; 20]);
        assert_eq!(encode_in_inode(&[]), [0; 96]);
    }

    #[test]
    fn a_block_has_a_header_hashes_and_values_from_its_end() {
        let bytes = encode_block(&[xattr(1, b"a", b""), xattr(1, b"b", b"xyz")], 3);
        assert_eq!(get_u32(&bytes, 0), 0xea02_0000);
        assert_eq!((get_u32(&bytes, 4), get_u32(&bytes, 8)), (3, 1));
        let first = u32::from(b'a');
        let second = u32::from(b'b').rotate_left(16) ^ u32::from_le_bytes(*b"xyz\0");
        assert_eq!(get_u32(&bytes, 12), first.rotate_left(16) ^ second);
        assert_eq!((get_u16(&bytes, 34), get_u32(&bytes, 44)), (0, first));
        assert_eq!((get_u16(&bytes, 54), get_u32(&bytes, 64)), (4092, second));
        assert_eq!(&bytes[4092..], b"xyz\0");
    }

    #[test]
    fn attributes_come_back_as_they_went() {
        let xattrs = [
            xattr(1, b"a", b""),
            xattr(2, b"", b"acl"),
            xattr(6, b"capability", &[7; 20]),
        ];
        let found = |name_index, name: &[u8], value: &[u8]| FoundXattr {
            name_index,
            name: name.into(),
            value: FoundValue::Here(value.into()),
        };
        let expected = vec![
            found(1, b"a", b""),
            found(2, b"", b"acl"),
            found(6, b"capability", &[7; 20]),
        ];
        let in_inode = encode_in_inode(&xattrs[..2]);
        assert_eq!(decode_in_inode(&in_inode), Ok(expected[..2].to_vec()));
        let block = encode_block(&xattrs, 1);
        assert_eq!(decode_block(&block), Ok(expected.clone()));
        let names: Vec<_> = expected.iter().map(FoundXattr::full_name).collect();
        assert_eq!(names[0].as_deref(), Some(&b"user.a"[..]));
        assert_eq!(names[1].as_deref(), Some(&b"system.posix_acl_access"[..]));
        assert_eq!(names[2].as_deref(), Some(&b"security.capability"[..]));
        assert_eq!(decode_in_inode(&[0; 96]), Ok(vec![]));
        assert!(found(7, b"data", b"").is_inline_data());
    }

    #[test]
    fn entries_and_values_beyond_their_place_are_refused() {
        let block = encode_block(&[xattr(1, b"name", b"value")], 1);
        assert!(decode_block(&[0; 4096]).is_err());
        for (offset, value) in [(34, 0xff), (35, 0xff), (42, 1)] {
            let mut wrong = block.clone();
            wrong[offset] = value;
            assert!(decode_block(&wrong).is_err(), "{offset}");
        }
        let mut elsewhere = block;
        elsewhere[36] = 12;
        assert_eq!(
            decode_block(&elsewhere).unwrap()[0].value,
            FoundValue::InInode {
                inode: 12,
                size_bytes: 5
            }
        );
    }

    #[test]
    fn no_damage_leads_out_of_the_inode() {
        let xattrs = [xattr(1, b"odd", b"1"), xattr(6, b"name", b"value")];
        let whole = encode_in_inode(&xattrs);
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = whole;
                damaged[at] = value;
                for length in [0, 3, 4, 7, 20, 60, whole.len()] {
                    let _ = decode_in_inode(&damaged[..length]);
                }
            }
        }
    }
}
