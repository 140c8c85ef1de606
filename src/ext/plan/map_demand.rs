//! How many blocks of map a tree needs: with indirect blocks that is the tree's own matter, with
//! extents it depends on where the filesystem's blocks are free.

use std::ops::Range;

use super::block_map::{BlockCount, BlockSink, extent_tree_blocks, map_blocks};
use super::flex_positions::FreePositions;
use super::free_runs::{Cursor, FreeRuns};
use crate::error::{Error, Result};
use crate::ext::profile::BlockMap;
use crate::ondisk::extent::{EXTENT_BLOCKS_MAX, entries_max};
use crate::ondisk::inode::I_BLOCK_BYTES;
use crate::units::{BLOCK_SIZE, BlockNumber};

/// Blocks that map a tree's files and directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MapBlocks {
    /// Those of directories.
    pub directories: u64,
    /// Those of files.
    pub files: u64,
}

impl MapBlocks {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.directories + self.files
    }
}

/// What a tree's maps depend on, in the order in which blocks are handed out: directories, a block
/// for each set of attributes, then files and long targets of symlinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapDemand {
    map: BlockMap,
    /// The blocks of map where each file's own lie side by side: exact with indirect blocks.
    at_least: MapBlocks,
    directories: Stream,
    files: Stream,
}

/// Blocks that mke2fs has made for a directory already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// The root's.
    Root,
    /// Those of `lost+found`.
    LostFound,
}

impl MapDemand {
    /// Nothing yet.
    pub fn new(map: BlockMap) -> Self {
        Self {
            map,
            at_least: MapBlocks::default(),
            directories: Stream::default(),
            files: Stream::default(),
        }
    }

    /// Takes in the next directory: its blocks, and those of them that mke2fs has made.
    ///
    /// # Errors
    /// None that a tree can cause.
    pub fn directory(&mut self, blocks: u32, made: Option<(Made, u32)>) -> Result<()> {
        let range = 0..u64::from(blocks);
        let counted = self.count(std::slice::from_ref(&range))?;
        self.at_least.directories += counted.map;
        if self.map == BlockMap::Extents {
            self.directories.push(vec![range], made);
        }
        Ok(())
    }

    /// Takes in the next file or long symlink by the blocks that hold data; gives how many.
    ///
    /// # Errors
    /// None that a tree can cause.
    pub fn file(&mut self, ranges: Vec<Range<u64>>) -> Result<u64> {
        let counted = self.count(&ranges)?;
        self.at_least.files += counted.map;
        if self.map == BlockMap::Extents && counted.data > 0 {
            self.files.push(ranges, None);
        }
        Ok(counted.data)
    }

    fn count(&self, ranges: &[Range<u64>]) -> Result<BlockCount> {
        if self.map == BlockMap::Extents {
            // What the walk would find, without making what it writes.
            let lengths = ranges.iter().map(|range| range.end - range.start);
            let extents = lengths
                .clone()
                .map(|length| length.div_ceil(EXTENT_BLOCKS_MAX));
            return Ok(BlockCount {
                data: lengths.sum(),
                map: extent_tree_blocks(extents.sum()),
            });
        }
        let mut count = BlockCount::default();
        map_blocks(self.map, ranges, &mut count)?;
        Ok(count)
    }

    /// What no filesystem needs less than.
    pub fn at_least(&self) -> MapBlocks {
        self.at_least
    }

    /// The blocks of map in a filesystem with these free blocks, of which so many hold attributes;
    /// `None` where the tree does not fit.
    pub fn within(&self, positions: &FreePositions, xattr_blocks: u64) -> Option<MapBlocks> {
        let made = |made| match made {
            Made::Root => &positions.root[..],
            Made::LostFound => &positions.lost_found,
        };
        let (place, directories) = self.directories.mapped(&positions.free, 0, made)?;
        let place = place + xattr_blocks;
        let (_, files) = self.files.mapped(&positions.free, place, made)?;
        Some(MapBlocks { directories, files })
    }
}

