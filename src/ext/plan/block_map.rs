//! Mapping a file's blocks: which blocks of map it needs, and in which order all of them lie.
//!
//! The same walk counts (while planning) and writes (while populating). Indirect blocks are asked for
//! just before the blocks they map, the blocks of an extent tree behind all of the file's own.

use std::ops::Range;

use crate::error::Result;
use crate::ext::profile::BlockMap;
use crate::ondisk::extent::{
    BlockRun, EXTENT_BLOCKS_MAX, entries_max, put_child, put_extent, put_header,
};
use crate::ondisk::indirect::{DIRECT_POINTERS, POINTERS_PER_BLOCK, put_pointer};
use crate::ondisk::inode::I_BLOCK_BYTES;
use crate::units::{BLOCK_SIZE, BlockNumber};

/// Takes what the walk meets.
pub trait BlockSink {
    /// The next free blocks for data: at least one, at most `wanted`, side by side.
    ///
    /// # Errors
    /// When there are none left, which the plan rules out.
    fn allocate_data(&mut self, wanted: u32) -> Result<(BlockNumber, u32)>;

    /// The next free block for the map, which may lie elsewhere.
    ///
    /// # Errors
    /// When there is none left, which the plan rules out.
    fn allocate_map(&mut self) -> Result<BlockNumber>;

    /// Blocks `first` and on hold the file's blocks `file_block` and on, `count` of them.
    ///
    /// # Errors
    /// When the content cannot be copied.
    fn data(&mut self, file_block: u64, first: BlockNumber, count: u32) -> Result<()>;

    /// `block` is a block of the map with these bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    fn map(&mut self, block: BlockNumber, bytes: &[u8; BLOCK]) -> Result<()>;
}

const BLOCK: usize = BLOCK_SIZE as usize;

/// Maps the file blocks in `ranges` (ascending, apart from each other, no longer than the profile's
/// longest file) and gives `i_block`. What is in no range is a hole.
///
/// # Errors
/// Those of the sink.
pub fn map_blocks(
    map: BlockMap,
    ranges: &[Range<u64>],
    sink: &mut impl BlockSink,
) -> Result<[u8; I_BLOCK_BYTES]> {
    match map {
        BlockMap::Indirect => Indirect { ranges, sink }.i_block(),
        BlockMap::Extents => {
            let extents = allocate_extents(ranges, sink)?;
            ExtentTree::allocate(&extents, sink)?.write(sink)
        }
    }
}

/// The walk that makes indirect blocks.
struct Indirect<'a, S> {
    /// What is left to map.
    ranges: &'a [Range<u64>],
    sink: &'a mut S,
}

impl<S: BlockSink> Indirect<'_, S> {
    fn i_block(&mut self) -> Result<[u8; I_BLOCK_BYTES]> {
        let mut i_block = [0; I_BLOCK_BYTES];
        for (file_block, first, count) in self.allocate_leaves(0, DIRECT_POINTERS, &mut i_block)? {
            self.sink.data(file_block, first, count)?;
        }
        let mut base = DIRECT_POINTERS;
        for level in 1..=3 {
            let index = DIRECT_POINTERS as usize + level as usize - 1;
            put_pointer(&mut i_block, index, self.indirect(level, base)?);
            base += POINTERS_PER_BLOCK.pow(level);
        }
        Ok(i_block)
    }

    /// The block that maps `POINTERS_PER_BLOCK^level` file blocks from `base`; 0 for a hole.
    fn indirect(&mut self, level: u32, base: u64) -> Result<u32> {
        let span = POINTERS_PER_BLOCK.pow(level);
        if self
            .next_mapped(base)
            .is_none_or(|mapped| mapped >= base + span)
        {
            return Ok(0);
        }
        let block = self.sink.allocate_map()?;
        let mut pointers = [0; BLOCK];
        if level == 1 {
            let runs = self.allocate_leaves(base, POINTERS_PER_BLOCK, &mut pointers)?;
            self.sink.map(block, &pointers)?;
            for (file_block, first, count) in runs {
                self.sink.data(file_block, first, count)?;
            }
        } else {
            let below = span / POINTERS_PER_BLOCK;
            for slot in 0..POINTERS_PER_BLOCK {
                let pointer = self.indirect(level - 1, base + slot * below)?;
                put_pointer(&mut pointers, slot as usize, pointer);
            }
            self.sink.map(block, &pointers)?;
        }
        Ok(block.0)
    }

    /// Blocks for the mapped ones of the `slots` file blocks from `base` on, with pointers to them.
    fn allocate_leaves(
        &mut self,
        base: u64,
        slots: u64,
        pointers: &mut [u8],
    ) -> Result<Vec<(u64, BlockNumber, u32)>> {
        let end = base + slots;
        let mut runs = Vec::new();
        let mut from = base;
        while let Some(start) = self.next_mapped(from).filter(|&start| start < end) {
            let stop = self.ranges[0].end.min(end);
            from = start;
            while from < stop {
                // At most as many as there are slots: fits 32 bits.
                let (first, count) = self.sink.allocate_data((stop - from) as u32)?;
                let slot = (from - base) as usize;
                for (index, block) in (slot..slot + count as usize).zip(first.0..) {
                    put_pointer(pointers, index, block);
                }
                runs.push((from, first, count));
                from += u64::from(count);
            }
        }
        Ok(runs)
    }

    /// The first mapped file block at or after `from`; ranges that end before are let go.
    fn next_mapped(&mut self, from: u64) -> Option<u64> {
        while let Some(range) = self.ranges.first() {
            if range.end > from {
                return Some(range.start.max(from));
            }
            self.ranges = &self.ranges[1..];
        }
        None
    }
}

