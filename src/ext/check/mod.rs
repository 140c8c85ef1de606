//! Reads an ext filesystem image back through three readers: our own [`crate::view`], and two that
//! are not ours, debugfs of e2fsprogs and the ext4-view crate.
//!
//! Each gives a [`View`]: a listing with what it could see, and the problems it met. [`verify()`]
//! holds all against the tree that was to be written. Our own reads everything that an ext
//! filesystem can hold. ext4-view reads names, attributes and contents at full speed; debugfs sees
//! what ext4-view has no way to show (inode and device numbers, link counts, extended attributes)
//! or cannot read, and tells where a file's blocks are, so that its content can be taken straight
//! from the image. What a reader cannot know (ext4-view times beyond 2038, either of them content
//! in the inode) is unknown to it, and what is unknown is no difference; what no reader knows is
//! unreadable.
//!
//! An image may be damaged or hostile: walks do not recurse, follow no loop, and read no more than
//! an image of its length can hold.

mod debugfs;
mod ext4_view;
pub mod fsck;
mod mapped;
mod verify;
mod views;

use std::fmt;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

pub use debugfs::{DebugfsView, InodeRecord, read_through_debugfs};
pub use ext4_view::read_through_ext4_view;
pub use mapped::{BlockMap, MappedReader};
pub use verify::{Finding, Reader, Unread, VerifyReport, verify};

use crate::error::{Error, Result, escape_path};
use crate::listing::Listing;
use crate::ondisk::xattr::CHAIN_ID_XATTR;
use crate::units::LOST_FOUND;

/// Takes the note that a build leaves in `lost+found` out of a listing: it tells of the image, and is
/// none of its content.
pub fn leave_out_note(listing: &mut Listing) {
    listing.leave_out_attribute(LOST_FOUND, CHAIN_ID_XATTR);
}

/// What one reader sees of an image.
#[derive(Debug, Default)]
pub struct View {
    /// Every name it came by; what it cannot see is unknown there.
    pub listing: Listing,
    /// What it could not read, in the order it was met.
    pub problems: Vec<Problem>,
}

/// Something in an image that a reader could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path's bytes, without a leading `/`; the root's and the filesystem's own is empty.
    pub path: Box<[u8]>,
    /// Why it is unreadable.
    pub why: String,
}

impl Problem {
    fn new(path: &[u8], why: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}: unreadable: {}", escape_path(&self.path), self.why)
    }
}

/// How long an image is, be it a file or a block device.
fn length_of(mut image: &File, path: &Path) -> Result<u64> {
    image
        .seek(SeekFrom::End(0))
        .map_err(|error| Error::path("read the length of", path, error))
}