/// Files of up to so many blocks are mapped in the inode where the blocks lie side by side.
const INODE_MAPPED_BLOCKS: u64 = entries_max(I_BLOCK_BYTES) as u64 * EXTENT_BLOCKS_MAX;

/// Files or directories in the order in which they take blocks.
///
/// What lies within one run of free blocks needs no looking at: only what is cut, or needs blocks of
/// map in any case, is walked as it will be when it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stream {
    /// For each, the blocks that it and all before it take from the free ones, those of maps aside.
    ends: Vec<u64>,
    /// Those that are to be walked in any case, ascending by their place in `ends`.
    walked: Vec<Walked>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Walked {
    index: usize,
    ranges: Vec<Range<u64>>,
    made: Option<Made>,
}

impl Stream {
    fn push(&mut self, ranges: Vec<Range<u64>>, made: Option<(Made, u32)>) {
        let blocks: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let index = self.ends.len();
        let taken = blocks - made.map_or(0, |(_, count)| u64::from(count));
        self.ends.push(self.before(index) + taken);
        // Any range from 0 on is as good as another.
        let is_plain = ranges.len() == 1 && blocks <= INODE_MAPPED_BLOCKS && made.is_none();
        if !is_plain {
            let made = made.map(|(made, _)| made);
            self.walked.push(Walked {
                index,
                ranges,
                made,
            });
        }
    }

    /// Blocks of all before the one at an index.
    fn before(&self, index: usize) -> u64 {
        index.checked_sub(1).map_or(0, |last| self.ends[last])
    }

    /// Hands out blocks from a place among the free ones on; gives the place behind, and how many
    /// blocks of maps there were.
    fn mapped<'p>(
        &self,
        free: &FreeRuns,
        place: u64,
        made: impl Fn(Made) -> &'p [BlockNumber],
    ) -> Option<(u64, u64)> {
        let mut sink = PlacedCount {
            made: &[],
            cursor: free.cursor(place),
            map: 0,
        };
        let mut walked = self.walked.iter().peekable();
        let mut index = 0;
        while index < self.ends.len() {
            let special = walked.peek().map_or(self.ends.len(), |next| next.index);
            let before = self.before(index);
            if special > index {
                // As many as lie within the run that is being handed out.
                let (_, left) = sink.cursor.clone().allocate(u32::MAX)?;
                let within = |end: &u64| end - before <= u64::from(left);
                let whole = self.ends[index..special].partition_point(within);
                if whole > 0 {
                    index += whole;
                    // Below 2^32, as what is left of the run is.
                    sink.cursor.allocate((self.before(index) - before) as u32)?;
                    continue;
                }
            }
            let plain = 0..self.ends[index] - before;
            let ranges = match walked.next_if(|next| next.index == index) {
                Some(next) => {
                    sink.made = next.made.map_or(&[], &made);
                    &next.ranges[..]
                }
                None => std::slice::from_ref(&plain),
            };
            map_blocks(BlockMap::Extents, ranges, &mut sink).ok()?;
            index += 1;
        }
        Some((sink.cursor.place(), sink.map))
    }
}

/// A sink that hands out what is free and counts the blocks of maps.
struct PlacedCount<'a> {
    /// What mke2fs has made for it, used up first.
    made: &'a [BlockNumber],
    cursor: Cursor<'a>,
    map: u64,
}

impl BlockSink for PlacedCount<'_> {
    fn allocate_data(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        if let Some((&first, rest)) = self.made.split_first() {
            self.made = rest;
            return Ok((first, 1));
        }
        let none = || Error::Mismatch("expected a free block, found none".to_owned());
        self.cursor.allocate(wanted).ok_or_else(none)
    }

    fn allocate_map(&mut self) -> Result<BlockNumber> {
        self.map += 1;
        Ok(self.allocate_data(1)?.0)
    }

    fn data(&mut self, _: u64, _: BlockNumber, _: u32) -> Result<()> {
        Ok(())
    }

    fn map(&mut self, _: BlockNumber, _: &[u8; BLOCK_SIZE as usize]) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "map_demand_tests.rs"]
mod tests;
