//! The cache's directories, each held open: names are looked up in them alone, and no symbolic
//! link is followed.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::ownership;
use crate::pinned::{DIRECTORY, MadeDirectory, let_owner, names_in};

/// The Cache Directory Tagging Specification's file, and how it begins.
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by layerpress: blobs of container images.
# For information about cache directory tags see https://bford.info/cachedir/
";

/// How often, and after how long each time, what may not be opened is tried again.
const TRIES: (usize, Duration) = (20, Duration::from_millis(10));

/// Opens what another may be making at this moment: under a umask that takes rights from the owner,
/// nobody may open it until it has them.
fn once_made(open: impl Fn() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    let (tries, pause) = TRIES;
    for _ in 0..tries {
        match open() {
            Err(Errno::ACCESS) => std::thread::sleep(pause),
            opened => return opened,
        }
    }
    open()
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// The cache's own directory, which may be a link to one elsewhere; `None` where it is not
    /// there. Nobody else may write in it, nor put anything in its place.
    pub(super) fn root(path: &Path) -> Result<Option<Self>> {
        let real = match std::fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(root_failed("open", path, error)),
        };
        refuse_others(path, path)?;
        // From now on no link leads elsewhere.
        match openat(CWD, &real, DIRECTORY, Mode::empty()) {
            Ok(fd) => Self::own(fd, real).map(Some),
            Err(error) => Err(root_failed("open", path, error.into())),
        }
    }

    /// An open directory in which nobody else may write.
    fn own(fd: OwnedFd, path: PathBuf) -> Result<Self> {
        let file = File::from(fd);
        let others = ownership::others_of(&file);
        match others.map_err(|error| Error::path("read", &path, error))? {
            None => Ok(Self {
                fd: file.into(),
                path,
            }),
            Some(others) => Err(not_own(&path, &format!("{} {others}", path.display()))),
        }
    }

    /// The same, made where it is not there, for its owner only, as its parents are.
    pub(super) fn make_root(path: &Path) -> Result<Self> {
        if let Some(root) = Self::root(path)? {
            return Ok(root);
        }
        let made = std::path::absolute(path).map_err(|error| root_failed("make", path, error))?;
        if let Some(there) = made.ancestors().find(|place| place.exists()) {
            refuse_others(there, path)?;
        }
        let places = made.ancestors().take_while(|place| !place.exists());
        for place in places.collect::<Vec<_>>().into_iter().rev() {
            match MadeDirectory::at(CWD, place, 0o700) {
                // Another process may be faster.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(root_failed("make", path, error));
                }
                _ => {}
            }
        }
        Self::root(path)?.ok_or_else(|| root_failed("open", path, Errno::NOENT.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// A directory in this one; `None` where it is not there.
    pub(super) fn child(&self, name: &str) -> Result<Option<Self>> {
        let path = self.path.join(name);
        let open = || openat(&self.fd, name, DIRECTORY, Mode::empty());
        match once_made(open) {
            Ok(fd) => Self::own(fd, path).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(Error::io(
                format!("cannot use {}", path.display()),
                io::Error::other("expected a directory of the cache, found something else"),
            )),
            Err(error) => Err(failed("open", &path, error)),
        }
    }

    /// The same, made where it is not there.
    pub(super) fn make_child(&self, name: &str) -> Result<Self> {
        if let Some(child) = self.child(name)? {
            return Ok(child);
        }
        match MadeDirectory::at(&self.fd, name, 0o700) {
            // Another process may be faster.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::path("make", &self.path.join(name), error));
            }
            _ => {}
        }
        self.child(name)?
            .ok_or_else(|| failed("open", &self.path.join(name), Errno::NOENT))
    }

    /// A regular file in it, for reading; `None` where there is none, nor anything else but one.
    pub(super) fn open_file(&self, name: impl AsRef<OsStr>) -> Result<Option<(File, Metadata)>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        match self.open(name.as_ref(), flags) {
            Ok(file) => {
                let metadata = file
                    .metadata()
                    .map_err(|error| Error::path("read", &self.path.join(name.as_ref()), error))?;
                Ok(metadata.is_file().then_some((file, metadata)))
            }
            // Absent, a link, or a socket.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
            Err(error) => Err(failed("open", &self.path.join(name.as_ref()), error)),
        }
    }

    /// Opens or makes something in it that is read and written by its owner alone.
    pub(super) fn open(&self, name: impl AsRef<OsStr>, flags: OFlags) -> Result<File, Errno> {
        let mode = Mode::from_raw_mode(0o600);
        let file = once_made(|| openat(&self.fd, name.as_ref(), flags | OFlags::CLOEXEC, mode))?;
        if flags.contains(OFlags::CREATE) {
            let_owner(&file)?;
        }
        Ok(file.into())
    }

    /// Removes a name that is no directory's; says whether it was there.
    pub(super) fn remove(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        match unlinkat(&self.fd, name.as_ref(), AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(failed("remove", &self.path.join(name.as_ref()), error)),
        }
    }

    /// Whether it has anything of this name.
    pub(super) fn has(&self, name: impl AsRef<OsStr>) -> bool {
        statat(&self.fd, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// All names in it but `.` and `..`, sorted.
    pub(super) fn names(&self) -> Result<Vec<OsString>> {
        let names = names_in(&self.fd);
        let mut names = names.map_err(|error| Error::path("read", &self.path, error))?;
        names.sort();
        Ok(names)
    }
}

/// Marks a directory as a cache; one that has other things in it is none.
pub(super) fn tag(root: &Directory) -> Result<()> {
    check_tag(root)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let write = || -> io::Result<()> {
        if root
            .open_file(TAG)
            .is_ok_and(|found| found.is_some_and(|(_, tag)| tag.len() > 0))
        {
            return Ok(());
        }
        // Whoever else writes it at this moment writes the same.
        root.open(TAG, flags)?.write_all(TAG_TEXT.as_bytes())
    };
    write().map_err(|error| Error::path("write", &root.path().join(TAG), error))
}

/// Refuses a directory that has something in it but no tag.
pub(super) fn check_tag(root: &Directory) -> Result<()> {
    let names = root.names()?;
    if names.iter().any(|name| name == TAG) || names.iter().all(|name| name == "lost+found") {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "{}: expected an empty directory or a cache of layerpress, found files and no {TAG} (--cache-dir names another directory)",
        root.path().display()
    )))
}

