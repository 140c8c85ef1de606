//! What a reader sees of an image.

use std::fmt;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result, escape_path};
use crate::listing::Listing;
use crate::ondisk::xattr::{CHAIN_ID_XATTR, RECIPE_XATTR};
use crate::units::LOST_FOUND;

/// Takes the note that a build leaves in `lost+found` out of a listing: it tells of the image, and is
/// none of its content.
pub fn leave_out_note(listing: &mut Listing) {
    for name in [CHAIN_ID_XATTR, RECIPE_XATTR] {
        listing.leave_out_attribute(LOST_FOUND, name);
    }
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
    pub(super) fn new(path: &[u8], why: impl Into<String>) -> Self {
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
pub(super) fn length_of(mut image: &File, path: &Path) -> Result<u64> {
    image
        .seek(SeekFrom::End(0))
        .map_err(|error| Error::path("read the length of", path, error))
}

/// Runs `one` on a thread of its own beside `other`; where there is no thread, after it.
pub(super) fn beside<A: Send, B>(one: impl Fn() -> A + Sync, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, &one);
        let other = other();
        let one = match thread {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => one(),
        };
        (one, other)
    })
}
