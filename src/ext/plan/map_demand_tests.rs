#![allow(clippy::single_range_in_vec_init)] // a file of one range is what is meant

use super::*;
use proptest::prelude::*;

/// A filesystem whose root directory's block is 5, those of `lost+found` are 6 to 9, and these runs
/// are free.
fn positions(runs: &[Range<u32>]) -> FreePositions {
    let mut free = FreeRuns::default();
    runs.iter().for_each(|run| free.push(run.clone()));
    FreePositions {
        free,
        root: vec![BlockNumber(5)],
        lost_found: (6..10).map(BlockNumber).collect(),
        journal_map_blocks: 0,
    }
}

/// So many runs of so many blocks, one block apart.
fn runs(count: u32, length: u32) -> Vec<Range<u32>> {
    let run = |index| 100 + index * (length + 1)..100 + index * (length + 1) + length;
    (0..count).map(run).collect()
}

fn demand(root_blocks: u32, files: &[&[Range<u64>]]) -> MapDemand {
    let mut demand = MapDemand::new(BlockMap::Extents);
    demand
        .directory(root_blocks, Some((Made::Root, 1)))
        .unwrap();
    for ranges in files {
        demand.file(ranges.to_vec()).unwrap();
    }
    demand
}

/// What every file and directory takes, each of them walked.
fn walked(
    positions: &FreePositions,
    root_blocks: u32,
    files: &[&[Range<u64>]],
    xattr_blocks: u64,
) -> Option<MapBlocks> {
    let mut sink = PlacedCount {
        made: &positions.root,
        cursor: positions.free.cursor(0),
        map: 0,
    };
    map_blocks(BlockMap::Extents, &[0..root_blocks.into()], &mut sink).ok()?;
    let directories = sink.map;
    let place = sink.cursor.place() + xattr_blocks;
    sink.cursor = positions.free.cursor(place);
    for ranges in files {
        map_blocks(BlockMap::Extents, ranges, &mut sink).ok()?;
    }
    Some(MapBlocks {
        directories,
        files: sink.map - directories,
    })
}

#[test]
fn a_file_that_is_cut_more_than_three_times_needs_a_block_of_extents() {
    // Of 10 free blocks side by side each.
    let cut = positions(&runs(50, 10));
    for (blocks, expected) in [(40, 0), (41, 1)] {
        let files: &[&[Range<u64>]] = &[&[0..blocks]];
        let demand = demand(1, files);
        assert_eq!(demand.at_least().all(), 0);
        assert_eq!(demand.within(&cut, 0).unwrap().files, expected, "{blocks}");
        // Two blocks of attributes before it: the file begins behind them and is cut once more.
        let shifted = demand.within(&cut, 2).unwrap();
        assert_eq!(shifted.files, 1, "{blocks}");
    }
    // The root directory begins in the block that mke2fs made, apart from the rest.
    let in_five = demand(1 + 31, &[]);
    assert_eq!(in_five.within(&cut, 0).unwrap().directories, 1);
    let in_four = demand(1 + 30, &[]);
    assert_eq!(in_four.within(&cut, 0).unwrap().directories, 0);
}

#[test]
fn long_and_torn_files_need_blocks_of_extents_anywhere() {
    let whole = positions(&[100..1_000_000]);
    let torn: Vec<_> = (0..1361).map(|index| 2 * index..2 * index + 1).collect();
    for (ranges, blocks) in [
        (&[0..131_072][..], 0),
        (&[0..131_073], 1),
        (&torn[..4], 0),
        (&torn[..5], 1),
        (&torn[..341], 2),
        (&torn, 6),
    ] {
        let demand = demand(1, &[ranges]);
        assert_eq!(demand.at_least().files, blocks);
        assert_eq!(demand.within(&whole, 0).unwrap().files, blocks);
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let small = positions(&[100..110]);
    let files = |blocks| demand(1, &[&[0..4], &[0..blocks]]);
    assert!(files(6).within(&small, 0).is_some());
    assert!(files(7).within(&small, 0).is_none());
    assert!(files(6).within(&small, 1).is_none());
    // Data fit, and the block of their extents does not.
    let cut = positions(&runs(5, 1));
    assert!(demand(1, &[&[0..5]]).within(&cut, 0).is_none());
    assert!(demand(1, &[&[0..4]]).within(&cut, 0).is_some());
}

#[test]
fn indirect_blocks_are_the_same_everywhere() {
    let mut demand = MapDemand::new(BlockMap::Indirect);
    demand.directory(13, Some((Made::Root, 1))).unwrap();
    assert_eq!(demand.file(vec![0..1037]).unwrap(), 1037);
    let expected = MapBlocks {
        directories: 1,
        files: 3,
    };
    assert_eq!(demand.at_least(), expected);
}

proptest! {
    /// Leaving out what lies within a run changes nothing.
    #[test]
    fn what_is_not_walked_would_need_nothing(
        lengths in prop::collection::vec(1_u32..60, 1..40),
        files in prop::collection::vec(
            prop::collection::vec((0_u64..3, 1_u64..40), 1..7), 0..60),
        root_blocks in 1_u32..40,
        xattr_blocks in 0_u64..30,
    ) {
        let mut start = 100;
        let runs: Vec<_> = lengths.into_iter().map(|length| {
            let run = start..start + length;
            start = run.end + 1;
            run
        }).collect();
        let positions = positions(&runs);
        let files: Vec<Vec<Range<u64>>> = files.into_iter().map(|pieces| {
            let mut at = 0;
            let range = |(gap, length)| {
                let range = at + gap + 1..at + gap + 1 + length;
                at = range.end;
                range
            };
            pieces.into_iter().map(range).collect()
        }).collect();
        let files: Vec<_> = files.iter().map(Vec::as_slice).collect();
        let demand = demand(root_blocks, &files);
        prop_assert_eq!(
            demand.within(&positions, xattr_blocks),
            walked(&positions, root_blocks, &files, xattr_blocks)
        );
    }
}
