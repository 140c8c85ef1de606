//! Where a file's blocks are, by block pointers or by extents.

use std::cmp::Reverse;

use super::claims::Claims;
use super::{Node, View};
use crate::error::{Error, Result};
use crate::ondisk::checksum::InodeSeed;
use crate::ondisk::extent::{BlockRun, ExtentNode};
use crate::ondisk::indirect::{DIRECT_POINTERS, decode_pointers};
use crate::units::InodeNumber;

/// A file's runs, ascending and apart; what is in none is a hole. Ends after the first error.
///
/// Holds one block for each level of the tree. A map can lead back to itself, so that everything
/// it gives is counted: a sound file has no more blocks than its filesystem, or a few times as many
/// where files share blocks (`shared_blocks`).
#[derive(Debug)]
pub(super) struct Runs<'a> {
    view: &'a View,
    number: u32,
    /// What the checksums of the map's blocks start with, where these are held against any.
    seed: Option<InodeSeed>,
    stack: Vec<Level>,
    /// The run that the next piece may prolong.
    pending: Option<BlockRun>,
    /// Where the next piece may start.
    next_block: u64,
    /// The first block behind the file's end.
    end_block: u64,
    budget: u64,
    /// What is wrong where the budget does not last.
    beyond: &'static str,
    /// The blocks of the map itself that were read, where somebody wants to know, each with how many
    /// levels of extents lie below it.
    map_blocks: Option<Vec<(u16, u64)>>,
    /// What other files have, where blocks of the map must be nobody else's.
    claims: Option<&'a mut Claims>,
}

#[derive(Debug)]
enum Level {
    Extents {
        node: ExtentNode,
        index: usize,
    },
    /// Pointers, each to a tree of `height` levels of further pointers.
    Pointers {
        pointers: Box<[u32]>,
        index: usize,
        height: u32,
        first_block: u64,
    },
}

impl View {
    /// The blocks of a node that has some.
    pub(super) fn runs(&self, node: &Node) -> Result<Runs<'_>> {
        let stack = if node.has_extents() {
            vec![Level::Extents {
                node: self.extent_node(node.number.0, &node.stored.i_block)?,
                index: 0,
            }]
        } else {
            self.pointers_of(&node.stored.i_block)
        };
        let end_block = node.stored.size_bytes.div_ceil(self.image.block_bytes);
        // In a sound tree every node leads to data: no more than five above each block of a file.
        let most = end_block.saturating_mul(6).saturating_add(8);
        Ok(Runs {
            view: self,
            number: node.number.0,
            seed: self.seed(node),
            stack,
            pending: None,
            next_block: 0,
            end_block,
            budget: (self.max_data_bytes() / self.image.block_bytes).min(most),
            beyond: "maps more blocks than the filesystem has",
            map_blocks: None,
            claims: None,
        })
    }

    /// The tree of the inode itself, the next level at the end: direct pointers, then three of one
    /// more level each.
    fn pointers_of(&self, i_block: &[u8]) -> Vec<Level> {
        let pointers: Vec<_> = decode_pointers(i_block).collect();
        let (direct, indirect) = pointers.split_at(pointers.len() - 3);
        let per_block = self.image.block_bytes / 4;
        let mut first_block = DIRECT_POINTERS;
        let level = |pointers: &[u32], height, first_block| Level::Pointers {
            pointers: pointers.into(),
            index: 0,
            height,
            first_block,
        };
        let mut levels = vec![level(direct, 0, 0)];
        for (pointer, height) in indirect.iter().zip(1..) {
            levels.push(level(&[*pointer], height, first_block));
            first_block += per_block.pow(height);
        }
        levels.reverse();
        levels
    }

    fn extent_node(&self, number: u32, bytes: &[u8]) -> Result<ExtentNode> {
        ExtentNode::decode(bytes).map_err(|what| self.bad(format!("inode {number}: {what}")))
    }
}

impl<'a> Runs<'a> {
    pub fn block_bytes(&self) -> u64 {
        self.view.image.block_bytes
    }

    /// Lets `blocks` at most be given, those of the map itself among them: what is left to a walk
    /// over many files.
    pub fn limit(&mut self, blocks: u64) {
        if blocks < self.budget {
            self.budget = blocks;
            self.beyond = "its blocks belong to other files as well";
        }
    }

    /// Keeps the numbers of the map's own blocks from now on.
    pub fn keep_map_blocks(&mut self) {
        self.map_blocks = Some(Vec::new());
    }

    /// Lets no block of the map be read that another file has, and claims those that are.
    pub fn claim_in(&mut self, claims: &'a mut Claims) {
        self.claims = Some(claims);
    }

    /// Claims a run that was given; whether nobody else has any of it.
    pub fn claim(&mut self, run: &BlockRun) -> bool {
        let blocks = run.disk_block..run.disk_block + run.count;
        self.claims
            .as_mut()
            .is_none_or(|claims| claims.claim(blocks))
    }

    /// Those that came since this was asked last.
    pub fn take_map_blocks(&mut self) -> Vec<u64> {
        let kept = self.take_levels().into_iter();
        kept.map(|(_, block)| block).collect()
    }

    /// The same, from the top level of extents to the leaves; pointers before what they map.
    pub fn take_map_blocks_by_level(&mut self) -> Vec<u64> {
        let mut kept = self.take_levels();
        kept.sort_by_key(|(below, _)| Reverse(*below));
        kept.into_iter().map(|(_, block)| block).collect()
    }

