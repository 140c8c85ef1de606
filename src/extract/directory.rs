//! A tree as a directory of this machine.
//!
//! Every name is made relative to an open directory that was itself made (or found) without
//! following a link, so that nothing is written outside the target whatever the image says.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dev, FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

use super::attributes::{self, failed, mode_after, owner, path_of, set_time, set_xattrs};
use super::file_flags::{self, Flagged};
use super::undo::{self, DIRECTORY};
use super::{Data, Entry, Sink, split};
use crate::error::{Error, Result};
use crate::listing::Kind;
use crate::look::Inside;
use crate::pinned::{Identity, MadeDirectory, Pinned};
use crate::warnings::Warnings;

/// Directories held open; those further up are opened again on the way back.
const MAX_OPEN: usize = 64;

/// Makes a tree below a directory. Kept are modes, owners (as root), modification times, hard
/// links, extended attributes, devices (as root) and holes; what is not is counted as a warning.
#[derive(Debug)]
pub struct DirectorySink<'a> {
    /// The target and the directories down to where the walk is; `None` is to be opened again.
    open: Vec<Option<OwnedFd>>,
    replaces: bool,
    /// What is not replaced, wherever it lies: what is read must not become one of its own contents.
    pub spared: Vec<Identity>,
    /// What is to be taken away where it cannot be made whole.
    made: Made,
    /// Whether the flags that chattr sets are set here, too.
    pub keeps_flags: bool,
    /// Whose flags are to be set when nothing is to be linked, removed or written any more.
    flagged: Vec<Flagged>,
    warnings: &'a mut Warnings,
}

/// What of the target is not somebody else's.
#[derive(Debug, Default)]
struct Made {
    /// The target itself, where it was made.
    target: Option<PathBuf>,
    /// The same, open, as long as it has not got the mode that stays.
    directory: Option<MadeDirectory>,
    /// The names in it.
    names: Vec<Box<[u8]>>,
    /// Something that was there before was replaced or filled.
    has_touched_others: bool,
}

