//! A name held before it is opened, so that what is opened is what was looked at: whoever may write
//! in its directory can put something else in its place at any moment.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

const READING: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Something in a directory, held without having been opened: no device wakes, no FIFO waits.
#[derive(Debug)]
pub(super) struct Pinned {
    held: File,
    /// What it is.
    pub(super) metadata: Metadata,
}

/// A file's device and inode number.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl Pinned {
    /// Holds what is called `name` in `directory`; a symbolic link itself.
    pub(super) fn at(directory: impl AsFd, name: impl Arg) -> io::Result<Self> {
        Self::with(directory, name, OFlags::NOFOLLOW)
    }

    /// Holds what `name` leads to, its symbolic links followed.
    pub(super) fn behind(directory: impl AsFd, name: impl Arg) -> io::Result<Self> {
        Self::with(directory, name, OFlags::empty())
    }

    fn with(directory: impl AsFd, name: impl Arg, flags: OFlags) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | flags;
        let held = File::from(openat(directory, name, flags, Mode::empty())?);
        let metadata = held.metadata()?;
        Ok(Self { held, metadata })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }

    /// Where /proc shows what is held, also where that is a symbolic link.
    pub(super) fn path_in_proc(&self) -> String {
        format!("/proc/self/fd/{}", self.held.as_raw_fd())
    }

    /// Opens a directory for reading.
    pub(super) fn open_directory(&self) -> io::Result<OwnedFd> {
        let flags = READING | OFlags::DIRECTORY;
        Ok(openat(&self.held, c".", flags, Mode::empty())?)
    }

    /// Opens a regular file for reading. Without /proc it is opened by its name once more, `flags`
    /// as before, and is an error where that is another one by now.
    fn open(&self, directory: impl AsFd, name: impl Arg, flags: OFlags) -> io::Result<File> {
        if !self.metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let path = self.path_in_proc();
        let file = match rustix::fs::open(path.as_str(), READING, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                File::from(openat(directory, name, READING | flags, Mode::empty())?)
            }
            opened => File::from(opened?),
        };
        if identity(&file.metadata()?) != identity(&self.metadata) {
            return Err(io::Error::other("changed while it was opened"));
        }
        Ok(file)
    }

    /// Opens the regular file that was held by [`at`](Self::at).
    pub(super) fn open_at(&self, directory: impl AsFd, name: impl Arg) -> io::Result<File> {
        self.open(directory, name, OFlags::NOFOLLOW)
    }

    /// Opens the regular file that was held by [`behind`](Self::behind).
    pub(super) fn open_behind(&self, directory: impl AsFd, name: impl Arg) -> io::Result<File> {
        self.open(directory, name, OFlags::empty())
    }
}
