//! What mke2fs will make of a size: groups, tables, journal, and what is left.
//!
//! A model of libext2fs' `ext2fs_initialize` for `-T default`: 4 KiB blocks, 256-byte inodes,
//! `sparse_super`, `resize_inode`. The format step holds every prediction against the superblock
//! that mke2fs really wrote.

use std::num::NonZeroU32;

use super::flex_positions::{Form, Formatted, FreePositions};
use crate::ext::profile::{BlockMap, JournalSize, Profile};
use crate::ondisk::features::INCOMPAT_FLEX_BG;
use crate::ondisk::indirect::POINTERS_PER_BLOCK;
use crate::ondisk::superblock::has_superblock;
use crate::units::{BLOCK_SIZE, GroupNumber};

/// Blocks in a group, unless the number of inodes asks for smaller groups.
pub const BLOCKS_PER_GROUP: u32 = 32_768;

/// Inodes 1 to 11: what the filesystem needs for itself, with `lost+found`.
pub const SYSTEM_INODES: u32 = 11;

const INODES_PER_BLOCK: u32 = 16;
const INODES_PER_GROUP_MAX: u32 = 32_768;
const BYTES_PER_INODE: u64 = 16_384;

/// Blocks that mke2fs gives the root directory.
pub const ROOT_BLOCKS: u32 = 1;
/// Blocks that mke2fs gives `lost+found`.
pub const LOST_FOUND_BLOCKS: u32 = 4;
/// Those, and one for the resize inode.
pub const SYSTEM_BLOCKS: u64 = (ROOT_BLOCKS + LOST_FOUND_BLOCKS + 1) as u64;

/// mke2fs drops a last group that leaves fewer usable blocks than this.
const LAST_GROUP_MIN_BLOCKS: u64 = 50;

/// A formatted, still empty filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Blocks of the filesystem; fewer than asked for where mke2fs drops a too small last group.
    pub blocks: u32,
    /// Block groups.
    pub groups: u32,
    /// Blocks in each group but perhaps the last.
    pub blocks_per_group: u32,
    /// Inodes in each group.
    pub inodes_per_group: u32,
    /// Blocks of all inode tables together.
    pub inode_table_blocks: u32,
    /// Blocks of all bitmaps together.
    pub bitmap_blocks: u32,
    /// Blocks of superblocks and group descriptors, all copies together.
    pub descriptor_blocks: u32,
    /// Blocks kept free behind the group descriptors for growing, all copies together.
    pub reserved_descriptor_blocks: u32,
    /// `s_reserved_gdt_blocks`: the same for one copy.
    pub reserved_descriptor_blocks_per_copy: u32,
    /// Blocks of the journal itself.
    pub journal_blocks: u32,
    /// Blocks that map the journal.
    pub journal_map_blocks: u32,
    /// Blocks that only root may take (`s_r_blocks_count`).
    pub reserved_blocks: u32,
    /// Free blocks after formatting.
    pub free_blocks: u32,
    /// Free inodes after formatting.
    pub free_inodes: u32,
}

/// What mke2fs is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatRequest {
    /// The size in blocks.
    pub blocks: u32,
    /// At least so many inodes in all (`-N`); the rule is one for 16 KiB.
    pub inodes: u32,
    /// The journal.
    pub journal: JournalSize,
    /// Blocks to be kept behind each copy of the group descriptors for growing (`-E resize=`); by
    /// default what mke2fs keeps by itself. It cannot be asked for none.
    pub reserved_descriptor_blocks: Option<NonZeroU32>,
}

impl FormatRequest {
    /// The number of blocks that mke2fs is to be told (`-E resize=`) to keep so many behind the
    /// descriptors: the fewest whose descriptors need the last of them. It counts with groups of full
    /// size, whatever it makes them later.
    pub fn growing_to_blocks(&self, profile: &Profile) -> Option<u64> {
        let reserved = u64::from(self.reserved_descriptor_blocks?.get());
        let blocks_per_descriptor_block =
            u64::from(profile.descriptors_per_block()) * u64::from(BLOCKS_PER_GROUP);
        let descriptor_blocks = u64::from(self.blocks).div_ceil(blocks_per_descriptor_block);
        Some((descriptor_blocks + reserved - 1) * blocks_per_descriptor_block + 1)
    }
}

/// The inodes that mke2fs makes by its own rule for this many blocks.
pub fn default_inodes(blocks: u32) -> u32 {
    // At most 2^32 / 4: never cut off.
    (u64::from(blocks) * BLOCK_SIZE / BYTES_PER_INODE) as u32
}

