//! Extended attributes of any ext filesystem, for reading: kernel documentation, "Extended
//! Attributes".

use super::{get_u16, get_u32};

const MAGIC: u32 = 0xea02_0000;
const BLOCK_HEADER_BYTES: usize = 32;
const ENTRY_HEADER_BYTES: usize = 16;

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
        let prefix: &[u8] = match self.name_index {
            1 => b"user.",
            2 => return Some(b"system.posix_acl_access".to_vec()),
            3 => return Some(b"system.posix_acl_default".to_vec()),
            4 => b"trusted.",
            6 => b"security.",
            _ => return None,
        };
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
    use crate::ondisk::xattr::{StoredXattr, encode_block, encode_in_inode};

    fn stored(name_index: u8, name: &'static [u8], value: &'static [u8]) -> StoredXattr<'static> {
        StoredXattr {
            name_index,
            name,
            value: value.into(),
        }
    }

    #[test]
    fn attributes_come_back_as_they_went() {
        let xattrs = [
            stored(1, b"a", b""),
            stored(2, b"", b"acl"),
            stored(6, b"capability", &[7; 20]),
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
        let block = encode_block(&[stored(1, b"name", b"value")], 1);
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
}
