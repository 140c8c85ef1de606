//! Block group descriptors: kernel documentation, "Block Group Descriptors".

use super::{get_u16, get_u32, put_u16};
use crate::units::BlockNumber;

/// Bytes of a descriptor without the `64bit` feature.
pub const GROUP_DESCRIPTOR_BYTES: usize = 32;

/// Bytes of a descriptor with the `64bit` feature at least (`EXT4_MIN_DESC_SIZE_64BIT`), as mke2fs makes it: with the upper
/// halves of all its numbers.
pub const GROUP_DESCRIPTOR_64BIT_BYTES: usize = 64;

const BG_BLOCK_BITMAP_LO: usize = 0x00;
const BG_INODE_BITMAP_LO: usize = 0x04;
const BG_INODE_TABLE_LO: usize = 0x08;
const BG_FREE_BLOCKS_COUNT_LO: usize = 0x0c;
const BG_FREE_INODES_COUNT_LO: usize = 0x0e;
const BG_USED_DIRS_COUNT_LO: usize = 0x10;
const BG_FLAGS: usize = 0x12;
const BG_ITABLE_UNUSED_LO: usize = 0x1c;
const BG_INODE_TABLE_HI: usize = 0x28;

/// `bg_flags`: the block bitmap is not written; in use is only what lies in the group for all, a copy
/// of the superblock with what follows it (`EXT4_BG_BLOCK_UNINIT`).
const BLOCK_UNINIT: u16 = 2;
/// `bg_flags`: the inode table is zeroed (`EXT4_BG_INODE_ZEROED`).
const INODE_ZEROED: u16 = 4;

/// Where a group's metadata is and how much of the group is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupDescriptor {
    /// `bg_block_bitmap`.
    pub block_bitmap: BlockNumber,
    /// `bg_inode_bitmap`.
    pub inode_bitmap: BlockNumber,
    /// `bg_inode_table`: its first block.
    pub inode_table: BlockNumber,
    /// `bg_inode_table_hi`: the upper half of its number, in descriptors of 64 bytes and more.
    pub inode_table_high: u32,
    /// `bg_free_blocks_count`.
    pub free_blocks_count: u16,
    /// `bg_free_inodes_count`.
    pub free_inodes_count: u16,
    /// `bg_used_dirs_count`.
    pub used_dirs_count: u16,
    /// `bg_flags`.
    pub flags: u16,
}

impl GroupDescriptor {
    /// Decodes `bytes`, at least [`GROUP_DESCRIPTOR_BYTES`] of them.
    pub fn decode(bytes: &[u8]) -> Self {
        Self {
            block_bitmap: BlockNumber(get_u32(bytes, BG_BLOCK_BITMAP_LO)),
            inode_bitmap: BlockNumber(get_u32(bytes, BG_INODE_BITMAP_LO)),
            inode_table: BlockNumber(get_u32(bytes, BG_INODE_TABLE_LO)),
            inode_table_high: match bytes.len() {
                ..64 => 0,
                _ => get_u32(bytes, BG_INODE_TABLE_HI),
            },
            free_blocks_count: get_u16(bytes, BG_FREE_BLOCKS_COUNT_LO),
            free_inodes_count: get_u16(bytes, BG_FREE_INODES_COUNT_LO),
            used_dirs_count: get_u16(bytes, BG_USED_DIRS_COUNT_LO),
            flags: get_u16(bytes, BG_FLAGS),
        }
    }

    /// Whether the block bitmap is still to be made.
    pub fn has_no_block_bitmap(&self) -> bool {
        self.flags & BLOCK_UNINIT != 0
    }

    /// The first block of the inode table, all 64 bits of its number.
    pub fn inode_table_block(&self) -> u64 {
        u64::from(self.inode_table_high) << 32 | u64::from(self.inode_table.0)
    }

    /// Writes the three counts into an encoded descriptor, and the flags, which mke2fs sets as the
    /// file's own filesystem can punch holes, and each version of it in another way; the rest stays
    /// as mke2fs made it.
    ///
    /// The inode tables are zeroed either way, and both bitmaps are written; without checksums of
    /// descriptors neither kernel nor e2fsck reads the flags.
    pub fn encode_counts_and_flags(&self, bytes: &mut [u8]) {
        put_u16(bytes, BG_FREE_BLOCKS_COUNT_LO, self.free_blocks_count);
        put_u16(bytes, BG_FREE_INODES_COUNT_LO, self.free_inodes_count);
        put_u16(bytes, BG_USED_DIRS_COUNT_LO, self.used_dirs_count);
        put_u16(bytes, BG_FLAGS, INODE_ZEROED);
    }
}

/// Writes into an encoded descriptor how many inodes at the end of the group's table were never in
/// use, which only kinds with checksums of descriptors keep.
pub fn set_unused_inodes(bytes: &mut [u8], unused: u16) {
    put_u16(bytes, BG_ITABLE_UNUSED_LO, unused);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_descriptor_has_more_bits_for_the_inode_table() {
        let bytes: [u8; 64] = std::array::from_fn(|index| index as u8);
        let table = |bytes| GroupDescriptor::decode(bytes).inode_table_block();
        assert_eq!(table(&bytes), 0x2b2a_2928_0b0a_0908);
        assert_eq!(table(&bytes[..32]), 0x0b0a_0908);
    }

    #[test]
    fn every_field_is_at_the_offset_the_kernel_documents() {
        let mut bytes: [u8; GROUP_DESCRIPTOR_BYTES] = std::array::from_fn(|index| index as u8);
        let mut descriptor = GroupDescriptor::decode(&bytes);
        assert_eq!(descriptor.block_bitmap, BlockNumber(0x0302_0100));
        assert_eq!(descriptor.inode_bitmap, BlockNumber(0x0706_0504));
        assert_eq!(descriptor.inode_table, BlockNumber(0x0b0a_0908));
        assert_eq!(descriptor.free_blocks_count, 0x0d0c);
        assert_eq!(descriptor.free_inodes_count, 0x0f0e);
        assert_eq!(descriptor.used_dirs_count, 0x1110);
        descriptor.free_blocks_count = 1;
        descriptor.free_inodes_count = 2;
        descriptor.used_dirs_count = 3;
        assert_eq!(descriptor.flags, 0x1312);
        descriptor.flags = INODE_ZEROED;
        descriptor.encode_counts_and_flags(&mut bytes);
        assert_eq!(GroupDescriptor::decode(&bytes), descriptor);
        assert_eq!(bytes[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(bytes[12..18], [1, 0, 2, 0, 3, 0]);
        assert_eq!(bytes[18..21], [4, 0, 20]);
        set_unused_inodes(&mut bytes, 0x102);
        assert_eq!(bytes[27..31], [27, 2, 1, 30]);
    }
}
