//! File flags, as chattr sets them.

use std::os::fd::AsFd;

use rustix::fs::{IFlags, ioctl_getflags};

/// What a user can set, and by which letter lsattr shows it; the rest is the filesystem's business.
const LETTERS: [(IFlags, char); 14] = [
    (IFlags::SECURE_REMOVAL, 's'),
    (IFlags::UNRM, 'u'),
    (IFlags::SYNC, 'S'),
    (IFlags::DIRSYNC, 'D'),
    (IFlags::IMMUTABLE, 'i'),
    (IFlags::APPEND, 'a'),
    (IFlags::NODUMP, 'd'),
    (IFlags::NOATIME, 'A'),
    (IFlags::COMPRESSED, 'c'),
    (IFlags::JOURNALING, 'j'),
    (IFlags::NOTAIL, 't'),
    (IFlags::TOPDIR, 'T'),
    (IFlags::NOCOW, 'C'),
    (IFlags::PROJECT_INHERIT, 'P'),
];

/// The letters of the flags that somebody set on an open file or directory. Filesystems that have
/// none say so in many ways.
pub(super) fn letters(file: impl AsFd) -> String {
    let flags = ioctl_getflags(file).unwrap_or(IFlags::empty());
    LETTERS
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, letter)| letter)
        .collect()
}