/// Group sizes as `ext2fs_initialize` settles them.
struct Groups {
    blocks: u64,
    count: u32,
    blocks_per_group: u32,
    inodes_per_group: u32,
    descriptor_blocks: u32,
    reserved_descriptor_blocks: u32,
    reserved_blocks: u32,
}

impl Geometry {
    /// What mke2fs makes of the request; `None` where it refuses, or makes another kind.
    pub fn of(profile: &Profile, request: FormatRequest) -> Option<Self> {
        Self::at_best(profile, request)?.with_journals_extents(profile)
    }

    /// The same without the blocks that the journal's extents need, which are none but for a journal
    /// beyond 128 MiB or one in pieces, as between the tables of small groups.
    pub fn at_best(profile: &Profile, request: FormatRequest) -> Option<Self> {
        if request.blocks < profile.min_blocks {
            return None;
        }
        let groups = settle_groups(request, profile.descriptors_per_block())?;
        let count = u64::from(groups.count);
        let copies = superblock_copies(groups.count);
        let per_copy = 1 + u64::from(groups.descriptor_blocks);
        let inode_table_blocks = count * u64::from(groups.inodes_per_group / INODES_PER_BLOCK);
        let bitmap_blocks = count * 2;
        let descriptor_blocks = copies * per_copy;
        let reserved_descriptor_blocks = copies * u64::from(groups.reserved_descriptor_blocks);
        let before_journal = groups.blocks.checked_sub(
            inode_table_blocks
                + bitmap_blocks
                + descriptor_blocks
                + reserved_descriptor_blocks
                + SYSTEM_BLOCKS,
        )?;
        let blocks = u32::try_from(groups.blocks).ok()?;
        let journal = profile.journal(request.journal, blocks)?;
        // mke2fs holds a chosen journal against what is free before there is a root directory, and
        // with flex_bg before there are bitmaps and tables.
        let mut free_for_choice = before_journal + SYSTEM_BLOCKS;
        if profile.features.has_incompat(INCOMPAT_FLEX_BG) {
            free_for_choice += inode_table_blocks + bitmap_blocks;
        }
        if free_for_choice < journal.free_blocks_min {
            return None;
        }
        let free_blocks = before_journal
            .checked_sub(u64::from(journal.blocks) + u64::from(journal.map_blocks))?;
        Some(Self {
            blocks,
            groups: groups.count,
            blocks_per_group: groups.blocks_per_group,
            inodes_per_group: groups.inodes_per_group,
            inode_table_blocks: inode_table_blocks as u32,
            bitmap_blocks: bitmap_blocks as u32,
            descriptor_blocks: descriptor_blocks as u32,
            reserved_descriptor_blocks: reserved_descriptor_blocks as u32,
            reserved_descriptor_blocks_per_copy: groups.reserved_descriptor_blocks,
            journal_blocks: journal.blocks,
            journal_map_blocks: journal.map_blocks,
            reserved_blocks: groups.reserved_blocks,
            free_blocks: free_blocks as u32,
            free_inodes: (groups.inodes_per_group * groups.count).checked_sub(SYSTEM_INODES)?,
        })
    }

    /// The same with the blocks that the journal's extents need, if it has more than an inode holds.
    fn with_journals_extents(self, profile: &Profile) -> Option<Self> {
        if profile.block_map != BlockMap::Extents || self.journal_blocks == 0 {
            return Some(self);
        }
        let journal_map_blocks = self.positions(profile)?.journal_map_blocks;
        Some(Self {
            journal_map_blocks,
            free_blocks: self.free_blocks.checked_sub(journal_map_blocks)?,
            ..self
        })
    }

    /// Where mke2fs leaves blocks free; `None` where it finds no room.
    pub fn positions(&self, profile: &Profile) -> Option<FreePositions> {
        let descriptor_blocks = self.groups.div_ceil(profile.descriptors_per_block());
        FreePositions::of(&Formatted {
            blocks: self.blocks,
            groups: self.groups,
            blocks_per_group: self.blocks_per_group,
            table_blocks: self.inodes_per_group / INODES_PER_BLOCK,
            copy_blocks: 1 + descriptor_blocks + self.reserved_descriptor_blocks_per_copy,
            lost_found_blocks: LOST_FOUND_BLOCKS,
            journal_blocks: self.journal_blocks,
            form: match profile.features.has_incompat(INCOMPAT_FLEX_BG) {
                true => Form::Flex,
                false => Form::Apart {
                    journal_map_blocks: self.journal_map_blocks,
                },
            },
        })
    }

    /// All inodes.
    pub fn inodes(&self) -> u32 {
        self.inodes_per_group * self.groups
    }

