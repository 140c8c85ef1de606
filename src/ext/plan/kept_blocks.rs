//! Blocks that something keeps, handed out in their order before any that are free.

use std::ops::Range;

use crate::units::BlockNumber;

/// Runs of blocks that are used up from the front.
#[derive(Debug, Clone, Default)]
pub struct KeptBlocks<'a> {
    runs: &'a [Range<u32>],
    /// How many of the first run's blocks are used up.
    used: u32,
}

impl<'a> KeptBlocks<'a> {
    /// All of these, none of them empty.
    pub fn new(runs: &'a [Range<u32>]) -> Self {
        Self { runs, used: 0 }
    }

    /// The next of them: at least one, at most `wanted`, side by side. `None` where none is left.
    pub fn take(&mut self, wanted: u32) -> Option<(BlockNumber, u32)> {
        let run = self.runs.first()?;
        let first = run.start + self.used;
        let count = wanted.min(run.end - first);
        self.used += count;
        if first + count == run.end {
            self.runs = &self.runs[1..];
            self.used = 0;
        }
        Some((BlockNumber(first), count))
    }

    /// Whether all are used up.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_handed_out_in_their_order_and_no_further_than_a_run() {
        let runs = [20..23, 5..6, 6..8];
        let mut kept = KeptBlocks::new(&runs);
        let mut taken = Vec::new();
        while let Some((first, count)) = kept.take(2) {
            taken.push((first.0, count));
        }
        assert_eq!(taken, [(20, 2), (22, 1), (5, 1), (6, 2)]);
        assert!(kept.is_empty());
        assert!(!KeptBlocks::new(&runs).is_empty());
    }
}