/// Blocks for all ranges and their data, as extents: what is next to each other in the file and on
/// disk is one, unless that were too long.
fn allocate_extents(ranges: &[Range<u64>], sink: &mut impl BlockSink) -> Result<Vec<BlockRun>> {
    let mut extents: Vec<BlockRun> = Vec::new();
    for range in ranges {
        let mut from = range.start;
        while from < range.end {
            let wanted = u32::try_from(range.end - from).unwrap_or(u32::MAX);
            let (first, count) = sink.allocate_data(wanted)?;
            sink.data(from, first, count)?;
            add_run(&mut extents, from, u64::from(first.0), u64::from(count));
            from += u64::from(count);
        }
    }
    Ok(extents)
}

fn add_run(extents: &mut Vec<BlockRun>, mut file_block: u64, mut disk_block: u64, count: u64) {
    let mut left = count;
    if let Some(last) = extents.last_mut()
        && last.file_block + last.count == file_block
        && last.disk_block + last.count == disk_block
    {
        let taken = left.min(EXTENT_BLOCKS_MAX - last.count);
        last.count += taken;
        left -= taken;
        file_block += taken;
        disk_block += taken;
    }
    while left > 0 {
        let taken = left.min(EXTENT_BLOCKS_MAX);
        extents.push(BlockRun {
            file_block,
            disk_block,
            count: taken,
            unwritten: false,
        });
        left -= taken;
        file_block += taken;
        disk_block += taken;
    }
}

/// The blocks of a tree over so many extents that the inode has no room for.
pub fn extent_tree_blocks(extents: u64) -> u64 {
    levels(extents as usize).map(|blocks| blocks as u64).sum()
}

/// The blocks of each level of such a tree, the leaves' first.
fn levels(extents: usize) -> impl Iterator<Item = usize> {
    let next =
        |&entries: &usize| (entries > INODE_ENTRIES).then(|| entries.div_ceil(BLOCK_ENTRIES));
    std::iter::successors(Some(extents), next).skip(1)
}

const INODE_ENTRIES: usize = entries_max(I_BLOCK_BYTES);
const BLOCK_ENTRIES: usize = entries_max(BLOCK);

/// The tree over a file's extents, every node but the last of a level full. Depth 2 does for 462,400
/// extents.
struct ExtentTree<'a> {
    extents: &'a [BlockRun],
    /// The blocks of each level, the leaves' first.
    levels: Vec<Vec<BlockNumber>>,
}

impl<'a> ExtentTree<'a> {
    /// Blocks for the nodes that the inode has no room for, from the top to the leaves.
    fn allocate(extents: &'a [BlockRun], sink: &mut impl BlockSink) -> Result<Self> {
        let lengths: Vec<_> = levels(extents.len()).collect();
        let mut levels = Vec::with_capacity(lengths.len());
        for &length in lengths.iter().rev() {
            let blocks = (0..length).map(|_| sink.allocate_map());
            levels.push(blocks.collect::<Result<_>>()?);
        }
        levels.reverse();
        Ok(Self { extents, levels })
    }

    /// Writes the nodes in the order of their blocks and gives `i_block`.
    fn write(&self, sink: &mut impl BlockSink) -> Result<[u8; I_BLOCK_BYTES]> {
        for (level, blocks) in self.levels.iter().enumerate().rev() {
            for (index, &block) in blocks.iter().enumerate() {
                let mut bytes = [0; BLOCK];
                self.put_node(level, index, &mut bytes);
                sink.map(block, &bytes)?;
            }
        }
        let mut i_block = [0; I_BLOCK_BYTES];
        self.put_node(self.levels.len(), 0, &mut i_block);
        Ok(i_block)
    }

    /// The node of a level, 0 being the leaves', whose entries begin with the one of this index.
    fn put_node(&self, level: usize, index: usize, bytes: &mut [u8]) {
        let start = index * BLOCK_ENTRIES;
        let Some(below) = level.checked_sub(1).map(|below| &self.levels[below]) else {
            let end = self.extents.len().min(start + BLOCK_ENTRIES);
            let extents = &self.extents[start..end];
            put_header(bytes, extents.len(), 0);
            for (entry, extent) in extents.iter().enumerate() {
                put_extent(bytes, entry, extent);
            }
            return;
        };
        let end = below.len().min(start + BLOCK_ENTRIES);
        // At most 5 levels.
        put_header(bytes, end - start, level as u16);
        let extents_below = BLOCK_ENTRIES.pow(level as u32);
        for (entry, child) in (start..end).enumerate() {
            let first = &self.extents[child * extents_below];
            put_child(bytes, entry, first.file_block, below[child]);
        }
    }
}

/// A sink that only counts.
#[derive(Debug, Default)]
pub struct BlockCount {
    /// Blocks of data.
    pub data: u64,
    /// Blocks of the map.
    pub map: u64,
}

impl BlockSink for BlockCount {
    fn allocate_data(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        // Any number but 0, which would be a hole.
        Ok((BlockNumber(1), wanted))
    }

    fn allocate_map(&mut self) -> Result<BlockNumber> {
        Ok(BlockNumber(1))
    }

    fn data(&mut self, _: u64, _: BlockNumber, count: u32) -> Result<()> {
        self.data += u64::from(count);
        Ok(())
    }

    fn map(&mut self, _: BlockNumber, _: &[u8; BLOCK]) -> Result<()> {
        self.map += 1;
        Ok(())
    }
}

#[cfg(test)]
#[path = "block_map_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "extent_map_tests.rs"]
mod extent_tests;
