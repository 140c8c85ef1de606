//! One process fetches a blob, or changes what a tag means, and others wait for it.

use std::fs::{File, TryLockError};

use rustix::fs::OFlags;

use super::directory::{Directory, failed};
use super::partial::is_named;
use super::{Cache, LOCKS};
use crate::error::{Error, Result};
use crate::leftovers::{self, Registration};
use crate::oci::{Digest, DigestHasher};

/// The right to fetch a blob or to change a tag; it ends when this is dropped, or with the process however
/// that ends.
#[derive(Debug)]
pub struct BlobLock {
    file: File,
    directory: Directory,
    name: String,
    _registration: Registration,
}

impl Cache {
    /// The lock on the blob of this digest; `None` where another process, or another thread of this
    /// one, has it. Once it is had, look whether the blob is [there](Cache::find) now.
    ///
    /// Locks are advice: nothing is wrong in a cache that is used without them, but the same bytes
    /// may be fetched twice. Who holds one must not wait for another: two might wait for each
    /// other.
    ///
    /// # Errors
    /// [`Error::Io`] where the lock cannot be made.
    pub fn try_lock(&self, digest: &Digest) -> Result<Option<BlobLock>> {
        self.try_lock_file(format!("{}-{}", digest.algorithm(), digest.digest()))
    }

    /// The lock on a tag, by its full name with registry and repository; `None` where another process
    /// has it. Nothing of the cache is the tag's: it is where the pushes of one user on one host meet.
    ///
    /// # Errors
    /// [`Error::Io`] where the lock cannot be made.
    pub fn try_lock_tag(&self, full_name: &str) -> Result<Option<BlobLock>> {
        // Names of files are shorter than names of tags.
        let name = DigestHasher::sha256().of(full_name.as_bytes());
        self.try_lock_file(format!("tag-{}", name.digest()))
    }

    fn try_lock_file(&self, name: String) -> Result<Option<BlobLock>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        loop {
            let directory = self.root.make_child(LOCKS)?;
            let path = directory.path().join(&name);
            let file = directory
                .open(&name, flags)
                .map_err(|error| failed("make the lock", &path, error))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) if !is_unsupported(&error) => {
                    return Err(Error::path("lock", &path, error));
                }
                _ => {}
            }
            // If it lost its name meanwhile, others lock another one.
            if is_named(&file) {
                return Ok(Some(BlobLock {
                    file,
                    directory,
                    name,
                    _registration: leftovers::register_file(&path),
                }));
            }
        }
    }
}

/// Filesystems that have no locks are used without.
fn is_unsupported(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
}

impl Drop for BlobLock {
    fn drop(&mut self) {
        // While it is locked: whoever waits for it sees that the name is gone, and tries again.
        let _ = self.directory.remove(&self.name);
        let _ = self.file.unlock();
    }
}