    fn take_levels(&mut self) -> Vec<(u16, u64)> {
        self.map_blocks
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// A block of the map, with so many levels of extents below it.
    fn map_block(&mut self, block: u64, below: u16) -> Result<Vec<u8>> {
        self.spend(1)?;
        let is_own = match &mut self.claims {
            Some(claims) => claims.claim(block..block.saturating_add(1)),
            None => true,
        };
        if !is_own {
            return Err(self.bad("its map's blocks belong to something else as well"));
        }
        if let Some(kept) = &mut self.map_blocks {
            kept.push((below, block));
        }
        self.view.image.block(block)
    }

    /// What is left of that.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    fn bad(&self, what: &str) -> Error {
        self.view.bad(format!("inode {}: {what}", self.number))
    }

    fn spend(&mut self, blocks: u64) -> Result<()> {
        self.budget = self
            .budget
            .checked_sub(blocks)
            .ok_or_else(|| self.bad(self.beyond))?;
        Ok(())
    }

    /// The next piece, as the tree gives it.
    fn piece(&mut self) -> Result<Option<BlockRun>> {
        while let Some(level) = self.stack.last_mut() {
            match level {
                Level::Extents { node, index } => {
                    if *index == node.entries {
                        self.stack.pop();
                        continue;
                    }
                    let at = *index;
                    *index += 1;
                    if node.depth > 0 {
                        let (child, depth) = (node.child(at), node.depth);
                        self.descend_extents(child, depth)?;
                        continue;
                    }
                    return Ok(Some(node.extent(at)));
                }
                Level::Pointers {
                    pointers,
                    index,
                    height,
                    first_block,
                } => {
                    if *index == pointers.len() {
                        self.stack.pop();
                        continue;
                    }
                    let (pointer, height) = (pointers[*index], *height);
                    let step = (pointers.len() as u64).pow(height);
                    let first_block = *first_block + *index as u64 * step;
                    *index += 1;
                    if let Some(run) = self.pointer(pointer, height, first_block)? {
                        return Ok(Some(run));
                    }
                }
            }
        }
        Ok(None)
    }

    /// A run of one block, or a descent to further pointers.
    fn pointer(&mut self, pointer: u32, height: u32, first_block: u64) -> Result<Option<BlockRun>> {
        if pointer == 0 {
            return Ok(None);
        }
        if first_block >= self.end_block {
            // All that follows lies behind the end, too.
            self.stack.clear();
            return Ok(None);
        }
        if height == 0 {
            return Ok(Some(BlockRun {
                file_block: first_block,
                disk_block: pointer.into(),
                count: 1,
                unwritten: false,
            }));
        }
        let bytes = self.map_block(pointer.into(), 0)?;
        self.stack.push(Level::Pointers {
            pointers: decode_pointers(&bytes).collect(),
            index: 0,
            height: height - 1,
            first_block,
        });
        Ok(None)
    }

    fn descend_extents(&mut self, block: u64, depth: u16) -> Result<()> {
        let bytes = self.map_block(block, depth.saturating_sub(1))?;
        let node = self.view.extent_node(self.number, &bytes)?;
        if node.depth + 1 != depth {
            return Err(self.bad(&format!(
                "expected an extent tree's node {} levels high, found one of {}",
                depth - 1,
                node.depth
            )));
        }
        if self.seed.is_some_and(|seed| !seed.extents_hold(&bytes)) {
            let number = InodeNumber(self.number);
            return Err(self.view.wrong_checksum(number, block));
        }
        self.stack.push(Level::Extents { node, index: 0 });
        Ok(())
    }

    /// The next run, pieces that follow each other joined.
    fn run(&mut self) -> Result<Option<BlockRun>> {
        loop {
            let Some(mut piece) = self.piece()? else {
                return Ok(self.pending.take());
            };
            if piece.file_block < self.next_block || piece.count == 0 {
                return Err(self.bad(&format!(
                    "expected extents in order, found {} blocks at file block {}",
                    piece.count, piece.file_block
                )));
            }
            let disk_end = piece.disk_block.checked_add(piece.count);
            if piece.disk_block == 0 || disk_end.is_none_or(|end| end > self.view.image.blocks()) {
                return Err(self.bad(&format!(
                    "expected some of {} blocks, found {} at block {}",
                    self.view.image.blocks(),
                    piece.count,
                    piece.disk_block
                )));
            }
            if piece.file_block >= self.end_block {
                self.stack.clear();
                continue;
            }
            piece.count = piece.count.min(self.end_block - piece.file_block);
            self.spend(piece.count)?;
            self.next_block = piece.file_block + piece.count;
            match &mut self.pending {
                Some(run)
                    if run.unwritten == piece.unwritten
                        && run.file_block + run.count == piece.file_block
                        && run.disk_block + run.count == piece.disk_block =>
                {
                    run.count += piece.count;
                }
                pending => {
                    if let Some(run) = pending.replace(piece) {
                        return Ok(Some(run));
                    }
                }
            }
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = Result<BlockRun>;

    fn next(&mut self) -> Option<Self::Item> {
        let run = self.run();
        if run.is_err() {
            self.stack.clear();
            self.pending = None;
        }
        run.transpose()
    }
}
