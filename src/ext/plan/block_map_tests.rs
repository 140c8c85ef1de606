#![allow(clippy::single_range_in_vec_init)] // a file of one range is what is meant

use super::*;
use crate::layers::{Content, Data, DataExtent};
use crate::ondisk::indirect::{decode_pointers, indirect_blocks};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Hands out ascending blocks in runs of at most `longest` and remembers everything.
#[derive(Default)]
struct Recorder {
    next: u32,
    longest: u32,
    data: BTreeMap<u64, u32>,
    pointers: BTreeMap<u32, Vec<u32>>,
    order: Vec<u32>,
}

impl BlockSink for Recorder {
    fn allocate_data(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        let count = wanted.min(self.longest);
        let first = self.next;
        self.next += count;
        Ok((BlockNumber(first), count))
    }

    fn allocate_map(&mut self) -> Result<BlockNumber> {
        Ok(self.allocate_data(1)?.0)
    }

    fn data(&mut self, file_block: u64, first: BlockNumber, count: u32) -> Result<()> {
        for index in 0..count {
            self.data
                .insert(file_block + u64::from(index), first.0 + index);
            self.order.push(first.0 + index);
        }
        Ok(())
    }

    fn map(&mut self, block: BlockNumber, bytes: &[u8; BLOCK]) -> Result<()> {
        self.pointers
            .insert(block.0, decode_pointers(bytes).collect());
        self.order.push(block.0);
        Ok(())
    }
}

/// The fifteen pointers of a file so mapped.
fn mapped(ranges: &[Range<u64>], sink: &mut impl BlockSink) -> Result<Vec<u32>> {
    let i_block = map_blocks(BlockMap::Indirect, ranges, sink)?;
    Ok(decode_pointers(&i_block).collect())
}

impl Recorder {
    fn new(longest: u32) -> Self {
        Self {
            next: 100,
            longest,
            ..Self::default()
        }
    }

    /// Looks a file block up as a reader does.
    fn look_up(&self, inode: &[u32], file_block: u64) -> u32 {
        if file_block < 12 {
            return inode[file_block as usize];
        }
        let mut rest = file_block - 12;
        let level = (1..=3)
            .find(|&level| {
                let inside = rest < 1024_u64.pow(level);
                if !inside {
                    rest -= 1024_u64.pow(level);
                }
                inside
            })
            .unwrap();
        let mut block = inode[11 + level as usize];
        for below in (0..level).rev() {
            if block == 0 {
                return 0;
            }
            block = self.pointers[&block][(rest / 1024_u64.pow(below) % 1024) as usize];
        }
        block
    }
}

#[test]
fn a_file_without_holes_is_contiguous_with_each_map_before_its_data() {
    for blocks in [1_u64, 12, 13, 1036, 1037, 2061, 5000] {
        let mut recorder = Recorder::new(u32::MAX);
        let inode = mapped(&[0..blocks], &mut recorder).unwrap();
        let total = blocks + indirect_blocks(blocks);
        assert_eq!(u64::from(recorder.next - 100), total, "{blocks}");
        // Only the double indirect block is written after what it maps.
        let mut in_order = recorder.order.clone();
        in_order.retain(|&block| block != inode[13]);
        assert!(in_order.is_sorted(), "{blocks}");
        for file_block in 0..blocks + 3 {
            let expected = recorder.data.get(&file_block).copied().unwrap_or(0);
            assert_eq!(
                recorder.look_up(&inode, file_block),
                expected,
                "{blocks} {file_block}"
            );
        }
    }
}

#[test]
fn counting_and_the_closed_formula_agree_up_to_the_triple_level() {
    for blocks in [
        0_u64, 12, 13, 1036, 1037, 1_049_612, 1_049_613, 1_050_637, 3_000_000,
    ] {
        let mut count = BlockCount::default();
        let ranges = [0..blocks];
        let ranges = if blocks == 0 { &[][..] } else { &ranges[..] };
        mapped(ranges, &mut count).unwrap();
        assert_eq!(
            (count.data, count.map),
            (blocks, indirect_blocks(blocks)),
            "{blocks}"
        );
    }
}

#[test]
fn a_hole_over_a_whole_indirect_block_has_none() {
    let mut recorder = Recorder::new(u32::MAX);
    let far = 12 + 1024 + 1024 * 1024 + 5;
    let inode = mapped(&[0..1, far..far + 1], &mut recorder).unwrap();
    assert_eq!(inode[1..14], [0; 13]);
    assert_eq!(recorder.pointers.len(), 3);
    assert_eq!(recorder.look_up(&inode, far), recorder.data[&far]);
    assert_eq!(recorder.look_up(&inode, far - 1), 0);
}

proptest! {
    #[test]
    fn every_mapped_block_is_found_and_every_hole_is_0(
        pieces in prop::collection::vec((0_u64..3000, 1_u64..700), 0..8),
        longest in 1_u32..900,
    ) {
        let mut start = 0;
        let mut ranges = Vec::new();
        for (gap, length) in pieces {
            start += gap + 1;
            ranges.push(start..start + length);
            start += length;
        }
        let mut recorder = Recorder::new(longest);
        let inode = mapped(&ranges, &mut recorder).unwrap();
        for file_block in 0..start + 2 {
            let is_mapped = ranges.iter().any(|range| range.contains(&file_block));
            prop_assert_eq!(recorder.data.contains_key(&file_block), is_mapped);
            let expected = recorder.data.get(&file_block).copied().unwrap_or(0);
            prop_assert_eq!(recorder.look_up(&inode, file_block), expected);
        }
        let mut count = BlockCount::default();
        mapped(&ranges, &mut count).unwrap();
        prop_assert_eq!(count.data + count.map, u64::from(recorder.next - 100));
    }
}

#[test]
fn sparse_extents_become_blocks_and_extents_in_one_block_are_one() {
    let extent = |file_offset_bytes, length_bytes| DataExtent {
        file_offset_bytes,
        length_bytes,
        offset_bytes: 0,
    };
    let content = Content {
        size_bytes: 1 << 30,
        data: Data::Sparse(
            [
                extent(10, 1),
                extent(100, 4000),
                extent(8192, 4096),
                extent(20_000, 1),
            ]
            .into(),
        ),
    };
    assert_eq!(content.blocks(BLOCK_SIZE), [0..3, 4..5]);
}
