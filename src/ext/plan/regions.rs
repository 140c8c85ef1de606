//! Where each use's blocks begin, by their place among the free blocks of the empty filesystem.
//!
//! What an update of an image changes lies together: a file that grows by a block moves all data
//! behind it, which costs a chunked transfer nothing, but it changes the numbers in every block that
//! holds block or inode numbers. Were those strewn between the data, each would spoil its
//! neighbourhood.
//!
//! ```text
//! directories │ attributes │ indirect blocks │ data and long targets of symlinks
//! ```
//!
//! Each in the tree's order. Blocks of extents follow those that they map, in the same region.

use std::ops::Range;

use super::demand::Demand;
use crate::ext::profile::BlockMap;

/// Ranges of places among the free blocks: each begins where the one before it ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Regions {
    /// Blocks of directories that mke2fs has not made already.
    pub directories: Range<u64>,
    /// Blocks of extended attributes.
    pub attributes: Range<u64>,
    /// Indirect blocks of files and directories; none with extents.
    pub maps: Range<u64>,
    /// Data of files, and targets of symlinks that need a block.
    pub data: Range<u64>,
}

impl Regions {
    /// The regions for what a tree needs.
    pub fn of(map: BlockMap, demand: &Demand) -> Self {
        let mut place = 0;
        let mut next = |blocks: u64| {
            let start = place;
            place += blocks;
            start..place
        };
        let maps_apart = match map {
            BlockMap::Indirect => demand.map_blocks,
            BlockMap::Extents => 0,
        };
        let directory_maps = match map {
            BlockMap::Indirect => 0,
            BlockMap::Extents => demand.directory_map_blocks,
        };
        let new_directory_blocks = demand.directory_blocks - demand.preallocated_blocks;
        let directories = next(new_directory_blocks + directory_maps);
        let attributes = next(demand.xattr_blocks);
        let maps = next(maps_apart);
        Self {
            // All that is left: the data, with their extents' blocks.
            data: maps.end..demand.blocks(),
            directories,
            attributes,
            maps,
        }
    }

    /// All blocks of the regions, which are as many first ones of the free blocks.
    pub fn blocks(&self) -> u64 {
        self.data.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand {
        data_blocks: 1000,
        directory_blocks: 25,
        preallocated_blocks: 5,
        map_blocks: 30,
        directory_map_blocks: 7,
        symlink_blocks: 3,
        xattr_blocks: 2,
        inodes: 0,
        content_bytes: 0,
        disk_usage_bytes: 0,
    };

    #[test]
    fn indirect_blocks_lie_together_before_the_data() {
        let regions = Regions::of(BlockMap::Indirect, &DEMAND);
        let expected = Regions {
            directories: 0..20,
            attributes: 20..22,
            maps: 22..52,
            data: 52..1055,
        };
        assert_eq!(regions, expected);
        assert_eq!(regions.blocks(), DEMAND.blocks());
    }

    #[test]
    fn blocks_of_extents_lie_with_what_they_map() {
        let regions = Regions::of(BlockMap::Extents, &DEMAND);
        let expected = Regions {
            directories: 0..27,
            attributes: 27..29,
            maps: 29..29,
            data: 29..1055,
        };
        assert_eq!(regions, expected);
        assert_eq!(regions.blocks(), DEMAND.blocks());
    }
}
