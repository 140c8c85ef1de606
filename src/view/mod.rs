//! Looks into any ext2, ext3 or ext4 image, without root and without mounting it: names, every
//! attribute of inodes, contents.
//!
//! ```text
//! image (superblock, blocks) → node (inodes) → block_map → content, journal
//!                                            ↘ directory → path → lookup, walk → listing, claimants → owners
//!                                                                  free_blocks ↗
//!                                   claims ↗            ↘ positions → sightings
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
mod claimants;
mod claims;
mod content;
mod directory;
mod free_blocks;
mod image;
mod journal;
mod listing;
mod lookup;
mod node;
mod owners;
mod part;
mod path;
mod positions;
mod sightings;
mod walk;
mod xattrs;

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub use claimants::ClaimSink;
pub use content::ContentReader;
pub use directory::DirectoryEntry;
pub use free_blocks::FreeBlocks;
pub use image::{Image, expect_filesystem, read_superblock};
pub use listing::{Problem, WholeListing};
pub use lookup::{Found, Lookups};
pub use node::Node;
pub use owners::Owner;
pub use part::Part;
pub use path::Follow;
pub(crate) use path::{Names, look_up};
pub use positions::{Hashed, Positions, PositionsNode, Sighted};
pub use walk::{MAX_DEPTH, Step, Walk};

use crate::error::{Error, Result, escape_path, shell_word};
use crate::ondisk::features::{FilesystemType, RO_COMPAT_SHARED_BLOCKS};
use crate::ondisk::superblock::Superblock;
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
        Self::of_image(Image::open_at(path, offset_bytes)?)
    }

    /// The same of an image that is open already, which errors call `name`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of_file(file: File, name: &str) -> Result<Self> {
        Self::of_image(Image::of_file(file, 0, name.to_owned())?)
    }

    fn of_image(image: Image) -> Result<Self> {
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

    /// The length of the file or device it is in.
    pub fn file_bytes(&self) -> u64 {
        self.image.file_bytes
    }

    /// What knows of its features.
    pub fn filesystem_type(&self) -> FilesystemType {
        self.image.features().filesystem_type()
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

    /// What the filesystem says of itself.
    pub fn superblock(&self) -> &Superblock {
        &self.image.superblock
    }

    /// When the filesystem was made (`s_mkfs_time`), in seconds since 1970.
    pub fn made_seconds(&self) -> u64 {
        self.image.superblock.made_seconds
    }

    /// When it was written last (`s_wtime`), in seconds since 1970.
    pub fn written_seconds(&self) -> u64 {
        self.image.superblock.written_seconds
    }

    /// Expects everything in its place, for whoever must not miss what the journal holds.
    ///
    /// # Errors
    /// [`Error::BadImage`] where the journal holds changes that are not in their places yet.
    pub fn expect_recovered(&self) -> Result<()> {
        if !self.needs_recovery() {
            return Ok(());
        }
        Err(self.bad(format!(
            "its journal holds changes that are not in their places yet, as after a crash (`e2fsck -fp {}` writes them there, and so does mounting it once)",
            shell_word(&*self.image.name)
        )))
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
