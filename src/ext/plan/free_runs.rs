//! The free blocks of an empty filesystem, and handing them out by their place among all of them.

use std::ops::Range;

use crate::units::BlockNumber;

/// Ascending ranges of free blocks, none next to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FreeRuns {
    runs: Vec<Range<u32>>,
    /// How many free blocks come before each run.
    before: Vec<u64>,
    count: u64,
}

impl FreeRuns {
    /// Takes in the next free blocks, all behind those taken in before. Nothing for an empty range.
    pub fn push(&mut self, blocks: Range<u32>) {
        if blocks.is_empty() {
            return;
        }
        let length = u64::from(blocks.end - blocks.start);
        match self.runs.last_mut() {
            Some(last) if last.end >= blocks.start => {
                debug_assert_eq!(last.end, blocks.start, "free blocks ascend");
                last.end = blocks.end;
            }
            _ => {
                self.before.push(self.count);
                self.runs.push(blocks);
            }
        }
        self.count += length;
    }

    /// All free blocks.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[Range<u32>] {
        &self.runs
    }

    /// Hands out blocks from the free one on that `skip_blocks` others come before.
    pub fn cursor(&self, skip_blocks: u64) -> Cursor<'_> {
        // The last run that does not begin behind the place.
        let run = self.before.partition_point(|before| *before <= skip_blocks);
        let run = run.saturating_sub(1);
        let into = skip_blocks - self.before.get(run).copied().unwrap_or(0);
        let start = self.runs.get(run).map_or(0, |range| {
            // Behind the last block there is nothing: the run counts as used up.
            u64::from(range.end).min(u64::from(range.start) + into) as u32
        });
        Cursor {
            runs: self.runs.get(run..).unwrap_or_default(),
            next: start,
            place: skip_blocks,
        }
    }

    /// The first `blocks` free blocks, as ascending ranges.
    pub fn first(&self, blocks: u64) -> impl Iterator<Item = Range<u32>> {
        let mut cursor = self.cursor(0);
        std::iter::from_fn(move || {
            let left = blocks.saturating_sub(cursor.place());
            let wanted = u32::try_from(left).unwrap_or(u32::MAX);
            let (first, count) = cursor.allocate(wanted)?;
            Some(first.0..first.0 + count)
        })
    }
}

/// A place among the free blocks; what is handed out ascends.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    /// The run that `next` is in, and those behind.
    runs: &'a [Range<u32>],
    next: u32,
    place: u64,
}

impl Cursor<'_> {
    /// The next free blocks: at least one, at most `wanted`, side by side. `None` where there is
    /// none left, or none wanted.
    pub fn allocate(&mut self, wanted: u32) -> Option<(BlockNumber, u32)> {
        loop {
            let run = self.runs.first()?;
            if self.next < run.end {
                let count = wanted.min(run.end - self.next);
                if count == 0 {
                    return None;
                }
                let first = BlockNumber(self.next);
                self.next += count;
                self.place += u64::from(count);
                return Some((first, count));
            }
            self.runs = &self.runs[1..];
            self.next = self.runs.first()?.start;
        }
    }

    /// How many free blocks come before the next one that is handed out.
    pub fn place(&self) -> u64 {
        self.place
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // one run is what is meant
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs_of(ranges: &[Range<u32>]) -> FreeRuns {
        let mut runs = FreeRuns::default();
        ranges.iter().for_each(|range| runs.push(range.clone()));
        runs
    }

    fn rest(mut cursor: Cursor<'_>, wanted: u32) -> Vec<u32> {
        let next = || cursor.allocate(wanted);
        std::iter::from_fn(next)
            .flat_map(|(first, count)| first.0..first.0 + count)
            .collect()
    }

    #[test]
    fn ranges_that_follow_each_other_become_one() {
        let runs = runs_of(&[5..7, 7..7, 7..9, 20..30]);
        assert_eq!(runs.ranges(), [5..9, 20..30]);
        assert_eq!(runs.count(), 14);
    }

    #[test]
    fn a_run_ends_what_is_handed_out_side_by_side() {
        let runs = runs_of(&[5..9, 20..30]);
        let mut cursor = runs.cursor(1);
        assert_eq!(cursor.allocate(2), Some((BlockNumber(6), 2)));
        assert_eq!(cursor.allocate(9), Some((BlockNumber(8), 1)));
        assert_eq!(cursor.place(), 4);
        assert_eq!(cursor.allocate(9), Some((BlockNumber(20), 9)));
        assert_eq!(cursor.allocate(9), Some((BlockNumber(29), 1)));
        assert_eq!((cursor.allocate(9), cursor.place()), (None, 14));
    }

    #[test]
    fn behind_the_last_block_and_without_any_there_is_nothing() {
        let runs = runs_of(&[5..9]);
        for skip in [4, 5, 1 << 40] {
            assert_eq!(runs.cursor(skip).allocate(1), None);
        }
        assert_eq!(FreeRuns::default().cursor(0).allocate(1), None);
        assert_eq!(runs.cursor(0).allocate(0), None);
    }

    #[test]
    fn the_last_block_number_can_be_free() {
        let runs = runs_of(&[1..u32::MAX]);
        let mut cursor = runs.cursor(u64::from(u32::MAX) - 2);
        assert_eq!(cursor.allocate(7), Some((BlockNumber(u32::MAX - 1), 1)));
        assert_eq!(cursor.allocate(1), None);
    }

    proptest! {
        #[test]
        fn a_cursor_gives_what_a_list_of_all_free_blocks_has_behind_its_place(
            gaps in prop::collection::vec((0_u32..5, 0_u32..20), 0..12),
            skip in 0_usize..150,
            wanted in 1_u32..9,
        ) {
            let mut start = 0;
            let ranges: Vec<_> = gaps.into_iter().map(|(gap, length)| {
                let range = start + gap..start + gap + length;
                start = range.end;
                range
            }).collect();
            let all: Vec<u32> = ranges.iter().cloned().flatten().collect();
            let runs = runs_of(&ranges);
            prop_assert_eq!(runs.count(), all.len() as u64);
            let behind = all.get(skip..).unwrap_or_default();
            prop_assert_eq!(rest(runs.cursor(skip as u64), wanted), behind);
            let first: Vec<u32> = runs.first(skip as u64).flatten().collect();
            prop_assert_eq!(first, &all[..skip.min(all.len())]);
        }
    }
}
