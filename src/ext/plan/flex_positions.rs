//! Which blocks mke2fs leaves free, above all where it packs the bitmaps and tables of 16 groups
//! together (`flex_bg`); where it does not, they begin each group.
//!
//! A model of libext2fs' `ext2fs_allocate_group_table`, `ext2fs_mkdir` and `ext2fs_add_journal_inode`,
//! each of which takes the first free blocks from some place on. The populate step holds it against
//! the bitmaps that mke2fs really wrote.

use std::collections::BTreeMap;

use super::free_runs::FreeRuns;
use crate::ondisk::extent::{EXTENT_BLOCKS_MAX, entries_max};
use crate::ondisk::inode::I_BLOCK_BYTES;
use crate::ondisk::superblock::has_superblock;
use crate::units::{BLOCK_SIZE, BlockNumber, GroupNumber};

/// Groups whose bitmaps and tables lie together: `s_log_groups_per_flex` is 4.
pub const GROUPS_PER_FLEX: u32 = 16;

/// What there is to be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formatted {
    /// Blocks of the filesystem.
    pub blocks: u32,
    /// Block groups.
    pub groups: u32,
    /// Blocks in each group but perhaps the last.
    pub blocks_per_group: u32,
    /// Blocks of each group's inode table.
    pub table_blocks: u32,
    /// Blocks of the superblock and the descriptors, with those for growing, in a group that has them.
    pub copy_blocks: u32,
    /// Blocks of `lost+found`.
    pub lost_found_blocks: u32,
    /// Blocks of the journal.
    pub journal_blocks: u32,
    /// How it is mapped, and whether tables lie together.
    pub form: Form,
}

/// What the kinds of ext differ in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With `flex_bg`, and extents.
    Flex,
    /// Tables in each group, and indirect blocks, so many of the journal's.
    Apart {
        /// Blocks that map the journal.
        journal_map_blocks: u32,
    },
}

/// Where the blocks are that the plan counts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreePositions {
    /// What is free.
    pub free: FreeRuns,
    /// The root directory's blocks.
    pub root: Vec<BlockNumber>,
    /// The blocks of `lost+found`.
    pub lost_found: Vec<BlockNumber>,
    /// Blocks that map the journal.
    pub journal_map_blocks: u32,
}

impl FreePositions {
    /// The positions; `None` where mke2fs finds no room.
    pub fn of(formatted: &Formatted) -> Option<Self> {
        let mut space = Space {
            formatted,
            free: BTreeMap::from([(0, formatted.blocks)]),
        };
        for group in 0..formatted.groups {
            if has_superblock(GroupNumber(group)) {
                space.take(space.first_block(group), formatted.copy_blocks);
            }
        }
        match formatted.form {
            Form::Flex => space.take_tables()?,
            Form::Apart { .. } => space.take_tables_apart()?,
        }
        let root = space.take_first(0)?;
        let lost_found: Option<Vec<_>> = (0..formatted.lost_found_blocks)
            .map(|_| space.take_first(root).map(BlockNumber))
            .collect();
        // The resize inode's indirect block.
        space.take_first(formatted.copy_blocks + 1 + formatted.table_blocks)?;
        let journal_map_blocks = match formatted.form {
            Form::Flex => space.take_journal()?,
            Form::Apart { journal_map_blocks } => {
                // It is mapped block by block, from the front on (`ext2fs_bmap2`).
                space.take_run(formatted.journal_blocks.checked_add(journal_map_blocks)?)?;
                journal_map_blocks
            }
        };
        let mut free = FreeRuns::default();
        for (&start, &end) in &space.free {
            free.push(start..end);
        }
        Some(Self {
            free,
            root: vec![BlockNumber(root)],
            lost_found: lost_found?,
            journal_map_blocks,
        })
    }
}

/// The free blocks while they are taken.
struct Space<'a> {
    formatted: &'a Formatted,
    /// The free ranges: the end of each by its start.
    free: BTreeMap<u32, u32>,
}

/// Where the tables of a group are.
#[derive(Clone, Copy)]
struct Tables {
    block_bitmap: u32,
    inode_bitmap: u32,
    inode_table: u32,
}

