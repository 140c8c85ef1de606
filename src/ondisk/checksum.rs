//! Checksums of metadata (`metadata_csum`): kernel documentation, `filesystems/ext4`, "Checksums".
//!
//! All are CRC-32C (Castagnoli), started with all ones or with what stands for whose they are, and
//! kept without the final inversion. Numbers that go in are little-endian. Each is computed as if
//! its own field were zero, so that what is sealed twice is as what is sealed once. Blocks are of
//! any size here: a tail is at their end.

use super::directory_entry::{DIRECTORY_TAIL_BYTES, has_tail};
use super::directory_index::{COUNT, ENTRY_BYTES, NODE_ENTRIES, ROOT_ENTRIES};
use super::extent::RECORD_BYTES;
use super::group_descriptor::GROUP_DESCRIPTOR_64BIT_BYTES;
use super::inode::{I_GENERATION, INODE_BYTES};
use super::superblock::SUPERBLOCK_BYTES;
use super::{get_u16, get_u32, put_u16, put_u32, short_halves};
use crate::units::{BlockNumber, GroupNumber, InodeNumber};

/// `s_checksum`, the superblock's last field.
const S_CHECKSUM: usize = 0x3fc;

const BG_BLOCK_BITMAP_CSUM_LO: usize = 0x18;
const BG_INODE_BITMAP_CSUM_LO: usize = 0x1a;
const BG_CHECKSUM: usize = 0x1e;
const BG_BLOCK_BITMAP_CSUM_HI: usize = 0x38;
const BG_INODE_BITMAP_CSUM_HI: usize = 0x3a;

const I_CHECKSUM_LO: usize = 0x7c;
const I_EXTRA_ISIZE: usize = 0x80;
const I_CHECKSUM_HI: usize = 0x82;
/// `i_extra_isize` from which on `i_checksum_hi` belongs to the inode.
const EXTRA_BYTES_WITH_HIGH: u16 = 4;

/// What ends a block of an index: four bytes that are reserved and the checksum.
const INDEX_TAIL_BYTES: usize = 8;

/// Where `eh_max` stands in an extent header.
const EH_MAX: usize = 4;

/// `h_checksum` of an attribute block.
const H_CHECKSUM: usize = 0x10;

/// Goes on from `start`, which is all ones before the first byte.
fn crc(start: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!start, bytes)
}

const ALL_ONES: u32 = !0;

/// Goes on over `bytes` as if the `length` ones from `at` on were zero.
fn crc_without(start: u32, bytes: &[u8], at: usize, length: usize) -> u32 {
    const ZEROS: [u8; 4] = [0; 4];
    let before = crc(start, &bytes[..at]);
    crc(crc(before, &ZEROS[..length]), &bytes[at + length..])
}

/// Sets a superblock's checksum; of each copy it is another.
pub fn seal_superblock(bytes: &mut [u8; SUPERBLOCK_BYTES]) {
    let checksum = crc(ALL_ONES, &bytes[..S_CHECKSUM]);
    put_u32(bytes, S_CHECKSUM, checksum);
}

/// Whether a superblock is what its checksum is of.
pub fn superblock_holds(bytes: &[u8; SUPERBLOCK_BYTES]) -> bool {
    get_u32(bytes, S_CHECKSUM) == crc(ALL_ONES, &bytes[..S_CHECKSUM])
}

/// What the checksums of a filesystem start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesystemSeed(u32);

impl FilesystemSeed {
    /// Of a filesystem that is called `uuid`.
    pub fn of_uuid(uuid: &[u8; 16]) -> Self {
        Self(crc(ALL_ONES, uuid))
    }

    /// `s_checksum_seed`, of a filesystem with the feature `metadata_csum_seed`.
    pub fn stored(seed: u32) -> Self {
        Self(seed)
    }

    /// What the checksums of an inode start with, and of the blocks that are its own.
    pub fn of_inode(self, number: InodeNumber, generation: u32) -> InodeSeed {
        let start = crc(self.0, &number.0.to_le_bytes());
        InodeSeed(crc(start, &generation.to_le_bytes()))
    }

