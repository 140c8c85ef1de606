//! Every number before any byte: sizes, blocks, inodes.

pub mod block_map;
pub mod demand;
pub mod directory_entries;
pub mod directory_layout;
pub mod geometry;
pub mod identity;
pub mod inode_numbers;
pub mod size;
pub mod xattr_placement;

use crate::error::{Error, Result};
use crate::tree::Tree;
use crate::warnings::Warnings;

pub use demand::Demand;
pub use geometry::{FormatRequest, Geometry, JournalSize};
pub use identity::Identity;
pub use inode_numbers::InodeNumbers;
pub use size::{Room, SizePolicy, Sized};
pub use xattr_placement::XattrBlocks;

/// What the user wants of the filesystem, apart from its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// The size.
    pub size: SizePolicy,
    /// Inodes to stay free, and the journal.
    pub room: Room,
    /// What tells this filesystem from others.
    pub identity: Identity,
}

/// All decisions about a filesystem; nothing after this decides.
#[derive(Debug)]
pub struct Plan {
    /// What tells this filesystem from others.
    pub identity: Identity,
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
}

impl Plan {
    /// Plans a filesystem for a tree.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for what ext3 cannot hold and a hash seed of zeros,
    /// [`crate::Error::TooSmall`] for an exact size that cannot hold the tree.
    pub fn of(tree: &Tree, options: &PlanOptions) -> Result<Self> {
        if options.identity.hash_seed == [0; 16] {
            return Err(Error::unsupported(
                "expected a hash seed that is not all zeros: mke2fs takes that for none and makes one by chance (--hash-seed)",
            ));
        }
        let numbers = InodeNumbers::of_tree(tree)?;
        let mut warnings = Warnings::default();
        let (demand, xattr_blocks) =
            demand::measure(tree, &numbers, &options.identity, &mut warnings)?;
        let sized = size::choose(options.size, &demand, options.room)?;
        Ok(Self {
            identity: options.identity.clone(),
            demand,
            sized,
            numbers,
            xattr_blocks,
            warnings,
        })
    }

    /// Free blocks once the tree is in.
    pub fn free_blocks_after(&self) -> u64 {
        u64::from(self.sized.geometry.free_blocks) - self.demand.blocks()
    }

    /// Free inodes once the tree is in.
    pub fn free_inodes_after(&self) -> u32 {
        self.sized.geometry.free_inodes - self.demand.inodes
    }
}
