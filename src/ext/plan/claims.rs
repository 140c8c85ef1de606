//! Places that are claimed, each once: free blocks and free inodes of an empty filesystem.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::free_runs::FreeRuns;
use crate::units::{BlockNumber, InodeNumber};

/// What is free, and not claimed yet.
#[derive(Debug)]
pub struct Claims {
    /// The end of each free range by its start.
    free: BTreeMap<u32, u32>,
    inodes: u32,
    claimed_inodes: BTreeSet<u32>,
}

impl Claims {
    /// Nothing is claimed yet of these blocks, and of so many inodes.
    pub fn new(free: &FreeRuns, inodes: u32) -> Self {
        let ranges = free.ranges().iter();
        Self {
            free: ranges.map(|range| (range.start, range.end)).collect(),
            inodes,
            claimed_inodes: BTreeSet::new(),
        }
    }

    /// Claims all of these blocks or none: none where one of them is not free, or is there twice, or
    /// where a range is none.
    #[must_use]
    pub fn blocks(&mut self, runs: &[Range<u32>]) -> bool {
        let mut sorted: Vec<&Range<u32>> = runs.iter().collect();
        sorted.sort_unstable_by_key(|run| run.start);
        let overlap = |pair: &[&Range<u32>]| pair[0].end > pair[1].start;
        let all_free =
            |runs: &[&Range<u32>]| runs.iter().all(|run| !run.is_empty() && self.is_free(run));
        if !all_free(&sorted) || sorted.windows(2).any(overlap) {
            return false;
        }
        for run in sorted {
            self.take(run);
        }
        true
    }

    /// Claims a block.
    #[must_use]
    pub fn block(&mut self, block: BlockNumber) -> bool {
        let end = block.0.checked_add(1);
        end.is_some_and(|end| self.blocks(std::slice::from_ref(&(block.0..end))))
    }

    /// Claims an inode that mke2fs leaves free.
    #[must_use]
    pub fn inode(&mut self, number: u32) -> bool {
        let is_free = (InodeNumber::FIRST_FREE.0..=self.inodes).contains(&number);
        is_free && self.claimed_inodes.insert(number)
    }

    /// The blocks that nobody has claimed.
    pub fn into_free(self) -> FreeRuns {
        let mut free = FreeRuns::default();
        for (start, end) in self.free {
            free.push(start..end);
        }
        free
    }

    fn is_free(&self, run: &Range<u32>) -> bool {
        let before = self.free.range(..=run.start).next_back();
        before.is_some_and(|(_, &end)| run.end <= end)
    }

    /// Takes what is free and not empty.
    fn take(&mut self, run: &Range<u32>) {
        let Some((&start, &end)) = self.free.range(..=run.start).next_back() else {
            return;
        };
        self.free.remove(&start);
        if start < run.start {
            self.free.insert(start, run.start);
        }
        if run.end < end {
            self.free.insert(run.end, end);
        }
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, clippy::reversed_empty_ranges)] // what is meant
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims() -> Claims {
        let mut free = FreeRuns::default();
        free.push(10..20);
        free.push(30..40);
        Claims::new(&free, 20)
    }

    #[test]
    fn what_is_claimed_is_free_no_longer() {
        let mut claims = claims();
        assert!(claims.blocks(&[35..40, 12..14, 14..15]));
        assert!(!claims.blocks(&[14..15]));
        assert!(claims.block(BlockNumber(15)));
        assert!(!claims.block(BlockNumber(15)));
        assert_eq!(claims.into_free().ranges(), [10..12, 16..20, 30..35]);
    }

    #[test]
    fn where_one_block_cannot_be_had_none_is_taken() {
        for runs in [
            &[11..13, 12..14][..],
            &[11..13, 11..13],
            &[11..12, 19..21],
            &[11..12, 9..10],
            &[11..12, 18..32],
            &[11..12, 13..13],
            &[11..12, 15..13],
            &[11..12, 0..u32::MAX],
        ] {
            let mut claims = claims();
            assert!(!claims.blocks(runs), "{runs:?}");
            assert_eq!(claims.into_free().ranges(), [10..20, 30..40], "{runs:?}");
        }
        assert!(!claims().block(BlockNumber(u32::MAX)));
    }

    #[test]
    fn inodes_are_claimed_once_and_none_of_mke2fs_or_beyond_the_last() {
        let mut claims = claims();
        let found = [0, 2, 11, 12, 12, 20, 21, u32::MAX].map(|number| claims.inode(number));
        let expected = [false, false, false, true, false, true, false, false];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn claims_agree_with_a_plain_list_of_blocks(
            wanted in prop::collection::vec(prop::collection::vec((0_u32..60, 0_u32..6), 1..4), 0..30),
        ) {
            let mut claims = claims();
            let mut plain: Vec<u32> = (10..20).chain(30..40).collect();
            for runs in wanted {
                let runs: Vec<_> = runs.into_iter().map(|(start, length)| start..start + length).collect();
                let mut blocks: Vec<u32> = runs.iter().cloned().flatten().collect();
                blocks.sort_unstable();
                let count = blocks.len();
                blocks.dedup();
                let expected = runs.iter().all(|run| !run.is_empty())
                    && blocks.len() == count
                    && blocks.iter().all(|block| plain.contains(block));
                prop_assert_eq!(claims.blocks(&runs), expected);
                if expected {
                    plain.retain(|block| !blocks.contains(block));
                }
            }
            let left: Vec<u32> = claims.into_free().ranges().iter().cloned().flatten().collect();
            prop_assert_eq!(left, plain);
        }
    }
}