impl<'a> DirectorySink<'a> {
    /// A tree to be made in `target`, which is made where it is not there. Where it has something
    /// in it, `replaces` says that names of the image take the place of those there; directories
    /// are kept and filled. One that is made has `permissions` less what the umask takes; what becomes
    /// the tree's root sets its own at the end, and is nobody else's until then.
    ///
    /// # Errors
    /// [`Error::Io`] when it is no directory or cannot be made, [`Error::Unsupported`] when it is
    /// not empty and not to be replaced.
    pub fn new(
        target: &Path,
        permissions: u32,
        replaces: bool,
        warnings: &'a mut Warnings,
    ) -> Result<Self> {
        let mut made = Made::default();
        let cannot_open = |error: Errno| Error::path("open", target, error.into());
        let root = match MadeDirectory::at(CWD, target, permissions) {
            Ok(directory) => {
                made.target = Some(target.to_owned());
                let root = directory.as_fd().try_clone_to_owned();
                made.directory = Some(directory);
                root.map_err(|error| Error::path("open", target, error))?
            }
            // The target itself is the caller's word: a link there is followed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
                rustix::fs::open(target, flags, Mode::empty()).map_err(cannot_open)?
            }
            Err(error) => return Err(Error::path("make", target, error)),
        };
        let mut names = rustix::fs::Dir::read_from(&root).map_err(cannot_open)?;
        let is_empty = names
            .all(|name| name.is_ok_and(|name| matches!(name.file_name().to_bytes(), b"." | b"..")));
        if !is_empty && !replaces {
            return Err(Error::unsupported(format!(
                "{}: expected an empty directory or none, found something in it (--force writes into it and replaces what has the same name)",
                target.display()
            )));
        }
        made.has_touched_others = !is_empty;
        Ok(Self {
            open: vec![Some(root)],
            replaces,
            spared: Vec::new(),
            made,
            keeps_flags: false,
            flagged: Vec::new(),
            warnings,
        })
    }

    /// Sets what keeps what was made as it is: flags, and the mode of a target that is nobody's in the
    /// tree.
    pub fn finish(&mut self) {
        for flagged in std::mem::take(&mut self.flagged) {
            let opened = || -> io::Result<OwnedFd> {
                if flagged.is_directory {
                    return self.walk_to(&flagged.path);
                }
                let (directory, name) = split(&flagged.path);
                let directory = self.walk_to(directory)?;
                let file = Pinned::at(&directory, name)?.open(&directory, name)?;
                Ok(file.into())
            };
            let opened = opened();
            flagged.finish(opened, self.warnings);
        }
        if let Some(directory) = self.made.directory.take() {
            // As long as it could be made, its owner may set its mode.
            let _ = directory.finish();
        }
    }

    fn refuse_spared(&mut self, path: &[u8]) -> Result<()> {
        if self.spared.is_empty() || !self.replaces {
            return Ok(());
        }
        let (parent, name) = self.parent(path)?;
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if self.spared.contains(&(found.st_dev, found.st_ino)) => {
                Err(Error::unsupported(
                    "expected an output other than the image itself and what is put in, found that of this name there",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Takes away what was made, after it could not be made whole; whether nothing of it is left.
    /// Where names of others were replaced, or directories of others filled, it stays as it is.
    pub fn undo(mut self) -> bool {
        if self.made.has_touched_others {
            return false;
        }
        let names = std::mem::take(&mut self.made.names);
        let Ok(root) = self.root() else {
            return false;
        };
        // As far as it goes: one that cannot be removed is no reason to leave the others.
        let failed = names
            .iter()
            .filter(|name| undo::remove(root, name).is_err())
            .count();
        let removed = match &self.made.target {
            // What others have put into it stays.
            Some(target) => rustix::fs::rmdir(target).is_ok(),
            None => true,
        };
        failed == 0 && removed
    }

    /// Remembers a name in the target, before it is made.
    fn note(&mut self, path: &[u8]) {
        if !path.contains(&b'/') {
            self.made.names.push(path.into());
        }
    }

    fn root(&self) -> io::Result<BorrowedFd<'_>> {
        match self.open.first() {
            Some(Some(root)) => Ok(root.as_fd()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The directory that `path` is in, which is the one last entered, and its name there.
    fn parent<'p>(&mut self, path: &'p [u8]) -> Result<(BorrowedFd<'_>, &'p [u8])> {
        let (directory, name) = split(path);
        if let Some(None) = self.open.last() {
            let reopened = self.walk_to(directory).map_err(failed("open", directory))?;
            self.open.pop();
            self.open.push(Some(reopened));
        }
        match self.open.last() {
            Some(Some(parent)) => Ok((parent.as_fd(), name)),
            _ => Err(failed("open", directory)(io::ErrorKind::NotFound)),
        }
    }

    /// Opens a directory from the target on, name by name and following no link.
    fn walk_to(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut at = rustix::fs::openat(self.root()?, c".", DIRECTORY, Mode::empty())?;
        for name in path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
        {
            at = rustix::fs::openat(&at, name, DIRECTORY, Mode::empty())?;
        }
        Ok(at)
    }

    /// Makes room for a name that is not a directory.
    fn clear(&mut self, path: &[u8]) -> Result<()> {
        if !self.replaces {
            return Ok(());
        }
        self.refuse_spared(path)?;
        let (parent, name) = self.parent(path)?;
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("replace", path)(error)),
        }
    }

    fn make_directory(&mut self, path: &[u8]) -> Result<OwnedFd> {
        let replaces = self.replaces;
        self.refuse_spared(path)?;
        let (parent, name) = self.parent(path)?;
        let make = || -> io::Result<OwnedFd> {
            let open = || rustix::fs::openat(parent, name, DIRECTORY, Mode::empty());
            let made = || MadeDirectory::at(parent, name, 0o700).map(MadeDirectory::into_fd);
            match made() {
                Err(error) if replaces && error.kind() == io::ErrorKind::AlreadyExists => {
                    match open() {
                        Ok(found) => Ok(found),
                        // Something else, or a link, which is not followed.
                        Err(_) => {
                            rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
                            made()
                        }
                    }
                }
                made => made,
            }
        };
        make().map_err(failed("make", path))
    }

    fn regular(
        &mut self,
        entry: &Entry<'_>,
        inside: Inside<'_>,
        data: &mut Data<'_>,
    ) -> Result<()> {
        let (parent, name) = self.parent(entry.path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(failed("make", entry.path))?;
        let file = File::from(file);
        let cannot_write = failed("write", entry.path);
        let mut reader = inside.content(entry.node)?;
        while let Some((offset_bytes, piece)) = reader.next_data()? {
            data.spend(piece.len() as u64)?;
            file.write_all_at(piece, offset_bytes)
                .map_err(&cannot_write)?;
        }
        file.set_len(entry.node.size_bytes).map_err(&cannot_write)?;
        self.set(&file.into(), entry)
    }

    /// Sets everything on what is open; what would keep it as it is, at the end.
    fn set(&mut self, file: &OwnedFd, entry: &Entry<'_>) -> Result<()> {
        attributes::set(file, entry, self.warnings)?;
        if self.keeps_flags {
            self.flagged
                .extend(file_flags::set(file, entry, self.warnings));
        } else {
            file_flags::leave_out(entry, self.warnings);
        }
        Ok(())
    }

    /// A FIFO, a socket or a device, which have nothing to be opened for.
    fn special(&mut self, entry: &Entry<'_>) -> Result<()> {
        let node = entry.node;
        let file_type = match node.kind {
            Kind::CharacterDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            Kind::Socket => FileType::Socket,
            _ => FileType::Fifo,
        };
        let (major, minor) = node.device.unwrap_or_default();
        let device: Dev = rustix::fs::makedev(major, minor);
        let (parent, name) = self.parent(entry.path)?;
        let made = rustix::fs::mknodat(parent, name, file_type, Mode::RUSR, device);
        match made {
            Ok(()) => {}
            Err(Errno::PERM) if node.device.is_some() => {
                self.warnings
                    .count("a device was left out: only root makes devices", entry.path);
                return Ok(());
            }
            Err(error) => return Err(failed("make", entry.path)(error)),
        }
        let wanted = |found: &Stat| {
            FileType::from_raw_mode(found.st_mode) == file_type
                && (node.device.is_none() || found.st_rdev == device)
        };
        self.set_unopened(entry, wanted)
    }

    /// Sets the attributes of what was just made and cannot be opened.
    fn set_unopened(&mut self, entry: &Entry<'_>, wanted: impl Fn(&Stat) -> bool) -> Result<()> {
        let file = self.made(entry, wanted)?;
        let flags = AtFlags::EMPTY_PATH;
        let owned = owner(entry.node)
            .and_then(|(uid, gid)| rustix::fs::chownat(&file, c"", uid, gid, flags));
        let mode = mode_after(owned, entry, self.warnings)?;
        // What /proc leads to is the link itself, where it is one.
        let through = path_of(&file);
        set_xattrs(entry, self.warnings, |attribute| {
            let flags = XattrFlags::empty();
            rustix::fs::setxattr(&*through, &*attribute.name, &attribute.value, flags)
        })?;
        // A link has no mode of its own.
        if entry.node.kind != Kind::Symlink {
            rustix::fs::chmod(&*through, Mode::from_raw_mode(mode.into()))
                .map_err(failed("set the mode of", entry.path))?;
        }
        set_time(&file, entry)?;
        if self.keeps_flags {
            file_flags::lose(entry, self.warnings);
        } else {
            file_flags::leave_out(entry, self.warnings);
        }
        Ok(())
    }

    /// Holds what was just made under a name, without opening it: that would wait for a peer or wake
    /// a driver. Who may write in the directory may have put something else there meanwhile.
    fn made(&mut self, entry: &Entry<'_>, is_wanted: impl Fn(&Stat) -> bool) -> Result<OwnedFd> {
        let (parent, name) = self.parent(entry.path)?;
        let hold = || -> io::Result<OwnedFd> {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            let found = rustix::fs::fstat(&file)?;
            // What is new has one name; another's file would have one more.
            if found.st_nlink > 1 || !is_wanted(&found) {
                return Err(io::Error::other("something else has taken its place"));
            }
            Ok(file)
        };
        hold().map_err(failed("open", entry.path))
    }

    fn symlink(&mut self, entry: &Entry<'_>, target: &[u8]) -> Result<()> {
        let (parent, name) = self.parent(entry.path)?;
        rustix::fs::symlinkat(target, parent, name).map_err(failed("make", entry.path))?;
        self.set_unopened(entry, |found| {
            FileType::from_raw_mode(found.st_mode).is_symlink()
        })
    }
}

impl Sink for DirectorySink<'_> {
    fn enter(&mut self, entry: &Entry<'_>) -> Result<()> {
        if entry.path.is_empty() {
            return Ok(());
        }
        self.note(entry.path);
        let made = self.make_directory(entry.path)?;
        self.open.push(Some(made));
        if let Some(far) = self.open.len().checked_sub(MAX_OPEN)
            && far > 0
        {
            self.open[far] = None;
        }
        Ok(())
    }

    fn leave(&mut self, entry: &Entry<'_>) -> Result<()> {
        let directory = match self.open.last() {
            Some(Some(directory)) => directory.try_clone(),
            _ => self.walk_to(entry.path),
        };
        let directory = directory.map_err(failed("open", entry.path))?;
        if !entry.path.is_empty() {
            self.open.pop();
        }
        self.set(&directory, entry)?;
        if entry.path.is_empty() {
            // It has its own mode now.
            self.made.directory = None;
        }
        Ok(())
    }

    fn inode(&mut self, entry: &Entry<'_>, inside: Inside<'_>, data: &mut Data<'_>) -> Result<()> {
        self.note(entry.path);
        self.clear(entry.path)?;
        match entry.node.kind {
            Kind::Regular => self.regular(entry, inside, data),
            Kind::Symlink => self.symlink(entry, &inside.target(entry.node)?),
            _ => self.special(entry),
        }
    }

    fn link(&mut self, entry: &Entry<'_>, first: &[u8]) -> Result<()> {
        self.note(entry.path);
        self.clear(entry.path)?;
        let (first_directory, first_name) = split(first);
        // Mostly they are in one directory, which may be deep and is open.
        let is_beside = first_directory == split(entry.path).0;
        let from = if is_beside {
            None
        } else {
            let opened = self.walk_to(first_directory);
            Some(opened.map_err(failed("open", first_directory))?)
        };
        let (parent, name) = self.parent(entry.path)?;
        let from = from.as_ref().map_or(parent, |from| from.as_fd());
        match rustix::fs::linkat(from, first_name, parent, name, AtFlags::empty()) {
            // A device that only root could have made.
            Err(Errno::NOENT) if entry.node.device.is_some() => {
                self.warnings
                    .count("a device was left out: only root makes devices", entry.path);
                Ok(())
            }
            linked => linked.map_err(failed("link", entry.path)),
        }
    }
}
