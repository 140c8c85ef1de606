//! What differs, joined into ranges that are part of the same.

use std::ops::Range;

use super::claimed::{Claimed, Found};
use super::{BlockKind, DifferingRange, Holder};

/// Takes what differs in ascending order.
pub struct Tally<'a> {
    sides: [Option<Claimed<'a>>; 2],
    lengths: [u64; 2],
    block_bytes: u64,
    found: Vec<(DifferingRange, Option<Holder>)>,
    /// The block behind the last that was counted.
    next_block: u64,
}

impl<'a> Tally<'a> {
    /// Of files of these lengths, and of what is known of them.
    pub fn new(sides: [Option<Claimed<'a>>; 2], lengths: [u64; 2], block_bytes: u64) -> Self {
        Self {
            sides,
            lengths,
            block_bytes,
            found: Vec::new(),
            next_block: 0,
        }
    }

    /// These bytes hold so many that differ: all of them, or no more than a block's.
    pub fn differs(&mut self, bytes: Range<u64>, differing_bytes: u64) {
        let is_all = differing_bytes == bytes.end - bytes.start;
        let mut start = bytes.start;
        while start < bytes.end {
            let (end, kind, holder) = self.part(start);
            let end = end.clamp(start + 1, bytes.end);
            let differing = if is_all { end - start } else { differing_bytes };
            self.add(start..end, differing, kind, holder);
            start = end;
        }
    }

    /// What these bytes are part of, up to where: in the later file, else in the earlier.
    fn part(&mut self, byte: u64) -> (u64, BlockKind, Option<Holder>) {
        let [before, after] = [0, 1].map(|side| {
            let is_within = byte < self.lengths[side];
            let claimed = self.sides[side].as_mut().filter(|_| is_within);
            claimed.map(|claimed| claimed.at(byte))
        });
        let ends = [before, after].into_iter().flatten();
        let end = ends.map(|found| found.end_bytes).min();
        // Where one file ends it is the other that says it.
        let lengths = self.lengths.into_iter().filter(|length| *length > byte);
        let end = lengths.chain(end).min().unwrap_or(u64::MAX);
        // What is damaged in one may be sound in the other.
        let kinds = [after, before].into_iter().flatten();
        let kind = kinds
            .map(|found| found.kind)
            .find(|kind| *kind != BlockKind::Other)
            .unwrap_or(BlockKind::Other);
        let of = |side, found: Option<Found>| {
            let inode = found.and_then(|found| found.inode)?;
            Some((side, inode))
        };
        (end, kind, of(1, after).or_else(|| of(0, before)))
    }

    fn add(
        &mut self,
        bytes: Range<u64>,
        differing_bytes: u64,
        kind: BlockKind,
        holder: Option<Holder>,
    ) {
        let first = (bytes.start / self.block_bytes).max(self.next_block);
        self.next_block = bytes.end.div_ceil(self.block_bytes);
        let blocks = self.next_block - first.min(self.next_block);
        let length_bytes = bytes.end - bytes.start;
        if let Some((last, of)) = self.found.last_mut()
            && last.offset_bytes + last.length_bytes == bytes.start
            && last.kind == kind
            && *of == holder
        {
            last.length_bytes += length_bytes;
            last.differing_bytes += differing_bytes;
            last.blocks += blocks;
            return;
        }
        let range = DifferingRange {
            offset_bytes: bytes.start,
            length_bytes,
            differing_bytes,
            blocks,
            kind,
            path: None,
            is_directory: false,
        };
        self.found.push((range, holder));
    }

    /// All ranges, without paths, and whose they are.
    pub fn found(self) -> Vec<(DifferingRange, Option<Holder>)> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lengths: [u64; 2], differ: &[(Range<u64>, u64)]) -> Vec<[u64; 4]> {
        let mut tally = Tally::new([None, None], lengths, 4096);
        for (range, count) in differ {
            tally.differs(range.clone(), *count);
        }
        let found = tally.found().into_iter();
        let figures = |(range, _): (DifferingRange, _)| {
            let DifferingRange {
                offset_bytes,
                length_bytes,
                differing_bytes,
                blocks,
                ..
            } = range;
            [offset_bytes, length_bytes, differing_bytes, blocks]
        };
        found.map(figures).collect()
    }

    #[test]
    fn neighbours_are_one_range_and_others_are_not() {
        let differ = [(0..4096, 1), (4096..8192, 2), (12_288..16_384, 4096)];
        let expected = [[0, 8192, 3, 2], [12_288, 4096, 4096, 1]];
        assert_eq!(told([1 << 20; 2], &differ), expected);
    }

    #[test]
    fn a_block_in_which_one_file_ends_is_counted_once() {
        let differ = [(4096..5000, 1), (5000..8193, 3193)];
        assert_eq!(told([5000, 8193], &differ), [[4096, 4097, 3194, 2]]);
        assert_eq!(told([8193, 5000], &differ), [[4096, 4097, 3194, 2]]);
    }
}
