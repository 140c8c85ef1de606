//! Looks into any ext2, ext3 or ext4 image, without root and without mounting it: names, every
//! attribute of inodes, contents.
//!
//! ```text
//! image (superblock, blocks) → node (inodes) → block_map → content, journal
//!                                            ↘ directory → lookup, walk → listing, owners
//! ```
//!
//! Nothing here trusts the image: every number is held against the filesystem's size, trees are
//! walked without recursion, no block map gives more blocks than there are, and no walk enters a
//! directory twice, and a listing of everything reads no more blocks than there are. What is wrong
//! is an error that names where. The journal is not replayed: an image that was not cleanly
//! unmounted is shown as it stands ([`View::needs_recovery`]).

#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        clippy::cast_lossless
    )
)]

mod block_map;
mod content;
mod directory;
mod image;
mod journal;
mod listing;
mod lookup;
mod node;
mod owners;
mod walk;
mod xattrs;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub use content::ContentReader;
pub use directory::DirectoryEntry;
pub use image::{Image, expect_filesystem, read_superblock};
pub use listing::{Problem, WholeListing};
pub use lookup::{Follow, Found, Lookups};
pub use node::Node;
pub use owners::{Owner, Part};
pub use walk::{MAX_DEPTH, Step, Walk};

use crate::error::{Error, Result, escape_path};
use crate::ondisk::features::RO_COMPAT_SHARED_BLOCKS;
use crate::units::InodeNumber;

/// How often all blocks may be read where inodes are meant to share them: Android's
/// `shared_blocks`, values of attributes.
const SHARED_READS: u64 = 8;

/// What may be read of values in inodes of their own in the smallest filesystem, too: several
/// inodes may share one.
const LEAST_VALUE_BYTES: u64 = 64 << 20;

/// An open image.
#[derive(Debug)]
pub struct View {
    image: Image,
    /// Bytes of attributes' values in inodes of their own that may still be read.
    value_bytes_left: AtomicU64,
}

impl View {
    /// Opens an image, be it a file or a block device, and reads its superblock.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::BadImage`] when it holds no ext filesystem
    /// or a damaged one, [`Error::Unsupported`] for features that change how it is read and are
    /// not known here.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_at(path, 0)
    }

    /// The same of a filesystem that begins at a byte of the file or block device, as in a partition
    /// of a disk's image.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_at(path: &Path, offset_bytes: u64) -> Result<Self> {
        let image = Image::open_at(path, offset_bytes)?;
        image
            .expect_readable()
            .map_err(|error| error.in_image(&image.name))?;
        let value_bytes = image.superblock.bytes().saturating_mul(SHARED_READS);
        Ok(Self {
            value_bytes_left: AtomicU64::new(value_bytes.max(LEAST_VALUE_BYTES)),
            image,
        })
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> u64 {
        self.image.block_bytes
    }

    /// How many blocks there are; no file has more.
    pub fn blocks(&self) -> u64 {
        self.image.blocks()
    }

    /// How many blocks were read so far, those of which a part was read included: what looking
    /// costs.
    pub fn blocks_read(&self) -> u64 {
        self.image.blocks_read.load(Ordering::Relaxed)
    }

    /// Bytes that all files together can hold, holes not counted.
    pub fn max_data_bytes(&self) -> u64 {
        let shares = self.image.features().has_ro_compat(RO_COMPAT_SHARED_BLOCKS);
        let times = if shares { SHARED_READS } else { 1 };
        self.image.superblock.bytes().saturating_mul(times)
    }

    /// Counts bytes of values that one inode may hold for any number of others.
    fn spend_on_values(&self, bytes: u64) -> Result<()> {
        let spent =
            self.value_bytes_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(bytes)
                });
        spent.map(drop).map_err(|_| {
            Error::bad_image("the attributes in inodes of their own are larger than the filesystem")
        })
    }

    /// Whether the filesystem was not cleanly unmounted, so that its journal holds changes that
    /// are not shown.
    pub fn needs_recovery(&self) -> bool {
        self.image.features().needs_recovery()
    }

    /// The root directory.
    ///
    /// # Errors
    /// [`Error::BadImage`] when it is damaged.
    pub fn root(&self) -> Result<Node> {
        self.node(InodeNumber::ROOT)
    }

    /// What is wrong with the image, its name said.
    fn bad(&self, what: impl Into<String>) -> Error {
        Error::bad_image(what).in_image(&self.image.name)
    }
}

/// A path as it is told to people.
fn shown(path: &[u8]) -> String {
    format!("/{}", escape_path(path))
}
