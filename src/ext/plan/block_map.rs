//! Mapping a file's blocks: which blocks of map it needs, and in which order all of them lie.
//!
//! The same walk counts (while planning) and writes (while populating). Blocks are asked for in
//! the order a reader meets them: an indirect block stands just before the blocks it maps.

use std::ops::Range;

use crate::error::Result;
use crate::ext::profile::BlockMap;
use crate::layers::Content;
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
        BlockMap::Extents => todo!("extents: the next commit"),
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

/// The file blocks that hold a regular file's data.
pub fn mapped_ranges(content: &Content) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for extent in content.extents() {
        let start = extent.file_offset_bytes;
        let next = start / BLOCK_SIZE..(start + extent.length_bytes).div_ceil(BLOCK_SIZE);
        match ranges.last_mut() {
            Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
            _ => ranges.push(next),
        }
    }
    ranges
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
