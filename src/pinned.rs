//! A name held before it is opened, so that what is opened is what was looked at: whoever may write
//! in its directory can put something else in its place at any moment.

mod made;
mod reach;

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

pub use made::{MadeDirectory, let_owner};
pub use reach::{Reach, leads_out};

const READING: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// To open a directory for reading, and nothing that a symbolic link leads to.
pub const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Something in a directory, held without having been opened: no device wakes, no FIFO waits.
#[derive(Debug)]
pub struct Pinned {
    held: File,
    /// How its name was looked up.
    flags: OFlags,
    /// What it is.
    pub metadata: Metadata,
}

/// A file's device and inode number.
pub type Identity = (u64, u64);

/// Which file it is, by whichever name.
pub fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Which file a path leads to; nothing where it leads nowhere.
pub fn identity_at(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).as_ref().ok().map(identity)
}

impl Pinned {
    /// Holds what is called `name` in `directory`; a symbolic link itself.
    pub fn at(directory: impl AsFd, name: impl Arg) -> io::Result<Self> {
        Self::with(directory, name, OFlags::NOFOLLOW)
    }

    /// Holds what `name` leads to, its symbolic links followed.
    pub fn behind(directory: impl AsFd, name: impl Arg) -> io::Result<Self> {
        Self::with(directory, name, OFlags::empty())
    }

    fn with(directory: impl AsFd, name: impl Arg, flags: OFlags) -> io::Result<Self> {
        let holding = OFlags::PATH | OFlags::CLOEXEC | flags;
        let held = File::from(openat(directory, name, holding, Mode::empty())?);
        let metadata = held.metadata()?;
        Ok(Self {
            held,
            flags,
            metadata,
        })
    }

    /// Held, and not to be read from.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }

    /// Where /proc shows what is held, also where that is a symbolic link.
    pub fn path_in_proc(&self) -> String {
        format!("/proc/self/fd/{}", self.held.as_raw_fd())
    }

    /// Opens a directory for reading.
    pub fn open_directory(&self) -> io::Result<OwnedFd> {
        let flags = READING | OFlags::DIRECTORY;
        Ok(openat(&self.held, c".", flags, Mode::empty())?)
    }

    /// Opens a regular file for reading. Without /proc it is opened by its name once more, as before,
    /// and is an error where that is another one by now.
    pub fn open(&self, directory: impl AsFd, name: impl Arg) -> io::Result<File> {
        if !self.metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let path = self.path_in_proc();
        let file = match rustix::fs::open(path.as_str(), READING, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => File::from(openat(
                directory,
                name,
                READING | self.flags,
                Mode::empty(),
            )?),
            opened => File::from(opened?),
        };
        if identity(&file.metadata()?) != identity(&self.metadata) {
            return Err(io::Error::other("changed while it was opened"));
        }
        Ok(file)
    }
}

/// The first bytes of a regular file, at most so many.
///
/// # Errors
/// As [`Reach::open_regular_file`].
pub fn read_regular_file(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Reach::default()
        .open_regular_file(path)?
        .take(max_bytes)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All names in an open directory but `.` and `..`, in no order.
///
/// # Errors
/// The operating system's.
pub fn names_in(directory: impl AsFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether a path leads nowhere.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_opened_is_what_was_held_whatever_has_its_name_by_now() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a"), "first").unwrap();
        fs::write(at("secret"), "secret").unwrap();
        let pinned = Pinned::at(CWD, at("a")).unwrap();
        fs::rename(at("a"), at("away")).unwrap();
        symlink(at("secret"), at("a")).unwrap();
        let mut text = String::new();
        let mut file = pinned.open(CWD, at("a")).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "first");
        assert!(Pinned::at(CWD, at("a")).unwrap().metadata.is_symlink());
        assert!(Pinned::behind(CWD, at("a")).unwrap().metadata.is_file());
    }

    #[test]
    fn what_is_no_regular_file_is_never_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        // To open one is an error of its own.
        for path in [&path, std::path::Path::new("/dev/null")] {
            let pinned = Pinned::behind(CWD, path).unwrap();
            let error = pinned.open(CWD, path).unwrap_err();
            assert_eq!(error.to_string(), "not a regular file");
        }
    }
}
