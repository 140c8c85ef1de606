//! How many hash blocks there are for so many data blocks, and where they stand.

use std::ops::Range;

use super::{BLOCK_BYTES, DIGESTS_IN_BLOCK};

/// A tree's levels. Level 0 has the digests of the data, each further one those of the level below,
/// until one block is left; on the disk the topmost comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    data_blocks: u64,
    /// Blocks of each level, level 0 first; none for a single data block.
    levels: Vec<u64>,
}

impl Shape {
    /// The tree over so many data blocks of 4 KiB.
    pub fn of(data_blocks: u64) -> Self {
        let mut levels = Vec::new();
        let mut blocks = data_blocks;
        while blocks > 1 {
            blocks = blocks.div_ceil(DIGESTS_IN_BLOCK);
            levels.push(blocks);
        }
        Self {
            data_blocks,
            levels,
        }
    }

    /// Blocks of data.
    pub fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    /// Blocks of each level, level 0 first.
    pub fn levels(&self) -> &[u64] {
        &self.levels
    }

    /// Blocks of all levels.
    pub fn tree_blocks(&self) -> u64 {
        self.levels.iter().sum()
    }

    /// Bytes of the superblock's block and the tree.
    pub fn area_bytes(&self) -> u64 {
        (1 + self.tree_blocks()) * BLOCK_BYTES
    }

    /// A level's first block, counted from the tree's first.
    pub fn first_block(&self, level: usize) -> u64 {
        self.levels.iter().skip(level + 1).sum()
    }

    /// The data blocks that a block of a level speaks of, of itself or through the levels below.
    pub fn data_of(&self, level: usize, block: u64) -> Range<u64> {
        let each = (0..=level).fold(1_u64, |blocks, _| blocks.saturating_mul(DIGESTS_IN_BLOCK));
        let first = block.saturating_mul(each).min(self.data_blocks);
        first..first.saturating_add(each).min(self.data_blocks)
    }

    /// The number of data blocks before an appended area where all together are `file_blocks`;
    /// `None` where no filesystem with its area is so long.
    pub fn with_area_of(file_blocks: u64) -> Option<Self> {
        let length = |data_blocks: u64| {
            let shape = Self::of(data_blocks);
            (data_blocks + 1 + shape.tree_blocks(), shape)
        };
        // It grows with each data block.
        let (mut least, mut most) = (1, file_blocks);
        while least < most {
            let middle = least + (most - least) / 2;
            if length(middle).0 < file_blocks {
                least = middle + 1;
            } else {
                most = middle;
            }
        }
        let (found, shape) = length(least);
        (found == file_blocks).then_some(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_shrink_by_128_until_one_block_is_left() {
        for (data_blocks, levels) in [
            (1, &[][..]),
            (2, &[1]),
            (128, &[1]),
            (129, &[2, 1]),
            (16_384, &[128, 1]),
            (16_385, &[129, 2, 1]),
            (190_976, &[1492, 12, 1]),
        ] {
            assert_eq!(Shape::of(data_blocks).levels(), levels, "{data_blocks}");
        }
        let shape = Shape::of(190_976);
        assert_eq!(
            [0, 1, 2].map(|level| shape.first_block(level)),
            [13, 1, 0],
            "the topmost level comes first"
        );
        assert_eq!(shape.area_bytes(), 1506 * 4096);
    }

    #[test]
    fn the_blocks_of_each_level_speak_of_all_data() {
        let shape = Shape::of(190_976);
        for (level, &blocks) in shape.levels().iter().enumerate() {
            let all = (0..blocks).map(|block| shape.data_of(level, block));
            let end = all.fold(0, |end, data| {
                assert_eq!(data.start, end);
                data.end
            });
            assert_eq!(end, 190_976);
        }
        assert_eq!(shape.data_of(1, 11), 180_224..190_976);
        assert_eq!(shape.data_of(0, 3), 384..512);
    }

    #[test]
    fn a_files_length_tells_how_much_of_it_is_data() {
        for data_blocks in (1..1000).chain([16_384, 16_385, 2_097_153]) {
            let shape = Shape::of(data_blocks);
            let file_blocks = data_blocks + shape.area_bytes() / 4096;
            assert_eq!(Shape::with_area_of(file_blocks), Some(shape));
        }
        // 1 block has an area of 1, 2 blocks one of 2.
        assert_eq!(Shape::with_area_of(3), None);
        assert_eq!(Shape::with_area_of(0), None);
        assert_eq!(Shape::with_area_of(1), None);
    }
}
