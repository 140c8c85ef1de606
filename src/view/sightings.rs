//! What blocks were when they were read, so that another reading can be held against it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use sha2::{Digest as _, Sha256};

/// Bytes of blocks that are kept, so that tables are not read for each inode in them.
const KEPT_BYTES: usize = 4 << 20;

/// A digest of a block's bytes.
type Digest = [u8; 32];

/// Blocks that were seen, and the last of them as they are.
#[derive(Debug, Default)]
pub struct Sightings {
    seen: BTreeMap<u64, Digest>,
    kept: HashMap<u64, Vec<u8>>,
    /// What is kept, the oldest first.
    order: VecDeque<u64>,
    /// Whether one was another when it was read again.
    has_changed: bool,
}

impl Sightings {
    /// A block's bytes, if they are kept.
    pub fn kept(&self, block: u64) -> Option<&[u8]> {
        self.kept.get(&block).map(Vec::as_slice)
    }

    /// Notes a block that was read, and keeps it for a while.
    pub fn note(&mut self, block: u64, bytes: Vec<u8>) {
        self.has_changed |= !self.is_as_seen(block, &bytes);
        self.seen.entry(block).or_insert_with(|| digest(&bytes));
        let most = (KEPT_BYTES / bytes.len().max(1)).max(1);
        if self.order.len() >= most
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
        if self.kept.insert(block, bytes).is_none() {
            self.order.push_back(block);
        }
    }

    /// Whether a block that was seen, if it was, had these bytes.
    pub fn is_as_seen(&self, block: u64, bytes: &[u8]) -> bool {
        let seen = self.seen.get(&block);
        seen.is_none_or(|seen| *seen == digest(bytes))
    }

    /// The blocks among these that were seen.
    pub fn seen(&self, blocks: Range<u64>) -> impl Iterator<Item = u64> {
        self.seen.range(blocks).map(|(block, _)| *block)
    }

    /// Whether a block that was read twice was the same both times.
    pub fn are_the_same(&self) -> bool {
        !self.has_changed
    }

    /// How many blocks were seen.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Lets go of the bytes; what they were is known.
    pub fn let_go(&mut self) {
        self.kept = HashMap::new();
        self.order = VecDeque::new();
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_another_when_it_is_read_again_is_noticed() {
        let mut sightings = Sightings::default();
        sightings.note(7, vec![1; 4096]);
        assert_eq!(sightings.kept(7), Some(&[1; 4096][..]));
        assert!(sightings.is_as_seen(7, &[1; 4096]) && !sightings.is_as_seen(7, &[2; 4096]));
        assert!(sightings.is_as_seen(8, &[2; 4096]));
        sightings.note(7, vec![1; 4096]);
        assert!(sightings.are_the_same());
        sightings.note(7, vec![2; 4096]);
        assert!(!sightings.are_the_same());
        assert_eq!(sightings.seen(0..8).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn no_more_than_a_few_blocks_are_kept_and_all_are_known() {
        let mut sightings = Sightings::default();
        let most = (KEPT_BYTES / 65536) as u64;
        for block in 0..2 * most {
            sightings.note(block, vec![0; 65536]);
        }
        assert_eq!(sightings.kept.len() as u64, most);
        assert_eq!(sightings.len() as u64, 2 * most);
        assert!(sightings.kept(0).is_none() && sightings.kept(2 * most - 1).is_some());
    }
}
