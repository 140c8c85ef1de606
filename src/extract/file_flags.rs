//! The flags that chattr sets, on what was made in a directory of this machine.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{IFlags, Stat, ioctl_getflags, ioctl_setflags};

use super::Entry;
use crate::listing::Kind;
use crate::pinned::Identity;
use crate::units::FileFlags;
use crate::warnings::Warnings;

/// Those after which a file takes no further names, and a directory none that go.
const HINDERING: FileFlags = FileFlags::IMMUTABLE.with(FileFlags::APPEND);

const NOT_SET: &str =
    "file flags were not kept: the filesystem has them not, or only root sets them";
const UNOPENED: &str = "file flags of links and special files were not kept";

/// What is to get its flags when nothing is made, linked or removed any more.
#[derive(Debug)]
pub(super) struct Flagged {
    pub path: Box<[u8]>,
    pub is_directory: bool,
    identity: Identity,
    flags: FileFlags,
}

/// Sets flags on an open file or directory as far as that goes, and gives what is left for later.
pub(super) fn set(file: &OwnedFd, entry: &Entry<'_>, warnings: &mut Warnings) -> Option<Flagged> {
    let wanted = entry.node.file_flags;
    let (now, later) = (wanted & !HINDERING, wanted & HINDERING);
    count(NOT_SET, set_on(file, now), entry.path, warnings);
    let found = rustix::fs::fstat(file).ok()?;
    (!later.is_empty()).then(|| Flagged {
        path: entry.path.into(),
        is_directory: entry.node.kind == Kind::Directory,
        identity: identity(&found),
        flags: later,
    })
}

impl Flagged {
    /// Sets what was left for later, on what `open` finds: another file in its place gets none.
    pub(super) fn finish(self, open: io::Result<OwnedFd>, warnings: &mut Warnings) {
        let is_same = |file: &OwnedFd| {
            rustix::fs::fstat(file).is_ok_and(|found| identity(&found) == self.identity)
        };
        let lost = match open {
            Ok(file) if is_same(&file) => set_on(&file, self.flags),
            _ => self.flags,
        };
        count(NOT_SET, lost, &self.path, warnings);
    }
}

/// Counts flags that are not wanted.
pub(super) fn leave_out(entry: &Entry<'_>, warnings: &mut Warnings) {
    count(
        FileFlags::NOT_KEPT,
        entry.node.file_flags,
        entry.path,
        warnings,
    );
}

/// Counts the flags of what has no door to set them through.
pub(super) fn lose(entry: &Entry<'_>, warnings: &mut Warnings) {
    count(UNOPENED, entry.node.file_flags, entry.path, warnings);
}

fn count(why: &'static str, flags: FileFlags, path: &[u8], warnings: &mut Warnings) {
    if !flags.is_empty() {
        warnings.count_with(why, || flags.told_of(path));
    }
}

/// Sets flags beside those that are there: all at once or, where the kernel refuses that, one by
/// one. Those that are not to be seen afterwards are given back: filesystems leave out some without
/// a word.
fn set_on(file: impl AsFd, wanted: FileFlags) -> FileFlags {
    if wanted.is_empty() {
        return wanted;
    }
    let set = |flags: FileFlags| {
        let before = ioctl_getflags(&file)?;
        ioctl_setflags(&file, before | IFlags::from_bits_retain(flags.bits()))
    };
    if set(wanted).is_err() {
        for flag in wanted.each() {
            // What came of it is seen below.
            let _ = set(flag);
        }
    }
    let after = ioctl_getflags(&file).unwrap_or(IFlags::empty());
    wanted & !FileFlags::of_inode(after.bits())
}

fn identity(found: &Stat) -> Identity {
    (found.st_dev, found.st_ino)
}
