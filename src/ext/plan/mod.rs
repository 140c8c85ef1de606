//! Every number before any byte: sizes, blocks, inodes.
//!
//! ```text
//! normalise          what of a node can be kept → xattr_placement   where its attributes go
//! inode_numbers      which inode is whose, and which names lead to it
//! block_map          how a file is mapped         directory_layout  how names go into blocks
//!      └ demand: what the tree needs              geometry: what mke2fs makes of a size
//!      │       └──────────── size: the size in which it fits ────────────┘
//!      └ map_demand: the blocks of maps           flex_positions: where it leaves blocks free
//!      └ regions: where each use's blocks begin   free_runs: handing blocks out by their place
//! earlier            the places of another filesystem that are to be kept
//!      └ like, outgrown: its size   counterparts: which node was which   claims: each place once
//!              └───────────────────── placement ─────────────────────┘ kept_blocks, likeness
//! identity           what a filesystem is born with; and, not the plan's, what names it
//! ```

pub mod block_map;
pub mod claims;
pub mod counterparts;
pub mod demand;
pub mod directory_layout;
pub mod earlier;
pub mod flex_positions;
pub mod free_runs;
pub mod geometry;
pub mod identity;
pub mod inode_numbers;
pub mod kept_blocks;
pub mod like;
pub mod likeness;
pub mod map_demand;
pub mod normalise;
pub mod outgrown;
pub mod placement;
pub mod placing;
pub mod regions;
pub mod size;
pub mod size_policy;
pub mod xattr_placement;

use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::ext::profile::Profile;
use crate::tree::Tree;
use crate::warnings::Warnings;

use like::{Asked, Laid};

pub use demand::Demand;
pub use earlier::{Earlier, EarlierNode};
pub use free_runs::{Cursor, FreeRuns};
pub use geometry::{FormatRequest, Geometry};
pub use identity::{Birth, Identity};
pub use inode_numbers::InodeNumbers;
pub use like::expect_kind;
pub use likeness::{Figures, Layout, Likeness, Tally, WhyFresh};
pub use map_demand::{MapBlocks, MapDemand};
pub use placement::Placement;
pub use regions::Regions;
pub use size::{Room, Sized};
pub use size_policy::SizePolicy;
pub use xattr_placement::XattrBlocks;

/// What the user wants of the filesystem, apart from its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// The kind.
    pub profile: Profile,
    /// The size.
    pub size: SizePolicy,
    /// Inodes to stay free, and the journal.
    pub room: Room,
    /// What the filesystem is born with.
    pub birth: Birth,
    /// The filesystem whose places are to be kept where they can be. Whoever asks for none other
    /// gives its hash seed ([`Earlier::usable_hash_seed`]) to the birth, too.
    pub earlier: Option<Arc<Earlier>>,
    /// Whether the size, free inodes or the journal were asked for: they are not the earlier
    /// filesystem's then.
    pub size_given: bool,
}

/// All decisions about a filesystem; nothing after this decides. What names the tree is no decision,
/// and nothing here depends on it.
#[derive(Debug)]
pub struct Plan {
    /// The kind.
    pub profile: Profile,
    /// What the filesystem is born with.
    pub birth: Birth,
    /// What the tree needs.
    pub demand: Demand,
    /// The size and what mke2fs makes of it.
    pub sized: Sized,
    /// Which inode each node gets.
    pub numbers: InodeNumbers,
    /// Which attribute block each node gets.
    pub xattr_blocks: XattrBlocks,
    /// What ext cannot keep of the tree.
    pub warnings: Warnings,
    /// Who keeps a place of an earlier filesystem, where there is one to be like.
    pub placement: Option<Placement>,
    /// What came of the wish to be like it.
    pub likeness: Option<Likeness>,
    maps: MapDemand,
    room: Room,
}

/// All blocks of a planned filesystem by what they are for. The names are those of the JSON form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlocksByUse {
    /// Files' content.
    pub data: u64,
    /// Maps of files and directories.
    pub indirect: u64,
    /// Directories.
    pub directory: u64,
    /// Long targets of symlinks.
    pub symlink: u64,
    /// Extended attributes.
    pub xattr: u64,
    /// Inode tables.
    pub inode_tables: u64,
    /// Bitmaps of blocks and inodes.
    pub bitmaps: u64,
    /// Superblocks and group descriptors, all copies together.
    pub superblocks_and_descriptors: u64,
    /// Kept behind the descriptors for growing.
    pub reserved_for_growing: u64,
    /// The journal with its map.
    pub journal: u64,
    /// Of the root directory, `lost+found` and the resize inode those that mke2fs makes and the
    /// tree's own directories do not reuse.
    pub system: u64,
    /// Free once the tree is in.
    pub free: u64,
    /// Of them those that only root may take.
    pub reserved: u64,
}

