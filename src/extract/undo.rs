//! Takes away again what was made, where it could not be made whole.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// How directories are opened on the way: no link is followed.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Removes a name and all below it from a directory that is open.
///
/// No link is followed, and one directory is open at a time, however deep they are.
pub(super) fn remove(root: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(root, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    // The names of the directories that are open, the outermost first, each with those directories
    // in it that are still to come.
    let mut path: Vec<(CString, Vec<CString>)> = Vec::new();
    let mut next = Some(CString::new(name)?);
    loop {
        if let Some(name) = next.take() {
            let names: Vec<_> = path.iter().map(|(name, _)| name).chain([&name]).collect();
            let directory = walk_to(root, &names)?;
            let below = empty_of_files(&directory)?;
            path.push((name, below));
        }
        let Some((_, below)) = path.last_mut() else {
            return Ok(());
        };
        next = below.pop();
        if next.is_none()
            && let Some((name, _)) = path.pop()
        {
            let names: Vec<_> = path.iter().map(|(name, _)| name).collect();
            let parent = walk_to(root, &names)?;
            rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR)?;
        }
    }
}

fn walk_to(root: BorrowedFd<'_>, names: &[&CString]) -> io::Result<OwnedFd> {
    let mut at = rustix::fs::openat(root, c".", DIRECTORY, Mode::empty())?;
    for name in names {
        at = open(at.as_fd(), name)?;
    }
    Ok(at)
}

/// Opens a directory, be it one that its owner may not read or change.
fn open(parent: BorrowedFd<'_>, name: &CString) -> io::Result<OwnedFd> {
    let open = || rustix::fs::openat(parent, name, DIRECTORY, Mode::empty());
    match open() {
        Err(Errno::ACCESS) => {
            make_accessible(parent, name)?;
            Ok(open()?)
        }
        opened => Ok(opened?),
    }
}

fn make_accessible(parent: BorrowedFd<'_>, name: &CString) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let found = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let through = format!("/proc/self/fd/{}", found.as_raw_fd());
    Ok(rustix::fs::chmod(through, Mode::RWXU)?)
}

/// Removes everything but directories, and gives their names.
fn empty_of_files(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    // Of one that may not be written nothing can be removed.
    rustix::fs::fchmod(directory, Mode::RWXU)?;
    let mut below = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let removed = match entry.file_type() {
            FileType::Directory => Err(Errno::ISDIR),
            _ => rustix::fs::unlinkat(directory, name, AtFlags::empty()),
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => below.push(name.to_owned()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(below)
}
