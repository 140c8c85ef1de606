//! The hash index of a directory: kernel documentation, "Hash Tree Directories".

use super::hash::HASH_VERSION_HALF_MD4;
use super::{BLOCK, put_u16, put_u32, within_block};
use crate::units::InodeNumber;

/// Where the entries of an index's root start, and those of its interior blocks. The first one has the
/// limit and the count in place of its hash.
pub(super) const ROOT_ENTRIES: usize = 32;
pub(super) const NODE_ENTRIES: usize = 8;
/// Where the count stands, from where the entries start.
pub(super) const COUNT: usize = 2;
pub(super) const ENTRY_BYTES: usize = 8;

/// Where a range of hashes goes on: the lowest hash below `block`, a block of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// The lowest hash, plus 1 where the block before it ends with the same hash.
    pub hash: u32,
    /// The block, counted within the directory.
    pub block: u32,
}

/// The index's root, which is the directory's first block and holds `.` and `..`.
///
/// `levels` is the number of interior levels below it: 0 or 1. There are 1 to `limit` entries; the
/// first one's hash is not stored.
pub fn encode_root(
    own: InodeNumber,
    parent: InodeNumber,
    levels: u8,
    limit: usize,
    entries: &[IndexEntry],
) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    put_u32(&mut bytes, 0, own.0);
    put_u16(&mut bytes, 4, 12);
    bytes[6..9].copy_from_slice(&[1, 2, b'.']);
    put_u32(&mut bytes, 12, parent.0);
    // `..` claims the rest of the block, so that readers without the index skip it.
    put_u16(&mut bytes, 16, within_block(BLOCK - 12));
    bytes[18..22].copy_from_slice(&[2, 2, b'.', b'.']);
    bytes[28] = HASH_VERSION_HALF_MD4;
    bytes[29] = 8;
    bytes[30] = levels;
    encode_entries(&mut bytes, ROOT_ENTRIES, limit, entries);
    bytes
}

/// An interior block of the index: 1 to `limit` entries; the first one's hash is not stored.
pub fn encode_node(limit: usize, entries: &[IndexEntry]) -> [u8; BLOCK] {
    let mut bytes = [0; BLOCK];
    // An unused directory entry over the whole block.
    put_u16(&mut bytes, 4, within_block(BLOCK));
    encode_entries(&mut bytes, NODE_ENTRIES, limit, entries);
    bytes
}

fn encode_entries(bytes: &mut [u8; BLOCK], start: usize, limit: usize, entries: &[IndexEntry]) {
    for (index, entry) in entries.iter().enumerate() {
        put_u32(bytes, start + ENTRY_BYTES * index, entry.hash);
        put_u32(bytes, start + ENTRY_BYTES * index + 4, entry.block);
    }
    put_u16(bytes, start, within_block(limit));
    put_u16(bytes, start + COUNT, within_block(entries.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ondisk::{get_u16, get_u32};

    #[test]
    fn root_and_node_are_full_at_their_limits() {
        let entries: Vec<_> = (0..511)
            .map(|index| IndexEntry {
                hash: index * 2,
                block: index + 1,
            })
            .collect();
        let root = encode_root(InodeNumber(13), InodeNumber(2), 1, 508, &entries[..508]);
        assert_eq!(
            (get_u32(&root, 0), get_u16(&root, 4), get_u32(&root, 12)),
            (13, 12, 2)
        );
        assert_eq!(get_u16(&root, 16), 4084);
        assert_eq!(root[24..32], [0, 0, 0, 0, 1, 8, 1, 0]);
        assert_eq!(
            (get_u16(&root, 32), get_u16(&root, 34), get_u32(&root, 36)),
            (508, 508, 1)
        );
        assert_eq!((get_u32(&root, 4088), get_u32(&root, 4092)), (1014, 508));
        let node = encode_node(511, &entries);
        assert_eq!(
            (get_u32(&node, 0), get_u16(&node, 4), get_u16(&node, 6)),
            (0, 4096, 0)
        );
        assert_eq!(
            (get_u16(&node, 8), get_u16(&node, 10), get_u32(&node, 12)),
            (511, 511, 1)
        );
        assert_eq!((get_u32(&node, 4088), get_u32(&node, 4092)), (1020, 511));
    }
}