impl Plan {
    /// Plans a filesystem for a tree.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for what the profile cannot hold and a hash seed of zeros,
    /// [`crate::Error::TooSmall`] for an exact size that cannot hold the tree.
    pub fn of(tree: &Tree, options: &PlanOptions) -> Result<Self> {
        if options.birth.hash_seed == [0; 16] {
            return Err(Error::unsupported(
                "expected a hash seed that is not all zeros: mke2fs takes that for none and makes one by chance (--hash-seed)",
            ));
        }
        if let Some(earlier) = &options.earlier {
            like::expect_kind(options.profile.kind, earlier.kind)?;
        }
        let numbers = InodeNumbers::of_tree(tree)?;
        let mut warnings = Warnings::default();
        let birth = &options.birth;
        let measured = demand::measure(&options.profile, tree, &numbers, birth, &mut warnings)?;
        let asked = Asked {
            profile: &options.profile,
            size: options.size,
            room: options.room,
            earlier: options.earlier.as_deref(),
            size_given: options.size_given,
        };
        let Laid {
            profile,
            sized,
            placed,
            layout,
        } = Laid::out(asked, tree, &numbers, &measured)?;
        let (placement, numbers, figures) = match placed {
            Some(placed) => (Some(placed.placement), placed.numbers, placed.figures),
            None => {
                let blocks = measured.demand.with_maps(sized.maps).blocks();
                let figures = Figures::all_new(tree.nodes().len() as u64, blocks);
                (None, numbers, figures)
            }
        };
        let likeness = layout.map(|layout| Likeness { layout, figures });
        Ok(Self {
            profile,
            birth: birth.clone(),
            demand: measured.demand.with_maps(sized.maps),
            sized,
            numbers,
            xattr_blocks: measured.xattr_blocks,
            warnings,
            placement,
            likeness,
            maps: measured.maps,
            room: options.room,
        })
    }

    /// What the same tree would take by another size policy.
    ///
    /// # Errors
    /// See [`size::choose`].
    pub fn sized_by(&self, policy: SizePolicy) -> Result<Sized> {
        size::choose(&self.profile, policy, &self.demand, &self.maps, self.room)
    }

    /// Where the filesystem's blocks go.
    pub fn blocks_by_use(&self) -> BlocksByUse {
        let (demand, geometry) = (&self.demand, &self.sized.geometry);
        BlocksByUse {
            data: demand.data_blocks,
            indirect: demand.map_blocks,
            directory: demand.directory_blocks,
            symlink: demand.symlink_blocks,
            xattr: demand.xattr_blocks,
            inode_tables: geometry.inode_table_blocks.into(),
            bitmaps: geometry.bitmap_blocks.into(),
            superblocks_and_descriptors: geometry.descriptor_blocks.into(),
            reserved_for_growing: geometry.reserved_descriptor_blocks.into(),
            journal: u64::from(geometry.journal_blocks) + u64::from(geometry.journal_map_blocks),
            system: geometry::SYSTEM_BLOCKS - demand.preallocated_blocks,
            free: self.free_blocks_after(),
            reserved: geometry.reserved_blocks.into(),
        }
    }

    /// Where the tree's blocks go that are not kept, by their place among the free ones that are not.
    pub fn regions(&self) -> Regions {
        match &self.placement {
            Some(placement) => placement.regions.clone(),
            None => Regions::of(self.profile.block_map, &self.demand),
        }
    }

    /// Free blocks once the tree is in.
    pub fn free_blocks_after(&self) -> u64 {
        self.sized.free_blocks_after(&self.demand)
    }

    /// What of them an ordinary user may take, as df tells it.
    pub fn available_blocks_after(&self) -> u64 {
        self.sized
            .available_blocks_after(&self.profile, &self.demand)
    }

    /// Free inodes once the tree is in.
    pub fn free_inodes_after(&self) -> u32 {
        self.sized.geometry.free_inodes - self.demand.inodes
    }
}
