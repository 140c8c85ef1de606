//! Every number before any byte: sizes, blocks, inodes.

pub mod block_map;
pub mod demand;
pub mod directory_entries;
pub mod directory_layout;
pub mod geometry;
pub mod inode_numbers;
pub mod size;
pub mod xattr_placement;

use crate::error::Result;
use crate::tree::Tree;
use crate::warnings::Warnings;

pub use demand::Demand;
pub use geometry::{FormatRequest, Geometry, JournalSize};
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

/// A filesystem's names and its time of birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `s_uuid`.
    pub uuid: [u8; 16],
    /// `s_hash_seed`, in the byte order of a UUID.
    pub hash_seed: [u8; 16],
    /// `s_volume_name`: at most 16 bytes.
    pub label: String,
    /// When the filesystem was made, in seconds since 1970: 1 to 2^31 - 1.
    pub made_seconds: u32,
}

impl Identity {
    /// The hash seed as the four words the directory hash starts from.
    pub fn hash_seed_words(&self) -> [u32; 4] {
        std::array::from_fn(|word| {
            let bytes = &self.hash_seed[4 * word..];
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        })
    }
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
    /// [`crate::Error::Unsupported`] for what ext3 cannot hold, [`crate::Error::TooSmall`] for an
    /// exact size that cannot hold the tree.
    pub fn of(tree: &Tree, options: &PlanOptions) -> Result<Self> {
        let numbers = InodeNumbers::of_tree(tree)?;
        let mut warnings = Warnings::default();
        let seed = options.identity.hash_seed_words();
        let (demand, xattr_blocks) = demand::measure(tree, &numbers, seed, &mut warnings)?;
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
