//! What the blocks of a filesystem are part of, as a map of runs.

use std::collections::BTreeMap;
use std::ops::Range;

use super::BlockKind;
use crate::units::InodeNumber;
use crate::view::{ClaimSink, FreeBlocks, Part, View};

/// Steps that the smallest filesystem may take.
const LEAST_STEPS: u64 = 1 << 20;

/// Bytes of the host's disk for each further step. A sound filesystem takes a step for each run of
/// blocks and for each table, and most runs have a block of content on the host's disk. One that is
/// all holes and claims more, by pointing to the same map again and again, is not listened to.
const HOST_BYTES_OF_STEP: u64 = 256;

/// The runs of blocks that something claims, apart; where two claim a block, the first has it.
#[derive(Debug)]
struct Runs {
    runs: BTreeMap<u64, Run>,
    blocks: u64,
    /// How many runs may still be looked at.
    steps_left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    end: u64,
    kind: BlockKind,
    inode: Option<InodeNumber>,
}

/// A filesystem's blocks.
#[derive(Debug)]
pub struct Claimed<'a> {
    runs: Runs,
    free: FreeBlocks<'a>,
    block_bytes: u64,
    /// What was found last, and where it begins, in bytes: the next that is asked for is mostly
    /// behind it.
    last: Option<(u64, Found)>,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The first byte behind it that may be part of something else.
    pub end_bytes: u64,
    pub kind: BlockKind,
    pub inode: Option<InodeNumber>,
}

impl<'a> Claimed<'a> {
    /// Goes through all that claims blocks.
    pub fn of(view: &'a View) -> Self {
        let host_bytes = view.host_bytes().unwrap_or(0);
        let mut runs = Runs {
            runs: BTreeMap::new(),
            blocks: view.blocks(),
            steps_left: LEAST_STEPS + host_bytes / HOST_BYTES_OF_STEP,
        };
        view.claims(&mut runs);
        Self {
            runs,
            free: view.free_blocks(),
            block_bytes: view.block_bytes(),
            last: None,
        }
    }

    /// What is at this byte.
    pub fn at(&mut self, byte: u64) -> Found {
        match self.last {
            Some((start, found)) if (start..found.end_bytes).contains(&byte) => found,
            _ => {
                let found = self.look(byte);
                self.last = Some((byte, found));
                found
            }
        }
    }

    fn look(&mut self, byte: u64) -> Found {
        let (block, blocks) = (byte / self.block_bytes, self.runs.blocks);
        let found = |end: u64, kind, inode| Found {
            end_bytes: end.saturating_mul(self.block_bytes),
            kind,
            inode,
        };
        if block >= blocks {
            return found(u64::MAX, BlockKind::BehindFilesystem, None);
        }
        if let Some(run) = self.runs.covering(block) {
            return found(run.end, run.kind, run.inode);
        }
        let next = self.runs.runs.range(block..).next();
        let gap = block..next.map_or(blocks, |(start, _)| *start);
        let (is_free, end) = self.free.run(gap);
        let kind = match is_free {
            Some(true) => BlockKind::Free,
            // Only what is before the first group's start has no bit: the boot block.
            None if block == 0 => BlockKind::Superblocks,
            _ => BlockKind::Other,
        };
        found(end, kind, None)
    }
}

impl Runs {
    fn covering(&self, block: u64) -> Option<Run> {
        let (_, run) = self.runs.range(..=block).next_back()?;
        (run.end > block).then_some(*run)
    }

    /// Adds what of the blocks nothing has.
    fn add(&mut self, blocks: Range<u64>, kind: BlockKind, inode: Option<InodeNumber>) {
        let (mut start, end) = (blocks.start, blocks.end.min(self.blocks));
        loop {
            if self.steps_left == 0 || start >= end {
                return;
            }
            self.steps_left -= 1;
            if let Some(run) = self.covering(start) {
                start = run.end;
                continue;
            }
            let next = self.runs.range(start..).next();
            let run_end = next.map_or(end, |(next, _)| end.min(*next));
            let run = Run {
                end: run_end,
                kind,
                inode,
            };
            match self.runs.range_mut(..start).next_back() {
                Some((_, last)) if *last == (Run { end: start, ..run }) => last.end = run_end,
                _ => {
                    self.runs.insert(start, run);
                }
            }
            start = run_end;
        }
    }
}

impl ClaimSink for Runs {
    fn claim(
        &mut self,
        blocks: Range<u64>,
        inode: Option<InodeNumber>,
        part: &dyn Fn(u64) -> Part,
    ) {
        if blocks.is_empty() {
            return;
        }
        // One out of bounds counts, too: there may be any number of them.
        self.steps_left = self.steps_left.saturating_sub(1);
        let kind = BlockKind::of(&part(blocks.start));
        self.add(blocks, kind, inode);
    }

    fn is_done(&self) -> bool {
        self.steps_left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(blocks: u64, steps_left: u64) -> Runs {
        Runs {
            runs: BTreeMap::new(),
            blocks,
            steps_left,
        }
    }

    fn told(runs: &Runs) -> Vec<(Range<u64>, BlockKind)> {
        let run = |(start, run): (&u64, &Run)| (*start..run.end, run.kind);
        runs.runs.iter().map(run).collect()
    }

    #[test]
    fn the_first_to_claim_a_block_has_it_and_the_end_is_the_end() {
        let mut all = runs(100, 1000);
        all.add(10..12, BlockKind::Journal, None);
        all.add(20..30, BlockKind::Journal, None);
        all.add(5..25, BlockKind::Content, None);
        all.add(90..200, BlockKind::Free, None);
        all.add(300..400, BlockKind::Free, None);
        all.add(30..31, BlockKind::Journal, None);
        let expected = [
            (5..10, BlockKind::Content),
            (10..12, BlockKind::Journal),
            (12..20, BlockKind::Content),
            (20..31, BlockKind::Journal),
            (90..100, BlockKind::Free),
        ];
        assert_eq!(told(&all), expected);
    }

    #[test]
    fn no_more_steps_are_taken_than_there_are() {
        let mut all = runs(1000, 40);
        let inode = |number| Some(InodeNumber(number));
        for number in 0..1000 {
            let block = u64::from(number);
            all.claim(block..block + 1, inode(number), &|_| Part::Attributes);
        }
        assert!(all.is_done() && all.runs.len() == 20, "{}", all.runs.len());
    }
}
