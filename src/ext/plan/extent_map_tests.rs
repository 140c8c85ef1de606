#![allow(clippy::single_range_in_vec_init)] // a file of one range is what is meant

use super::*;
use crate::ondisk::extent::ExtentNode;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Hands out ascending blocks in runs of at most `longest`, with a gap of one behind each run that
/// is as long, and remembers everything.
struct Recorder {
    next: u32,
    longest: u32,
    left: u32,
    data: Vec<BlockRun>,
    map: BTreeMap<u64, Vec<u8>>,
    allocated: Vec<u64>,
    map_order: Vec<u64>,
}

impl Recorder {
    fn new(longest: u32) -> Self {
        Self {
            next: 100,
            longest,
            left: longest,
            data: Vec::new(),
            map: BTreeMap::new(),
            allocated: Vec::new(),
            map_order: Vec::new(),
        }
    }
}

impl BlockSink for Recorder {
    fn allocate_data(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        if self.left == 0 {
            self.left = self.longest;
            self.next += 1;
        }
        let count = wanted.min(self.left);
        let first = self.next;
        self.next += count;
        self.left -= count;
        Ok((BlockNumber(first), count))
    }

    fn allocate_map(&mut self) -> Result<BlockNumber> {
        let block = self.allocate_data(1)?.0;
        self.allocated.push(block.0.into());
        Ok(block)
    }

    fn data(&mut self, file_block: u64, first: BlockNumber, count: u32) -> Result<()> {
        assert!(self.map.is_empty(), "data lie before the map");
        self.data.push(BlockRun {
            file_block,
            disk_block: first.0.into(),
            count: count.into(),
            unwritten: false,
        });
        Ok(())
    }

    fn map(&mut self, block: BlockNumber, bytes: &[u8; BLOCK]) -> Result<()> {
        assert!(self.map.insert(block.0.into(), bytes.to_vec()).is_none());
        self.map_order.push(block.0.into());
        Ok(())
    }
}

/// A file so mapped: its depth, and its extents as a reader of the tree finds them.
fn mapped(ranges: &[Range<u64>], recorder: &mut Recorder) -> (u16, Vec<BlockRun>) {
    let i_block = map_blocks(BlockMap::Extents, ranges, recorder).unwrap();
    // All are written, from the front to the back.
    assert_eq!(recorder.allocated, recorder.map_order);
    assert!(recorder.map_order.is_sorted());
    let root = ExtentNode::decode(&i_block).unwrap();
    let mut extents = Vec::new();
    let mut read = 0;
    collect(&root, recorder, None, &mut extents, &mut read);
    assert_eq!(read, recorder.map.len());
    (root.depth, extents)
}

fn collect(
    node: &ExtentNode,
    recorder: &Recorder,
    first: Option<u64>,
    extents: &mut Vec<BlockRun>,
    read: &mut usize,
) {
    for entry in 0..node.entries {
        if node.depth == 0 {
            extents.push(node.extent(entry));
        } else {
            *read += 1;
            let bytes = &recorder.map[&node.child(entry)];
            assert_eq!(bytes[4..6], [84, 1], "room for 340");
            assert_eq!(bytes[4092..], [0; 4], "room for a checksum");
            let child = ExtentNode::decode(bytes).unwrap();
            assert_eq!(child.depth + 1, node.depth);
            let before = extents.len();
            // The first file block of what an entry leads to stands where an extent's does.
            let key = node.extent(entry).file_block;
            collect(&child, recorder, Some(key), extents, read);
            assert_eq!(extents[before].file_block, key);
        }
    }
    if let Some(first) = first {
        assert!(node.entries > 0 && first <= extents.last().unwrap().file_block);
    }
}

/// What was handed out, block by block.
fn blocks(runs: &[BlockRun]) -> Vec<(u64, u64)> {
    let each = |run: &BlockRun| {
        let run = *run;
        (0..run.count).map(move |at| (run.file_block + at, run.disk_block + at))
    };
    runs.iter().flat_map(each).collect()
}

