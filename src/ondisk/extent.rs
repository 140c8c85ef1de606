//! Extent trees of ext4, for reading: kernel documentation, "Extent Tree".

use super::{get_u16, get_u32};

/// Levels below the root in a sound tree.
pub const DEPTH_MAX: u16 = 5;

const EH_MAGIC: u16 = 0xf30a;
const RECORD_BYTES: usize = 12;
/// Lengths beyond this are of extents that are allocated and not written.
const WRITTEN_MAX: u16 = 32768;

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
        let room = bytes.len() / RECORD_BYTES - 1;
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
