//! What is made here and gone on with, whatever the umask takes from its own owner.

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::{AtFlags, Mode, fchmod, fstat, mkdirat, unlinkat};
use rustix::path::Arg;

use super::Pinned;

/// A directory that was made here. Until [`Self::finish`] its owner may do everything in it.
#[derive(Debug)]
pub struct MadeDirectory {
    held: OwnedFd,
    /// Its mode, where the umask takes something from its owner.
    left: Option<Mode>,
}

impl MadeDirectory {
    /// Makes it with `permissions` less what the umask takes, and opens it.
    ///
    /// # Errors
    /// The operating system's, as of kind `AlreadyExists`; nothing is left then.
    pub fn at(parent: impl AsFd, name: impl Arg + Copy, permissions: u32) -> io::Result<Self> {
        let parent = parent.as_fd();
        mkdirat(parent, name, Mode::from_raw_mode(permissions))?;
        Self::open(parent, name).inspect_err(|_| {
            // What others have put into it stays.
            let _ = unlinkat(parent, name, AtFlags::REMOVEDIR);
        })
    }

    fn open(parent: BorrowedFd<'_>, name: impl Arg) -> io::Result<Self> {
        let pinned = Pinned::at(parent, name)?;
        if !pinned.metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let mode = pinned.metadata.mode() & 0o7777;
        let left = (mode & 0o700 != 0o700).then(|| Mode::from_raw_mode(mode));
        if left.is_some() {
            // It cannot be opened to be asked for.
            let working = Permissions::from_mode(mode | 0o700);
            std::fs::set_permissions(pinned.path_in_proc(), working)?;
        }
        let held = pinned.open_directory()?;
        Ok(Self { held, left })
    }

    /// Takes from the owner what the umask takes, now that all is in it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn finish(&self) -> io::Result<()> {
        Ok(self.left.map_or(Ok(()), |left| fchmod(&self.held, left))?)
    }

    /// The directory, which stays open to its owner.
    pub fn into_fd(self) -> OwnedFd {
        self.held
    }
}

impl AsFd for MadeDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }
}

/// Lets its owner read and write an open file that was just made, also by its name; gives the mode
/// that the umask left it where that is another.
///
/// # Errors
/// The operating system's.
pub fn let_owner(file: impl AsFd) -> rustix::io::Result<Option<Mode>> {
    let left = Mode::from_raw_mode(fstat(&file)?.st_mode);
    let working = left | Mode::RUSR | Mode::WUSR;
    if working == left {
        return Ok(None);
    }
    fchmod(file, working)?;
    Ok(Some(left))
}