    /// Sets an inode's checksum, whose upper half it may have no room for: the first ones that
    /// mke2fs makes say so by their `i_extra_isize`.
    pub fn seal_inode(self, number: InodeNumber, bytes: &mut [u8; INODE_BYTES]) {
        let start = self.of_inode(number, get_u32(bytes, I_GENERATION)).0;
        let has_high = get_u16(bytes, I_EXTRA_ISIZE) >= EXTRA_BYTES_WITH_HIGH;
        put_u16(bytes, I_CHECKSUM_LO, 0);
        if has_high {
            put_u16(bytes, I_CHECKSUM_HI, 0);
        }
        let (low, high) = short_halves(crc(start, bytes));
        put_u16(bytes, I_CHECKSUM_LO, low);
        if has_high {
            put_u16(bytes, I_CHECKSUM_HI, high);
        }
    }

    /// Whether an inode of any size, from 128 bytes on, has the checksum that it should: as much of
    /// it as it has room for.
    pub fn inode_holds(self, number: InodeNumber, bytes: &[u8]) -> bool {
        let start = self.of_inode(number, get_u32(bytes, I_GENERATION)).0;
        let has_high = bytes.len() > I_EXTRA_ISIZE + 4
            && get_u16(bytes, I_EXTRA_ISIZE) >= EXTRA_BYTES_WITH_HIGH;
        let mut plain = bytes.to_vec();
        put_u16(&mut plain, I_CHECKSUM_LO, 0);
        if has_high {
            put_u16(&mut plain, I_CHECKSUM_HI, 0);
        }
        let (low, high) = short_halves(crc(start, &plain));
        low == get_u16(bytes, I_CHECKSUM_LO) && (!has_high || high == get_u16(bytes, I_CHECKSUM_HI))
    }

    /// Sets an attribute block's checksum, which tells where the block is and not whose.
    pub fn seal_attributes(self, block: BlockNumber, bytes: &mut [u8]) {
        let checksum = self.attributes(block.0.into(), bytes);
        put_u32(bytes, H_CHECKSUM, checksum);
    }

    /// Whether an attribute block, which may be beyond 2^32, has the checksum that it should.
    pub fn attributes_holds(self, block: u64, bytes: &[u8]) -> bool {
        get_u32(bytes, H_CHECKSUM) == self.attributes(block, bytes)
    }

    fn attributes(self, block: u64, bytes: &[u8]) -> u32 {
        let start = crc(self.0, &block.to_le_bytes());
        crc_without(start, bytes, H_CHECKSUM, 4)
    }

    /// A block bitmap's: of the bits that stand for blocks, which in groups made smaller for their
    /// inodes are not all.
    pub fn block_bitmap(self, bytes: &[u8], blocks_per_group: u32) -> u32 {
        crc(self.0, &bytes[..(blocks_per_group / 8) as usize])
    }

    /// An inode bitmap's: of the bits that stand for inodes, and not of the padding.
    pub fn inode_bitmap(self, bytes: &[u8], inodes_per_group: u32) -> u32 {
        crc(self.0, &bytes[..(inodes_per_group / 8) as usize])
    }

    /// Sets a group descriptor's checksum, after all else in it: of a sum of 32 bits it keeps 16.
    pub fn seal_descriptor(self, group: GroupNumber, bytes: &mut [u8]) {
        let checksum = self.descriptor(group, bytes);
        put_u16(bytes, BG_CHECKSUM, checksum);
    }

    /// Whether a group descriptor of any size has the checksum that it should.
    pub fn descriptor_holds(self, group: GroupNumber, bytes: &[u8]) -> bool {
        get_u16(bytes, BG_CHECKSUM) == self.descriptor(group, bytes)
    }

    fn descriptor(self, group: GroupNumber, bytes: &[u8]) -> u16 {
        let start = crc(self.0, &group.0.to_le_bytes());
        short_halves(crc_without(start, bytes, BG_CHECKSUM, 2)).0
    }
}

