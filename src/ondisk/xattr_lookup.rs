//! One extended attribute found in an inode: kernel documentation, "Extended Attributes".

use super::{get_u16, get_u32};

/// `h_magic` before the attributes in an inode.
const MAGIC: u32 = 0xea02_0000;
/// Bytes of an inode without extra fields.
const GOOD_OLD_INODE_BYTES: usize = 128;
const I_EXTRA_ISIZE: usize = 0x80;
const ENTRY_BYTES: usize = 16;

/// The value of the attribute `name` (without the prefix that `name_index` stands for) that is
/// stored in the inode itself; `None` where there is none, or where the inode is damaged.
pub fn find_in_inode<'a>(inode: &'a [u8], name_index: u8, name: &[u8]) -> Option<&'a [u8]> {
    inode.get(..GOOD_OLD_INODE_BYTES + 4)?;
    let header = GOOD_OLD_INODE_BYTES + usize::from(get_u16(inode, I_EXTRA_ISIZE));
    let area = inode.get(header..)?;
    if area.len() < 4 || get_u32(area, 0) != MAGIC {
        return None;
    }
    // Values are found from the first entry on.
    let area = &area[4..];
    let mut entry = area;
    // Four zeros are the end.
    while entry.len() >= ENTRY_BYTES && get_u32(entry, 0) != 0 {
        let name_length = usize::from(entry[0]);
        let own_name = entry.get(ENTRY_BYTES..ENTRY_BYTES + name_length)?;
        if (entry[1], own_name) == (name_index, name) {
            let is_in_another_inode = get_u32(entry, 4) != 0;
            let start = usize::from(get_u16(entry, 2));
            let length = usize::try_from(get_u32(entry, 8)).ok()?;
            let value = area.get(start..start.checked_add(length)?)?;
            return (!is_in_another_inode).then_some(value);
        }
        entry = entry.get(ENTRY_BYTES + name_length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ondisk::inode::{EXTRA_ISIZE, IN_INODE_XATTR_OFFSET, INODE_BYTES};
    use crate::ondisk::xattr::{StoredXattr, encode_in_inode};

    fn inode() -> [u8; INODE_BYTES] {
        let xattr = |name_index, name, value: &'static [u8]| StoredXattr {
            name_index,
            name,
            value: value.into(),
        };
        let mut inode = [0; INODE_BYTES];
        inode[I_EXTRA_ISIZE] = EXTRA_ISIZE as u8;
        let xattrs = [
            xattr(1, &b"odd"[..], b"1"),
            xattr(6, b"name", b""),
            xattr(1, b"name", b"value"),
        ];
        inode[IN_INODE_XATTR_OFFSET..].copy_from_slice(&encode_in_inode(&xattrs));
        inode
    }

    #[test]
    fn an_attribute_is_found_by_prefix_and_name() {
        assert_eq!(find_in_inode(&inode(), 1, b"name"), Some(&b"value"[..]));
        assert_eq!(find_in_inode(&inode(), 6, b"name"), Some(&b""[..]));
        assert_eq!(find_in_inode(&inode(), 1, b"odd"), Some(&b"1"[..]));
        assert_eq!(find_in_inode(&inode(), 1, b"absent"), None);
        assert_eq!(find_in_inode(&[0; INODE_BYTES], 1, b"name"), None);
    }

    #[test]
    fn no_damage_leads_out_of_the_inode() {
        for at in 0..INODE_BYTES {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = inode();
                damaged[at] = value;
                for length in [0, 100, 128, 131, 132, 200, INODE_BYTES] {
                    let _ = find_in_inode(&damaged[..length], 1, b"name");
                }
            }
        }
    }
}
