//! Extent trees of ext4: kernel documentation, "Extent Tree".

use super::{get_u16, get_u32, halves, put_u16, put_u32, short_halves, within_block};
use crate::units::BlockNumber;

/// Levels below the root in a sound tree.
pub const DEPTH_MAX: u16 = 5;

const EH_MAGIC: u16 = 0xf30a;
pub(super) const RECORD_BYTES: usize = 12;
/// Lengths beyond this are of extents that are allocated and not written.
const WRITTEN_MAX: u16 = 32768;

/// Blocks of a written extent.
pub const EXTENT_BLOCKS_MAX: u64 = WRITTEN_MAX as u64;

/// Entries that a node of so many bytes has room for: 4 in an inode's `i_block`, 340 in a block, at
/// the end of which 4 bytes are left for its checksum.
pub const fn entries_max(node_bytes: usize) -> usize {
    node_bytes / RECORD_BYTES - 1
}

/// Writes the header of a node with so many entries.
pub fn put_header(bytes: &mut [u8], entries: usize, depth: u16) {
    put_u16(bytes, 0, EH_MAGIC);
    put_u16(bytes, 2, within_block(entries));
    put_u16(bytes, 4, within_block(entries_max(bytes.len())));
    put_u16(bytes, 6, depth);
    put_u32(bytes, 8, 0);
}

/// Writes an extent into a node of depth 0: a written one of at most [`EXTENT_BLOCKS_MAX`] blocks,
/// below 2^32 in the file and 2^48 on disk.
pub fn put_extent(bytes: &mut [u8], index: usize, run: &BlockRun) {
    let at = RECORD_BYTES * (index + 1);
    put_u32(bytes, at, halves(run.file_block).0);
    put_u16(bytes, at + 4, short_halves(halves(run.count).0).0);
    let (low, high) = halves(run.disk_block);
    put_u16(bytes, at + 6, short_halves(high).0);
    put_u32(bytes, at + 8, low);
}

/// Writes into a deeper node where the node is that maps the file from `file_block` on, which is
/// below 2^32.
pub fn put_child(bytes: &mut [u8], index: usize, file_block: u64, block: BlockNumber) {
    let at = RECORD_BYTES * (index + 1);
    put_u32(bytes, at, halves(file_block).0);
    put_u32(bytes, at + 4, block.0);
    put_u32(bytes, at + 8, 0);
}

/// A node of the tree: the end of an inode's `i_block`, or a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtentNode {
    bytes: Box<[u8]>,
    /// `eh_entries`.
    pub entries: usize,
    /// `eh_depth`: 0 where the entries are extents.
    pub depth: u16,
}

/// Consecutive blocks of a file that are consecutive on disk, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRun {
    /// The first block's index within the file: `ee_block` of an extent.
    pub file_block: u64,
    /// Where it is in the filesystem: `ee_start`.
    pub disk_block: u64,
    /// How many: `ee_len` without the mark of an unwritten extent.
    pub count: u64,
    /// Whether the blocks are allocated but read as zeros.
    pub unwritten: bool,
}

impl ExtentNode {
    /// A node of `bytes`; what is wrong with it otherwise.
    ///
    /// # Errors
    /// A sentence about what was expected and found.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < RECORD_BYTES || get_u16(bytes, 0) != EH_MAGIC {
            return Err("expected a node of an extent tree, found no magic".to_owned());
        }
        let entries = usize::from(get_u16(bytes, 2));
        let room = entries_max(bytes.len());
        let depth = get_u16(bytes, 6);
        if entries > room || depth > DEPTH_MAX {
            return Err(format!(
                "expected an extent tree's node of up to {room} entries and {DEPTH_MAX} levels, found {entries} and {depth}"
            ));
        }
        Ok(Self {
            bytes: bytes.into(),
            entries,
            depth,
        })
    }

    /// An extent of a node of depth 0; `index` is below `entries`.
    pub fn extent(&self, index: usize) -> BlockRun {
        let at = RECORD_BYTES * (index + 1);
        let ee_len = get_u16(&self.bytes, at + 4);
        let unwritten = ee_len > WRITTEN_MAX;
        BlockRun {
            file_block: u64::from(get_u32(&self.bytes, at)),
            disk_block: self.block(at + 8, at + 6),
            count: u64::from(if unwritten {
                ee_len - WRITTEN_MAX
            } else {
                ee_len
            }),
            unwritten,
        }
    }

    /// The block of a child of a deeper node; `index` is below `entries`.
    pub fn child(&self, index: usize) -> u64 {
        let at = RECORD_BYTES * (index + 1);
        self.block(at + 4, at + 8)
    }

    fn block(&self, low: usize, high: usize) -> u64 {
        u64::from(get_u16(&self.bytes, high)) << 32 | u64::from(get_u32(&self.bytes, low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_at_the_offset_the_kernel_documents() {
        let mut bytes: [u8; 60] = std::array::from_fn(|index| index as u8);
        bytes[..8].copy_from_slice(&[0x0a, 0xf3, 4, 0, 4, 0, 0, 0]);
        let node = ExtentNode::decode(&bytes).unwrap();
        assert_eq!((node.entries, node.depth), (4, 0));
        assert_eq!(
            node.extent(0),
            BlockRun {
                file_block: 0x0f0e_0d0c,
                disk_block: 0x1312_1716_1514,
                count: 0x1110,
                unwritten: false,
            }
        );
        assert_eq!(node.child(3), 0x3938_3736_3534 & 0xffff_ffff | 0x3938 << 32);
        bytes[16..18].copy_from_slice(&[5, 0x80]);
        let node = ExtentNode::decode(&bytes).unwrap();
        assert_eq!((node.extent(0).count, node.extent(0).unwritten), (5, true));
    }

    #[test]
    fn what_is_written_is_read_again_and_all_of_a_node_is_written() {
        assert_eq!((entries_max(60), entries_max(4096)), (4, 340));
        let run = BlockRun {
            file_block: 0xfedc_ba98,
            disk_block: 0x1234_5678_9abc,
            count: EXTENT_BLOCKS_MAX,
            unwritten: false,
        };
        let mut leaf = [0xff; 24];
        put_header(&mut leaf, 1, 0);
        put_extent(&mut leaf, 0, &run);
        assert_eq!(ExtentNode::decode(&leaf).unwrap().extent(0), run);
        assert_eq!(leaf[..12], [0x0a, 0xf3, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let mut index = [0xff; 24];
        put_header(&mut index, 1, 2);
        put_child(&mut index, 0, 7, BlockNumber(0x1234_5678));
        assert_eq!(ExtentNode::decode(&index).unwrap().child(0), 0x1234_5678);
        assert_eq!(
            index[12..],
            [7, 0, 0, 0, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0]
        );
    }

    #[test]
    fn nodes_that_are_none_are_refused() {
        let mut bytes = [0; 60];
        bytes[..2].copy_from_slice(&[0x0a, 0xf3]);
        assert!(ExtentNode::decode(&bytes).is_ok());
        for (offset, value) in [(0, 0), (2, 5), (6, 6)] {
            let mut wrong = bytes;
            wrong[offset] = value;
            assert!(ExtentNode::decode(&wrong).is_err(), "{offset}");
        }
        assert!(ExtentNode::decode(&bytes[..8]).is_err());
    }
}