/// Refuses a place where others may put something in place of what leads to it.
fn refuse_others(place: &Path, cache: &Path) -> Result<()> {
    let others = ownership::others_on_the_way_to(place);
    match others.map_err(|error| root_failed("open", cache, error))? {
        None => Ok(()),
        Some(others) => Err(not_own(cache, &others)),
    }
}

fn not_own(cache: &Path, found: &str) -> Error {
    Error::unsupported(format!(
        "{}: expected a cache directory that only this user and root may write, found that {found} (--cache-dir names another directory)",
        cache.display()
    ))
}

fn root_failed(verb: &str, path: &Path, error: io::Error) -> Error {
    let path = path.display();
    let help = "--cache-dir names another directory";
    Error::io(
        format!("cannot {verb} the cache directory {path} ({help})"),
        error,
    )
}

pub(super) fn failed(verb: &str, path: &Path, error: Errno) -> Error {
    Error::path(verb, path, error.into())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Bug: under umask 777 one of several threads found a directory that another had made and not yet
    /// given its rights, and failed.
    #[test]
    fn what_is_being_made_is_waited_for_and_what_stays_forbidden_is_an_error() {
        let opened = |forbidden: usize| {
            let left = Cell::new(forbidden);
            let open = || {
                let now = left.replace(left.get().saturating_sub(1));
                match now {
                    0 => Ok(File::open("/dev/null").unwrap().into()),
                    _ => Err(Errno::ACCESS),
                }
            };
            once_made(open).map(|_| ())
        };
        assert_eq!(opened(0), Ok(()));
        assert_eq!(opened(3), Ok(()));
        assert_eq!(opened(usize::MAX), Err(Errno::ACCESS));
        let calls = Cell::new(0);
        let absent = once_made(|| {
            calls.set(calls.get() + 1);
            Err(Errno::NOENT)
        });
        assert_eq!((absent.map(|_| ()), calls.get()), (Err(Errno::NOENT), 1));
    }
}
