//! Blobs that were fetched before, by their digests.
//!
//! ```text
//! CACHE/CACHEDIR.TAG          tells backup programs to leave it out
//!      /blobs/sha256/HEX      as in an OCI image layout: layers, manifests, configurations
//!      /locks/sha256-HEX      held by who fetches that blob, gone with it
//!            /tag-HEX         held by who changes what a tag in a registry means
//!      /partial/N             where files cannot be without a name; locked while in use
//! ```
//!
//! Any number of processes may use a cache at once, and each may be killed at any moment. A blob
//! is written to a file without a name, hashed on the way, and linked under its digest when it is
//! whole and right, so that no name is ever a lie. Files are not synced to the disk: after a power
//! failure one may be short. Disks and people also damage files, so that whoever reads a cached
//! blob holds it against its digest again, and [discards](Cache::discard) it when it is wrong.
//!
//! A cache is this user's, or root's: one in which others may write, or in whose place they may put
//! another, is refused. They could change a blob after it was found right and before it is used.
//! Below the cache's directory, symbolic links are never followed, and what is not a regular file
//! is not opened.

mod contents;
mod directory;
mod lock;
mod partial;
#[cfg(test)]
mod process_tests;
mod prune;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

pub use contents::{BlobKind, CachedBlob, Contents};
pub use lock::BlobLock;
pub use partial::PartialBlob;
pub use prune::{PruneOptions, Pruned};

use crate::error::Result;
use crate::oci::{Digest, DigestAlgorithm};
use crate::ownership;
use directory::Directory;

const BLOBS: &str = "blobs";
const LOCKS: &str = "locks";
const PARTIAL: &str = "partial";

/// The algorithms whose blobs are kept: those that can be computed.
const ALGORITHMS: [DigestAlgorithm; 3] = [
    DigestAlgorithm::Sha256,
    DigestAlgorithm::Sha384,
    DigestAlgorithm::Sha512,
];

/// A directory of blobs.
#[derive(Debug)]
pub struct Cache {
    root: Directory,
}

impl Cache {
    /// Opens the cache in the directory `path`, which is made where it is not there.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where it cannot be made or opened, [`crate::Error::Unsupported`] where it has files
    /// in it but is no cache: those might be a home's; and where others may write in it.
    pub fn open(path: &Path) -> Result<Self> {
        let root = Directory::make_root(path)?;
        directory::tag(&root)?;
        Ok(Self { root })
    }

    /// Opens the cache in `path` if there is one, and makes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_existing(path: &Path) -> Result<Option<Self>> {
        let Some(root) = Directory::root(path)? else {
            return Ok(None);
        };
        directory::check_tag(&root)?;
        Ok(Some(Self { root }))
    }

    /// The directory it was opened in.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The blob that was stored under `digest`, if there is one, and marks it as used now.
    ///
    /// Its bytes have not been looked at: hold them against the digest, and
    /// [`discard`](Self::discard) it when they are others.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where it cannot be opened.
    pub fn find(&self, digest: &Digest) -> Result<Option<File>> {
        let Some(directory) = self.blobs(digest)? else {
            return Ok(None);
        };
        let Some((file, _)) = directory.open_file(digest.digest())? else {
            return Ok(None);
        };
        // One that others may write is as good as absent, and replaced by the next that comes.
        if !matches!(ownership::others_of(&file), Ok(None)) {
            return Ok(None);
        }
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps {
            last_access: time(UTIME_OMIT),
            last_modification: time(UTIME_NOW),
        };
        // A cache that is shared for reading only works as well.
        let _ = rustix::fs::futimens(&file, &times);
        Ok(Some(file))
    }

    /// A new, empty file for the blob of this digest. It has no name and vanishes unless it is
    /// [inserted](Self::insert).
    ///
    /// # Errors
    /// [`crate::Error::Io`] where it cannot be made, [`crate::Error::Unsupported`] for a digest that cannot be
    /// computed.
    pub fn partial(&self, digest: &Digest) -> Result<PartialBlob> {
        PartialBlob::create(self.root.make_child(PARTIAL)?, digest)
    }

    /// Stores a blob under its digest, in place of what may be there.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] where what was written has another digest, [`crate::Error::Io`] where it cannot
    /// get its name; the file is gone then.
    pub fn insert(&self, partial: PartialBlob) -> Result<()> {
        let algorithm = partial.digest().algorithm().to_string();
        let directory = self.root.make_child(BLOBS)?.make_child(&algorithm)?;
        partial.persist(&directory)
    }

    /// Removes the blob of this digest, if there is one: its bytes are not what the digest says.
    /// Who has it open keeps it.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where it cannot be removed.
    pub fn discard(&self, digest: &Digest) -> Result<()> {
        if let Some(directory) = self.blobs(digest)? {
            directory.remove(digest.digest())?;
        }
        Ok(())
    }

    /// Where blobs of this digest's algorithm are; `None` where there are none.
    fn blobs(&self, digest: &Digest) -> Result<Option<Directory>> {
        let algorithm = digest.algorithm();
        if !ALGORITHMS.contains(algorithm) {
            return Ok(None);
        }
        match self.root.child(BLOBS)? {
            Some(blobs) => blobs.child(algorithm.as_ref()),
            None => Ok(None),
        }
    }
}
