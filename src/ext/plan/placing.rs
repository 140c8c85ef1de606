//! What a node has in blocks, and handing these out without writing any.

use std::ops::Range;

use super::block_map::BlockSink;
use super::earlier::EarlierNode;
use super::free_runs::Cursor;
use super::kept_blocks::KeptBlocks;
use crate::error::{Error, Result};
use crate::ondisk::inode::I_BLOCK_BYTES;
use crate::tree::{Node, NodeId, NodeKind};
use crate::units::{BLOCK_SIZE, BlockNumber};

/// What a node has in blocks.
pub struct Content<'a> {
    /// Whose it is.
    pub id: NodeId,
    /// Whether it is a directory's.
    pub is_directory: bool,
    /// Its mapped blocks, by their place in the file.
    pub ranges: Vec<Range<u64>>,
    /// How many they are.
    pub blocks: u64,
    /// The first of them, where mke2fs has made them.
    pub made: &'a [BlockNumber],
}

impl<'a> Content<'a> {
    /// A node's, which is of so many blocks if it is a directory.
    pub fn of(id: NodeId, node: &Node, directory_blocks: u32, made: &'a [BlockNumber]) -> Self {
        let ranges = match &node.kind {
            NodeKind::Regular(file) => file.content.blocks(BLOCK_SIZE),
            NodeKind::Directory(_) => std::iter::once(0..u64::from(directory_blocks)).collect(),
            NodeKind::Symlink(target) if target.len() >= I_BLOCK_BYTES => {
                std::iter::once(0..1).collect()
            }
            _ => Vec::new(),
        };
        Self {
            id,
            is_directory: matches!(node.kind, NodeKind::Directory(_)),
            blocks: ranges.iter().map(|range| range.end - range.start).sum(),
            ranges,
            made,
        }
    }

    /// The blocks that an earlier node had for it, if they were as many; without those that mke2fs
    /// has made for this one.
    pub fn had(&self, was: &EarlierNode) -> Option<Vec<Range<u32>>> {
        if count(&was.data) != self.blocks || was.data.iter().any(Range::is_empty) {
            return None;
        }
        let mut made = self.made.len() as u32;
        let mut runs = Vec::with_capacity(was.data.len());
        for run in &was.data {
            let skipped = made.min(run.end - run.start);
            made -= skipped;
            if run.start + skipped < run.end {
                runs.push(run.start + skipped..run.end);
            }
        }
        Some(runs)
    }

    /// Those that mke2fs has made.
    pub fn made_runs(&self) -> Vec<Range<u32>> {
        let runs = self.made.iter();
        runs.map(|block| block.0..block.0 + 1).collect()
    }
}

/// How many blocks are in runs.
pub fn count(runs: &[Range<u32>]) -> u64 {
    let lengths = runs.iter();
    lengths
        .map(|run| u64::from(run.end.saturating_sub(run.start)))
        .sum()
}

/// A sink that hands out what is kept and then what is free, and counts.
pub struct Placing<'a, 'c> {
    /// What mke2fs has made, used up first.
    pub made: KeptBlocks<'a>,
    /// What is kept of the content.
    pub data: KeptBlocks<'a>,
    /// What is kept of the map.
    pub maps: KeptBlocks<'a>,
    /// What an earlier node had for the content.
    pub was: KeptBlocks<'a>,
    /// What is free; without it, blocks that are not kept lie side by side somewhere.
    pub cursor: Option<&'a mut Cursor<'c>>,
    /// Whether blocks of maps are taken elsewhere.
    pub maps_apart: bool,
    /// Blocks of the map.
    pub map_blocks: u64,
    /// Blocks that are not kept.
    pub taken: u64,
    /// In how many runs the content lies.
    pub runs: u64,
    /// Blocks of the content that lie where the earlier node's of the same place in its content lay.
    pub in_place: u64,
    /// The block behind the last one of the content.
    pub end: Option<u32>,
}

impl<'a, 'c> Placing<'a, 'c> {
    /// Nothing is kept.
    pub fn new(cursor: Option<&'a mut Cursor<'c>>) -> Self {
        Self {
            made: KeptBlocks::default(),
            data: KeptBlocks::default(),
            maps: KeptBlocks::default(),
            was: KeptBlocks::default(),
            cursor,
            maps_apart: false,
            map_blocks: 0,
            taken: 0,
            runs: 0,
            in_place: 0,
            end: None,
        }
    }

    /// Goes along with what the earlier node had.
    fn compare(&mut self, first: BlockNumber, count: u32) {
        let mut done = 0;
        while done < count
            && let Some((was, length)) = self.was.take(count - done)
        {
            if was.0 == first.0 + done {
                self.in_place += u64::from(length);
            }
            done += length;
        }
    }

    fn free(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        let Some(cursor) = &mut self.cursor else {
            return Ok((BlockNumber(1), wanted));
        };
        let none = || Error::Mismatch("expected a free block, found none".to_owned());
        let (first, count) = cursor.allocate(wanted).ok_or_else(none)?;
        self.taken += u64::from(count);
        Ok((first, count))
    }
}

impl BlockSink for Placing<'_, '_> {
    fn allocate_data(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        let kept = self.made.take(wanted).or_else(|| self.data.take(wanted));
        let (first, count) = match kept {
            Some(kept) => kept,
            None => self.free(wanted)?,
        };
        self.runs += u64::from(self.end != Some(first.0));
        self.end = first.0.checked_add(count);
        self.compare(first, count);
        Ok((first, count))
    }

    fn allocate_map(&mut self) -> Result<BlockNumber> {
        self.map_blocks += 1;
        match self.maps.take(1) {
            Some((block, _)) => Ok(block),
            None if self.maps_apart => {
                self.taken += 1;
                Ok(BlockNumber(1))
            }
            None => Ok(self.free(1)?.0),
        }
    }

    fn data(&mut self, _: u64, _: BlockNumber, _: u32) -> Result<()> {
        Ok(())
    }

    fn map(&mut self, _: BlockNumber, _: &[u8; BLOCK_SIZE as usize]) -> Result<()> {
        Ok(())
    }
}
