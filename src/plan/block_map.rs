//! Mapping a file's blocks: which indirect blocks it needs, and in which order all of them lie.
//!
//! The same walk counts (while planning) and writes (while populating). Blocks are asked for in
//! the order a reader meets them: an indirect block stands just before the blocks it maps.

use std::ops::Range;

use crate::error::Result;
use crate::layers::{Content, Data};
use crate::ondisk::indirect::{DIRECT_POINTERS, POINTERS_PER_BLOCK};
use crate::units::{BLOCK_SIZE, BlockNumber};

/// Takes what the walk meets.
pub trait BlockSink {
    /// The next free blocks: at least one, at most `wanted`, side by side.
    ///
    /// # Errors
    /// When there are none left, which the plan rules out.
    fn allocate(&mut self, wanted: u32) -> Result<(BlockNumber, u32)>;

    /// Blocks `first` and on hold the file's blocks `file_block` and on, `count` of them.
    ///
    /// # Errors
    /// When the content cannot be copied.
    fn data(&mut self, file_block: u64, first: BlockNumber, count: u32) -> Result<()>;

    /// `block` is an indirect block with these pointers.
    ///
    /// # Errors
    /// When it cannot be written.
    fn indirect(&mut self, block: BlockNumber, pointers: &Pointers) -> Result<()>;
}

/// An indirect block's pointers; 0 is a hole.
pub type Pointers = [u32; POINTERS_PER_BLOCK as usize];

/// Maps the file blocks in `ranges` (ascending, apart from each other, below
/// [`crate::ondisk::indirect::MAX_FILE_BYTES`]) and gives the inode's fifteen pointers. What is
/// in no range is a hole.
///
/// # Errors
/// Those of the sink.
pub fn map_blocks(ranges: &[Range<u64>], sink: &mut impl BlockSink) -> Result<[u32; 15]> {
    let mut walk = Walk { ranges, sink };
    let mut pointers = [0; 15];
    let (direct, indirect) = pointers.split_at_mut(DIRECT_POINTERS as usize);
    for (file_block, first, count) in walk.allocate_leaves(0, direct)? {
        walk.sink.data(file_block, first, count)?;
    }
    let mut base = DIRECT_POINTERS;
    for (level, pointer) in (1..).zip(indirect) {
        *pointer = walk.indirect(level, base)?;
        base += POINTERS_PER_BLOCK.pow(level);
    }
    Ok(pointers)
}

struct Walk<'a, S> {
    /// What is left to map.
    ranges: &'a [Range<u64>],
    sink: &'a mut S,
}

impl<S: BlockSink> Walk<'_, S> {
    /// The block that maps `POINTERS_PER_BLOCK^level` file blocks from `base`; 0 for a hole.
    fn indirect(&mut self, level: u32, base: u64) -> Result<u32> {
        let span = POINTERS_PER_BLOCK.pow(level);
        if self
            .next_mapped(base)
            .is_none_or(|mapped| mapped >= base + span)
        {
            return Ok(0);
        }
        let (block, _) = self.sink.allocate(1)?;
        let mut pointers = [0; POINTERS_PER_BLOCK as usize];
        if level == 1 {
            let runs = self.allocate_leaves(base, &mut pointers)?;
            self.sink.indirect(block, &pointers)?;
            for (file_block, first, count) in runs {
                self.sink.data(file_block, first, count)?;
            }
        } else {
            let below = span / POINTERS_PER_BLOCK;
            for (slot, pointer) in (0..).zip(&mut pointers) {
                *pointer = self.indirect(level - 1, base + slot * below)?;
            }
            self.sink.indirect(block, &pointers)?;
        }
        Ok(block.0)
    }

    /// Blocks for the mapped file blocks from `base` on, as many as there are slots.
    fn allocate_leaves(
        &mut self,
        base: u64,
        slots: &mut [u32],
    ) -> Result<Vec<(u64, BlockNumber, u32)>> {
        let end = base + slots.len() as u64;
        let mut runs = Vec::new();
        let mut from = base;
        while let Some(start) = self.next_mapped(from).filter(|&start| start < end) {
            let stop = self.ranges[0].end.min(end);
            from = start;
            while from < stop {
                // At most as many as there are slots: fits 32 bits.
                let (first, count) = self.sink.allocate((stop - from) as u32)?;
                let slot = (from - base) as usize;
                for (pointer, block) in slots[slot..slot + count as usize].iter_mut().zip(first.0..)
                {
                    *pointer = block;
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
    let blocks_of = |start: u64, end: u64| start / BLOCK_SIZE..end.div_ceil(BLOCK_SIZE);
    match &content.data {
        Data::Contiguous { .. } if content.size_bytes == 0 => Vec::new(),
        Data::Contiguous { .. } => vec![blocks_of(0, content.size_bytes)],
        Data::Sparse(extents) => {
            let mut ranges: Vec<Range<u64>> = Vec::new();
            for extent in extents {
                let start = extent.file_offset_bytes;
                let next = blocks_of(start, start + extent.length_bytes);
                match ranges.last_mut() {
                    Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
                    _ => ranges.push(next),
                }
            }
            ranges
        }
    }
}

/// A sink that only counts.
#[derive(Debug, Default)]
pub struct BlockCount {
    /// Blocks of data.
    pub data: u64,
    /// Indirect blocks.
    pub indirect: u64,
}

impl BlockSink for BlockCount {
    fn allocate(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        // Any number but 0, which would be a hole.
        Ok((BlockNumber(1), wanted))
    }

    fn data(&mut self, _: u64, _: BlockNumber, count: u32) -> Result<()> {
        self.data += u64::from(count);
        Ok(())
    }

    fn indirect(&mut self, _: BlockNumber, _: &Pointers) -> Result<()> {
        self.indirect += 1;
        Ok(())
    }
}

#[cfg(test)]
#[path = "block_map_tests.rs"]
mod tests;
