//! Blocks that are somebody's.

use std::collections::BTreeMap;
use std::ops::Range;

/// Blocks that were claimed, each once. Takes memory by stretches, not by blocks.
#[derive(Debug, Default)]
pub struct Claims {
    /// Stretches apart from each other: where each ends, by its start.
    stretches: BTreeMap<u64, u64>,
}

impl Claims {
    /// Claims blocks; whether none of them was claimed before. Otherwise nothing is.
    pub fn claim(&mut self, blocks: Range<u64>) -> bool {
        let mut stretch = blocks.clone();
        if let Some((&start, &end)) = self.stretches.range(..=blocks.start).next_back() {
            if end > blocks.start {
                return false;
            }
            if end == blocks.start {
                stretch.start = start;
            }
        }
        if let Some((&start, &end)) = self.stretches.range(blocks.start..).next() {
            if start < blocks.end {
                return false;
            }
            if start == blocks.end {
                stretch.end = end;
                self.stretches.remove(&start);
            }
        }
        self.stretches.insert(stretch.start, stretch.end);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_claimed_once_and_neighbours_are_one_stretch() {
        let mut claims = Claims::default();
        for blocks in [10..20, 30..40, 20..25, 29..30] {
            assert!(claims.claim(blocks));
        }
        for blocks in [10..11, 24..26, 28..30, 5..50, 39..41, 0..11, 15..16] {
            assert!(!claims.claim(blocks.clone()), "{blocks:?}");
        }
        let expected = BTreeMap::from([(10, 25), (29, 40)]);
        assert_eq!(claims.stretches, expected);
        assert!(claims.claim(25..29));
        assert_eq!(claims.stretches, BTreeMap::from([(10, 40)]));
    }
}