impl Space<'_> {
    fn first_block(&self, group: u32) -> u32 {
        // The group exists: below the number of blocks.
        group * self.formatted.blocks_per_group
    }

    fn last_block(&self, group: u32) -> u32 {
        if group + 1 == self.formatted.groups {
            self.formatted.blocks - 1
        } else {
            self.first_block(group + 1) - 1
        }
    }

    /// The lowest block of `start..end` from which on `count` are free (`ext2fs_get_free_blocks2`).
    fn find(&self, start: u32, count: u32, end: u32) -> Option<u32> {
        let within = self.free.range(..=start).next_back();
        let behind = self.free.range(start.checked_add(1)?..);
        within
            .into_iter()
            .chain(behind)
            .map(|(&from, &to)| (from.max(start), to))
            .take_while(|&(from, _)| from < end)
            .find(|&(from, to)| to.saturating_sub(from) >= count)
            .map(|(from, _)| from)
    }

    /// Takes free blocks.
    fn take(&mut self, first: u32, count: u32) {
        let range = self.free.range(..=first).next_back();
        let Some((&start, &end)) = range else { return };
        self.free.remove(&start);
        if start < first {
            self.free.insert(start, first);
        }
        if first + count < end {
            self.free.insert(first + count, end);
        }
    }

    /// Takes the first free block from `start` on, or from the front (`ext2fs_new_block3`).
    fn take_first(&mut self, start: u32) -> Option<u32> {
        let found = self.find(start, 1, u32::MAX);
        let block = found.or_else(|| self.find(0, 1, start))?;
        self.take(block, 1);
        Some(block)
    }

    /// Takes the first `count` free blocks.
    fn take_run(&mut self, count: u32) -> Option<()> {
        let mut left = count;
        while left > 0 {
            let (&start, &end) = self.free.first_key_value()?;
            let count = left.min(end - start);
            self.take(start, count);
            left -= count;
        }
        Some(())
    }

    /// Each group's bitmaps and table, which follow what the group has of the superblock.
    fn take_tables_apart(&mut self) -> Option<()> {
        for group in 0..self.formatted.groups {
            let (first, last) = (self.first_block(group), self.last_block(group));
            for count in [1, 1, self.formatted.table_blocks] {
                let place = self.find(first, count, last)?;
                self.take(place, count);
            }
        }
        Some(())
    }

    fn take_tables(&mut self) -> Option<()> {
        let last_group = self.formatted.groups - 1;
        let mut before: Option<Tables> = None;
        for group in 0..=last_group {
            let first_of_flex = group - group % GROUPS_PER_FLEX;
            let last = last_group.min(first_of_flex + GROUPS_PER_FLEX - 1);
            let before_here = before.filter(|_| group > first_of_flex);
            // Where the next kind of table begins, seen from the first group's.
            let apart = match last % GROUPS_PER_FLEX + 1 {
                groups @ 2.. if last == last_group => groups,
                _ => GROUPS_PER_FLEX,
            };
            let wanted = before_here.map_or(0, |before| before.block_bitmap + 1);
            let block_bitmap = self.take_table(wanted, 1, group, last)?;
            let behind = block_bitmap + apart;
            let wanted = before_here.map_or(behind, |before| before.inode_bitmap + 1);
            let inode_bitmap = self.take_table(wanted, 1, group, last)?;
            let behind = inode_bitmap + apart;
            let count = self.formatted.table_blocks;
            let wanted = before_here.map_or(behind, |before| before.inode_table + count);
            let inode_table = self.take_table(wanted, count, group, last)?;
            before = Some(Tables {
                block_bitmap,
                inode_bitmap,
                inode_table,
            });
        }
        Some(())
    }

    /// Takes `count` blocks for a group's bitmap or table: from `wanted` on if that is known and near,
    /// else where those of all groups up to the flex' last one fit (`flexbg_offset`).
    fn take_table(&mut self, wanted: u32, count: u32, group: u32, last: u32) -> Option<u32> {
        let of_all = (last - group + 1) * count;
        let of_all = of_all.min(self.formatted.blocks_per_group / 4);
        let near = || {
            let is_known = wanted != 0 && wanted < self.formatted.blocks;
            is_known.then(|| self.find(wanted, count, wanted + of_all))?
        };
        let first = self.first_block(group - group % GROUPS_PER_FLEX);
        let end = self.last_block(last);
        let from = near()
            .or_else(|| self.find(first, of_all, end))
            .or_else(|| self.find(first, count, end))
            .or_else(|| self.find(0, count, end))?;
        // In small groups, what all of them may take is less than what one takes.
        let place = self
            .find(from, count, end)
            .or_else(|| self.find(self.first_block(group), count, end))?;
        self.take(place, count);
        Some(place)
    }

    /// The journal, in the emptiest group around the middle and behind it
    /// (`get_midpoint_journal_block`, `ext2fs_fallocate`). Gives the blocks of its extents.
    fn take_journal(&mut self) -> Option<u32> {
        let last_group = self.formatted.groups - 1;
        let mut middle = self.formatted.blocks / 2 / self.formatted.blocks_per_group;
        let mut first = middle.saturating_sub(1);
        if middle > GROUPS_PER_FLEX {
            middle -= middle % GROUPS_PER_FLEX;
            middle = (middle..=last_group)
                .find(|&group| self.free_in(group) > 0)
                .unwrap_or(0);
            first = middle;
        }
        let around = first..=last_group.min(middle + 1);
        // The first of those that are equally empty.
        let group = around.rev().max_by_key(|&group| self.free_in(group))?;
        let mut left = self.formatted.journal_blocks;
        let mut from = self.first_block(group);
        let mut extents = 0;
        let mut journal_start = 0;
        let mut map_blocks = 0;
        while left > 0 {
            let found = self.find(from, 1, u32::MAX);
            let first = found.or_else(|| self.find(0, 1, from))?;
            let (_, &end) = self.free.range(..=first).next_back()?;
            let count = left.min(end - first).min(EXTENT_BLOCKS_MAX as u32);
            self.take(first, count);
            if extents == 0 {
                journal_start = first;
            }
            left -= count;
            from = first + count;
            extents += 1;
            // Further blocks of extents come where some are split: not followed here.
            if extents > entries_max(BLOCK_SIZE as usize) {
                return None;
            }
            if extents == entries_max(I_BLOCK_BYTES) + 1 {
                self.take_first(journal_start - 1)?;
                map_blocks += 1;
            }
        }
        Some(map_blocks)
    }

    fn free_in(&self, group: u32) -> u32 {
        let (first, last) = (self.first_block(group), self.last_block(group));
        let within = self.free.range(..=first).next_back();
        let behind = self.free.range(first + 1..=last);
        let counts = within
            .into_iter()
            .chain(behind)
            .map(|(&start, &end)| end.min(last + 1).saturating_sub(start.max(first)));
        counts.sum()
    }
}