    /// Whether the filesystem is as large as asked for, nothing dropped at its end.
    pub fn is_whole(&self, request: FormatRequest) -> bool {
        self.blocks == request.blocks
    }

    /// The length of the filesystem in bytes.
    pub fn size_bytes(&self) -> u64 {
        u64::from(self.blocks) * BLOCK_SIZE
    }
}

/// The retry loop of `ext2fs_initialize`: groups shrink until their inode bitmaps can hold the
/// inodes, and a last group with too little room is dropped.
fn settle_groups(request: FormatRequest, descriptors_per_block: u32) -> Option<Groups> {
    let asked = u64::from(request.blocks);
    let reserve_asked = asked / 100;
    let mut reserved_blocks = reserve_asked;
    let mut blocks = asked;
    let mut blocks_per_group = BLOCKS_PER_GROUP;
    let inodes = request.inodes.max(SYSTEM_INODES + 1);
    // mke2fs' own check, before any of this.
    if u64::from(inodes) * u64::from(BLOCK_SIZE as u32 / INODES_PER_BLOCK) >= asked * BLOCK_SIZE {
        return None;
    }
    loop {
        // Below 2^32 blocks and at least 256 in a group.
        let count = blocks.div_ceil(u64::from(blocks_per_group)) as u32;
        if count == 0 {
            return None;
        }
        let wanted_per_group = inodes.div_ceil(count);
        if wanted_per_group > INODES_PER_GROUP_MAX {
            if blocks_per_group < 256 {
                return None;
            }
            // mke2fs goes down by 8 until there are groups enough for the inodes; sizes at which
            // there cannot be are passed over.
            let groups_needed = u64::from(inodes.div_ceil(INODES_PER_GROUP_MAX));
            let first_that_could_do = asked.div_ceil(groups_needed.max(2) - 1) - 1;
            blocks_per_group = first_that_could_do
                .min(u64::from(blocks_per_group) - 8)
                .try_into()
                .map_or(0, |blocks: u32| blocks / 8 * 8);
            if blocks_per_group < 248 {
                return None;
            }
            blocks = asked;
            continue;
        }
        let table_blocks = wanted_per_group.div_ceil(INODES_PER_BLOCK);
        let inodes_per_group = table_blocks * INODES_PER_BLOCK;
        inodes_per_group.checked_mul(count)?;
        let descriptor_blocks = count.div_ceil(descriptors_per_block);
        let reserved_descriptor_blocks = match request.reserved_descriptor_blocks {
            Some(reserved) if reserved.get() > POINTERS_PER_BLOCK as u32 => return None,
            Some(reserved) => reserved.get(),
            None => {
                // Room for the descriptors of a filesystem 1024 times as large, within 32-bit block
                // numbers.
                let largest = (blocks * 1024).min(u64::from(u32::MAX));
                let largest_groups = largest.div_ceil(u64::from(blocks_per_group));
                (largest_groups.div_ceil(descriptors_per_block.into()) as u32)
                    .saturating_sub(descriptor_blocks)
                    .min(POINTERS_PER_BLOCK as u32)
            }
        };
        let with_superblock =
            3 + u64::from(table_blocks + descriptor_blocks + reserved_descriptor_blocks);
        if with_superblock > u64::from(blocks_per_group) {
            return None;
        }
        let last_has_superblock = has_superblock(GroupNumber(count - 1));
        let overhead = if last_has_superblock {
            with_superblock
        } else {
            2 + u64::from(table_blocks)
        };
        let rest = blocks % u64::from(blocks_per_group);
        if rest > 0 && rest < overhead + LAST_GROUP_MIN_BLOCKS {
            if count == 1 {
                return None;
            }
            blocks -= rest;
            reserved_blocks = reserve_asked * blocks / asked;
            continue;
        }
        return Some(Groups {
            blocks,
            count,
            blocks_per_group,
            inodes_per_group,
            descriptor_blocks,
            reserved_descriptor_blocks,
            reserved_blocks: reserved_blocks as u32,
        });
    }
}

/// How many of the groups hold a superblock: 0, 1 and the powers of 3, 5 and 7.
fn superblock_copies(groups: u32) -> u64 {
    let powers = |base: u64| {
        std::iter::successors(Some(base), move |power| Some(power * base))
            .take_while(|&power| power < u64::from(groups))
            .count() as u64
    };
    u64::from(groups.min(2)) + powers(3) + powers(5) + powers(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superblock_copies_are_those_of_the_groups_that_hold_one() {
        for groups in 1..400 {
            let counted = (0..groups)
                .filter(|&group| has_superblock(GroupNumber(group)))
                .count();
            assert_eq!(superblock_copies(groups), counted as u64, "{groups}");
        }
    }
}