#[test]
fn a_file_without_blocks_has_a_header_alone() {
    let i_block = map_blocks(BlockMap::Extents, &[], &mut Recorder::new(1)).unwrap();
    assert_eq!(i_block[..12], [0x0a, 0xf3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(i_block[12..], [0; 48]);
}

#[test]
fn trees_grow_a_level_where_the_nodes_are_full() {
    // Extents, depth, blocks of the tree: single blocks apart from each other.
    for (extents, depth, nodes) in [
        (1, 0, 0),
        (4, 0, 0),
        (5, 1, 1),
        (340, 1, 1),
        (341, 1, 2),
        (1360, 1, 4),
        (1361, 2, 5 + 1),
        (340 * 340, 2, 340 + 1),
        (340 * 340 + 1, 2, 341 + 2),
        (462_400, 2, 1360 + 4),
        (462_401, 3, 1361 + 5 + 1),
    ] {
        let mut recorder = Recorder::new(1);
        let (found_depth, found) = mapped(&[0..extents], &mut recorder);
        assert_eq!(
            (found.len() as u64, found_depth, recorder.map.len()),
            (extents, depth, nodes)
        );
        assert_eq!(blocks(&found), blocks(&recorder.data), "{extents}");
        // The tree lies directly behind the file's own blocks.
        let last = recorder.data.last().unwrap().disk_block;
        let behind: Vec<_> = (1..=nodes as u64).map(|index| last + 2 * index).collect();
        assert_eq!(recorder.map_order, behind);
    }
}

#[test]
fn an_extent_has_no_more_than_32768_blocks() {
    for (length, counts) in [
        (32_767, &[32_767][..]),
        (32_768, &[32_768]),
        (32_769, &[32_768, 1]),
        (131_072, &[32_768; 4]),
        (131_073, &[32_768, 32_768, 32_768, 32_768, 1]),
    ] {
        let mut recorder = Recorder::new(u32::MAX);
        let (depth, extents) = mapped(&[0..length], &mut recorder);
        let found: Vec<_> = extents.iter().map(|extent| extent.count).collect();
        assert_eq!(found, counts);
        assert_eq!(depth, u16::from(counts.len() > 4));
    }
}

#[test]
fn neighbours_on_disk_and_in_the_file_are_one_extent_up_to_its_length() {
    let mut extents = Vec::new();
    // Handed out block by block, as those that mke2fs made are.
    for block in 0..40_000 {
        add_run(&mut extents, block, 500 + block, 1);
    }
    let run = |file_block, disk_block, count| BlockRun {
        file_block,
        disk_block,
        count,
        unwritten: false,
    };
    assert_eq!(
        extents,
        [run(0, 500, 32_768), run(32_768, 33_268, 40_000 - 32_768)]
    );
    // Not where only one of both is true.
    add_run(&mut extents, 40_001, 40_500, 1);
    add_run(&mut extents, 40_002, 40_502, 1);
    assert_eq!(extents.len(), 4);
    // A long run fills up the extent before it.
    add_run(&mut extents, 40_003, 40_503, 70_000);
    let counts: Vec<_> = extents[3..].iter().map(|extent| extent.count).collect();
    assert_eq!(counts, [32_768, 32_768, 70_001 - 65_536]);
}

#[test]
fn holes_have_no_extent_and_part_what_lies_side_by_side() {
    let mut recorder = Recorder::new(u32::MAX);
    let last = u64::from(u32::MAX) - 1;
    let (depth, extents) = mapped(&[0..2, 5..6, last..last + 1], &mut recorder);
    assert_eq!(depth, 0);
    let found: Vec<_> = extents
        .iter()
        .map(|extent| (extent.file_block, extent.disk_block, extent.count))
        .collect();
    assert_eq!(found, [(0, 100, 2), (5, 102, 1), (last, 103, 1)]);
}

proptest! {
    #[test]
    fn every_block_is_found_where_it_was_put_and_extents_are_as_few_as_can_be(
        pieces in prop::collection::vec((0_u64..300, 1_u64..700), 0..40),
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
        let (_, extents) = mapped(&ranges, &mut recorder);
        let found = blocks(&extents);
        prop_assert_eq!(&found, &blocks(&recorder.data));
        prop_assert!(found.iter().map(|block| block.0).eq(ranges.iter().cloned().flatten()));
        let parted = extents.windows(2).all(|pair| {
            pair[0].file_block + pair[0].count != pair[1].file_block
                || pair[0].disk_block + pair[0].count != pair[1].disk_block
        });
        prop_assert!(parted);
    }
}
