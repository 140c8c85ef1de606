//! Down a tree and up again, each directory held open: names are looked up in it alone, and no
//! symbolic link is followed, whatever others do to the tree meanwhile.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, openat};

use crate::error::{Error, Result};
use crate::pinned::{DIRECTORY, Identity, Pinned, Reach, identity, names_in};
use crate::units::Timestamp;

/// Directories held open; those further up are opened again on the way back.
const MAX_OPEN: usize = 64;

/// The directories from the root down to where the walk is.
pub(super) struct Walk<'a> {
    root: &'a Path,
    open: Vec<OpenDirectory>,
}

struct OpenDirectory {
    /// `None` is to be opened again.
    fd: Option<OwnedFd>,
    identity: Identity,
    mtime: Timestamp,
    /// Below the root.
    path: PathBuf,
    /// Names still to be visited, the next one last.
    names: Vec<OsString>,
}

/// Something met on the way.
pub(super) struct Met {
    pub(super) pinned: Pinned,
    pub(super) name: OsString,
    /// Below the root.
    pub(super) path: PathBuf,
}

impl<'a> Walk<'a> {
    /// Opens the root, which may be a link to a directory: it is the user's own word.
    pub(super) fn start(root: &'a Path, reach: &Reach) -> Result<(Self, Pinned)> {
        let pinned = reach.pin(root);
        let pinned = pinned.map_err(|error| Error::path("read", root, error))?;
        let walk = Self {
            root,
            open: Vec::new(),
        };
        Ok((walk, pinned))
    }

    /// Where a name below the root is, for messages.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() {
            self.root.to_owned()
        } else {
            self.root.join(path)
        }
    }

    /// Opens what was met, a directory, for reading.
    pub(super) fn open(&self, pinned: &Pinned, path: &Path) -> Result<OwnedFd> {
        let opened = pinned.open_directory();
        opened.map_err(|error| Error::path("list", &self.shown(path), error))
    }

    /// Goes into a directory: its children come next, by the bytes of their names.
    pub(super) fn enter(&mut self, pinned: &Pinned, fd: OwnedFd, path: PathBuf) -> Result<()> {
        let mut names =
            names_in(&fd).map_err(|error| Error::path("list", &self.shown(&path), error))?;
        names.sort_unstable_by(|one, other| other.cmp(one));
        let metadata = &pinned.metadata;
        self.open.push(OpenDirectory {
            fd: Some(fd),
            identity: identity(metadata),
            mtime: Timestamp::of_change(metadata),
            path,
            names,
        });
        if let Some(far) = self.open.len().checked_sub(MAX_OPEN + 1) {
            self.open[far].fd = None;
        }
        Ok(())
    }

    /// How many directories the next name is deep.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next name there is, `None` after the last. `is_wanted` is asked before it is looked at.
    pub(super) fn next(
        &mut self,
        mut is_wanted: impl FnMut(Identity, &OsStr, &Path) -> bool,
    ) -> Result<Option<Met>> {
        while let Some(here) = self.open.last_mut() {
            let Some(name) = here.names.pop() else {
                self.leave()?;
                continue;
            };
            let path = here.path.join(&name);
            if !is_wanted(here.identity, &name, &path) {
                continue;
            }
            let pinned = Pinned::at(self.directory()?, &name)
                .map_err(|error| Error::path("read", &self.shown(&path), error))?;
            return Ok(Some(Met { pinned, name, path }));
        }
        Ok(None)
    }

    /// The directory that the last name met is in.
    pub(super) fn directory(&self) -> Result<BorrowedFd<'_>> {
        match self.open.last() {
            Some(OpenDirectory { fd: Some(fd), .. }) => Ok(fd.as_fd()),
            _ => Err(Error::Mismatch("a directory was left too early".to_owned())),
        }
    }

    /// That directory's filesystem and time; the root's parent is of no interest.
    pub(super) fn parent(&self) -> Option<(u64, Timestamp)> {
        self.open.last().map(|open| (open.identity.0, open.mtime))
    }

    /// Goes up. A directory that is no longer held is the parent of the one left, if it is the same
    /// as before.
    fn leave(&mut self) -> Result<()> {
        let Some(left) = self.open.pop() else {
            return Ok(());
        };
        let Some(above) = self.open.last_mut() else {
            return Ok(());
        };
        if above.fd.is_some() {
            return Ok(());
        }
        let reopen = || -> io::Result<OwnedFd> {
            let below = left.fd.as_ref().ok_or(io::ErrorKind::NotFound)?;
            let again = File::from(openat(below, c"..", DIRECTORY, Mode::empty())?);
            if identity(&again.metadata()?) != above.identity {
                return Err(io::Error::other("changed while it was read"));
            }
            Ok(again.into())
        };
        match reopen() {
            Ok(fd) => {
                above.fd = Some(fd);
                Ok(())
            }
            Err(error) => {
                let path = above.path.clone();
                Err(Error::path("read", &self.shown(&path), error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Goes down to the deepest directory, and says in which order names are met.
    fn walk(root: &Path, mut at: impl FnMut(&Path)) -> Result<Vec<PathBuf>> {
        let (mut walk, pinned) = Walk::start(root, &Reach::default())?;
        let fd = walk.open(&pinned, Path::new(""))?;
        walk.enter(&pinned, fd, PathBuf::new())?;
        let mut met = Vec::new();
        while let Some(Met { pinned, path, .. }) = walk.next(|_, _, _| true)? {
            let held = walk.open.iter().filter(|open| open.fd.is_some()).count();
            assert!(held <= MAX_OPEN, "{held} directories are open");
            if pinned.metadata.is_dir() {
                let fd = walk.open(&pinned, &path)?;
                walk.enter(&pinned, fd, path.clone())?;
            }
            at(&path);
            met.push(path);
        }
        Ok(met)
    }

    /// A directory in each, and a file after it.
    fn deep(root: &Path, depth: usize) -> PathBuf {
        let mut path = PathBuf::new();
        for _ in 0..depth {
            path.push("d");
            fs::create_dir(root.join(&path)).unwrap();
            fs::write(root.join(&path).with_file_name("z"), "").unwrap();
        }
        path
    }

    #[test]
    fn a_tree_deeper_than_directories_are_held_is_walked_to_its_end() {
        let root = tempfile::tempdir().unwrap();
        deep(root.path(), 200);
        let met = walk(root.path(), |_| {}).unwrap();
        assert_eq!(met.len(), 400);
        assert_eq!(met[399], Path::new("z"));
        assert_eq!(met[398], Path::new("d/z"));
    }

    #[test]
    fn a_way_back_that_leads_elsewhere_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let deepest = deep(root.path(), 100);
        let error = walk(root.path(), |path| {
            if path == deepest {
                // The two topmost are not held any more.
                let from = root.path().join("d/d");
                fs::rename(from, elsewhere.path().join("d")).unwrap();
            }
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("/d: changed while it was read"), "{error}");
    }
}
