//! One process fetches a blob, others wait for it.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use rustix::fs::OFlags;

use super::directory::{Directory, failed};
use super::partial::is_named;
use super::{Cache, LOCKS};
use crate::error::{Error, Result};
use crate::leftovers::{self, Registration};
use crate::oci::Digest;

/// The right to fetch a blob; it ends when this is dropped, or with the process however that ends.
#[derive(Debug)]
pub struct BlobLock {
    file: File,
    directory: Directory,
    name: String,
    _registration: Registration,
}

impl Cache {
    /// Waits until no other process, nor another thread of this one, fetches the blob of this
    /// digest. Then look whether it is [there](Cache::find) now.
    ///
    /// Locks are advice: nothing is wrong in a cache that is used without them, but the same bytes
    /// may be fetched twice. Who holds one must not wait for another: two might wait for each
    /// other.
    ///
    /// # Errors
    /// [`Error::Io`] where the lock cannot be made.
    pub fn lock(&self, digest: &Digest) -> Result<BlobLock> {
        loop {
            let (file, directory, name) = self.lock_file(digest)?;
            match file.lock() {
                Err(error) if !is_unsupported(&error) => {
                    return Err(Error::path("lock", &directory.path().join(name), error));
                }
                _ => {}
            }
            if let Some(lock) = BlobLock::held(file, directory, name) {
                return Ok(lock);
            }
        }
    }

    /// The same without waiting: `None` where another has it.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn try_lock(&self, digest: &Digest) -> Result<Option<BlobLock>> {
        loop {
            let (file, directory, name) = self.lock_file(digest)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) if !is_unsupported(&error) => {
                    return Err(Error::path("lock", &directory.path().join(name), error));
                }
                _ => {}
            }
            if let Some(lock) = BlobLock::held(file, directory, name) {
                return Ok(Some(lock));
            }
        }
    }

    fn lock_file(&self, digest: &Digest) -> Result<(File, Directory, String)> {
        let directory = self.root.make_child(LOCKS)?;
        let name = format!("{}-{}", digest.algorithm(), digest.digest());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = directory
            .open(&name, flags)
            .map_err(|error| failed("make the lock", &directory.path().join(&name), error))?;
        Ok((file, directory, name))
    }
}

/// Filesystems that have no locks are used without.
fn is_unsupported(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
}

impl BlobLock {
    /// The lock on an open file; `None` where the file lost its name meanwhile, so that others
    /// lock another one.
    fn held(file: File, directory: Directory, name: String) -> Option<Self> {
        if !is_named(&file) {
            return None;
        }
        let path: PathBuf = directory.path().join(&name);
        Some(Self {
            file,
            directory,
            name,
            _registration: leftovers::register_file(&path),
        })
    }
}

impl Drop for BlobLock {
    fn drop(&mut self) {
        // While it is locked: whoever waits for it sees that the name is gone, and tries again.
        let _ = self.directory.remove(&self.name);
        let _ = self.file.unlock();
    }
}
