//! The directory of an output, held open.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// How long others' naming is waited for, which takes them a moment. Whoever may read a directory
/// may lock it: nobody is to be held up by that for ever.
const ATTEMPTS: u32 = 2000;
const PAUSE: Duration = Duration::from_millis(5);

/// A directory: whatever becomes of the names that lead to it, it stays the same.
#[derive(Debug)]
pub(super) struct Directory {
    pub fd: OwnedFd,
    pub path: PathBuf,
}

impl Directory {
    pub fn open(path: &Path) -> Result<Self> {
        // One that may be written but not read will do.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty())
            .map_err(|error| Error::path("create a file in", path, error.into()))?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// What has a name, links not followed.
    pub fn stat(&self, name: &OsStr) -> Result<Stat, Errno> {
        statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Whether `name` is a name of `file`.
    pub fn has(&self, name: &OsStr, file: &File) -> bool {
        match (self.stat(name), file.metadata()) {
            (Ok(stat), Ok(metadata)) => identity(&stat) == (metadata.dev(), metadata.ino()),
            _ => false,
        }
    }

    /// The same for one directory, however it was opened.
    pub fn identity(&self) -> Option<(u64, u64)> {
        fstat(&self.fd).ok().as_ref().map(identity)
    }

    /// Opens it once more, to be read or locked.
    pub fn readable(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&self.fd, ".", flags, Mode::empty())
    }

    /// Opens a file in it for reading: a link is not followed, a FIFO not waited for.
    pub fn open_file(&self, name: &OsStr) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        openat(&self.fd, name, flags | OFlags::CLOEXEC, Mode::empty()).map(File::from)
    }

    /// Removes a name, if it is still `file`'s.
    pub fn remove(&self, name: &OsStr, file: &File) {
        if self.has(name, file) {
            let _ = unlinkat(&self.fd, name, AtFlags::empty());
        }
    }

    /// Keeps other processes of this program from naming anything in it until the lock is dropped;
    /// `None` where locks are not to be had.
    pub fn lock(&self) -> Option<File> {
        let file = File::from(self.readable().ok()?);
        for _ in 0..ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Some(file),
                Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(std::fs::TryLockError::Error(_)) => return None,
            }
        }
        None
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the fields' types are the machine's"
)]
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}