/// Sets what a group's descriptor says of its bitmaps; descriptors of 32 bytes keep half of it.
pub fn set_bitmap_checksums(descriptor: &mut [u8], block_bitmap: u32, inode_bitmap: u32) {
    let has_high = descriptor.len() >= GROUP_DESCRIPTOR_64BIT_BYTES;
    for (checksum, at, at_high) in [
        (
            block_bitmap,
            BG_BLOCK_BITMAP_CSUM_LO,
            BG_BLOCK_BITMAP_CSUM_HI,
        ),
        (
            inode_bitmap,
            BG_INODE_BITMAP_CSUM_LO,
            BG_INODE_BITMAP_CSUM_HI,
        ),
    ] {
        let (low, high) = short_halves(checksum);
        put_u16(descriptor, at, low);
        if has_high {
            put_u16(descriptor, at_high, high);
        }
    }
}

/// What the checksums of an inode start with, and of the blocks that are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InodeSeed(u32);

impl InodeSeed {
    /// Sets the checksum of a block of names, which ends with a tail.
    pub fn seal_directory(self, bytes: &mut [u8]) {
        let checksum = self.directory(bytes);
        let at = bytes.len() - 4;
        put_u32(bytes, at, checksum);
    }

    /// Whether a block of names has a tail with the checksum that it should.
    pub fn directory_holds(self, bytes: &[u8]) -> bool {
        has_tail(bytes) && get_u32(bytes, bytes.len() - 4) == self.directory(bytes)
    }

    fn directory(self, bytes: &[u8]) -> u32 {
        crc(self.0, &bytes[..bytes.len() - DIRECTORY_TAIL_BYTES])
    }

    /// Sets the checksum of an index's root, the first block of its directory.
    pub fn seal_index_root(self, bytes: &mut [u8]) {
        self.seal_index(bytes, ROOT_ENTRIES);
    }

    /// Sets the checksum of an interior block of an index.
    pub fn seal_index_node(self, bytes: &mut [u8]) {
        self.seal_index(bytes, NODE_ENTRIES);
    }

    /// Whether an index's root has the checksum that it should.
    pub fn index_root_holds(self, bytes: &[u8]) -> bool {
        self.index_holds(bytes, ROOT_ENTRIES)
    }

    /// Whether an interior block of an index has the checksum that it should.
    pub fn index_node_holds(self, bytes: &[u8]) -> bool {
        self.index_holds(bytes, NODE_ENTRIES)
    }

    fn seal_index(self, bytes: &mut [u8], entries: usize) {
        let tail = bytes.len() - INDEX_TAIL_BYTES;
        let checksum = self.index(bytes, entries, tail);
        put_u32(bytes, tail + 4, checksum);
    }

    /// Behind as many entries as the block says that it can hold, as the kernel finds the tail.
    fn index_holds(self, bytes: &[u8], entries: usize) -> bool {
        let tail = entries + ENTRY_BYTES * usize::from(get_u16(bytes, entries));
        tail + INDEX_TAIL_BYTES <= bytes.len()
            && get_u32(bytes, tail + 4) == self.index(bytes, entries, tail)
    }

    /// Of the entries that there are and of the tail, and not of what is between them.
    fn index(self, bytes: &[u8], entries: usize, tail: usize) -> u32 {
        let count = usize::from(get_u16(bytes, entries + COUNT));
        // More than there is room for is nothing that was written here.
        let end = (entries + ENTRY_BYTES * count).min(tail);
        let start = crc(self.0, &bytes[..end]);
        crc_without(start, &bytes[tail..tail + INDEX_TAIL_BYTES], 4, 4)
    }

    /// Sets the checksum of a block of a file's extent tree: behind as many entries as it can hold.
    pub fn seal_extents(self, bytes: &mut [u8]) {
        let end = extents_end(bytes);
        let checksum = crc(self.0, &bytes[..end]);
        put_u32(bytes, end, checksum);
    }

    /// Whether a block of a file's extent tree has the checksum that it should.
    pub fn extents_hold(self, bytes: &[u8]) -> bool {
        let end = extents_end(bytes);
        end + 4 <= bytes.len() && get_u32(bytes, end) == crc(self.0, &bytes[..end])
    }
}

/// Where the entries of an extent tree's block end, used and unused ones.
fn extents_end(bytes: &[u8]) -> usize {
    RECORD_BYTES * (usize::from(get_u16(bytes, EH_MAX)) + 1)
}
