//! The attributes of what was made in a directory of this machine.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::Entry;
use crate::error::{Error, Result, escape_path};
use crate::listing::{Attribute, Kind};
use crate::look::Node;
use crate::warnings::Warnings;

/// Sets everything on an open file or directory: the owner first, for a change of owner takes
/// setuid bits and capabilities away, and the time last.
pub(super) fn set(file: &OwnedFd, entry: &Entry<'_>, warnings: &mut Warnings) -> Result<()> {
    let node = entry.node;
    let owned = owner(node).and_then(|(uid, gid)| rustix::fs::fchown(file, uid, gid));
    let mode = mode_after(owned, entry, warnings)?;
    set_xattrs(entry, warnings, |attribute| {
        let flags = XattrFlags::empty();
        rustix::fs::fsetxattr(file, &*attribute.name, &attribute.value, flags)
    })?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode.into()))
        .map_err(failed("set the mode of", entry.path))?;
    rustix::fs::futimens(file, &times(node)).map_err(failed("set the time of", entry.path))
}

/// What of the mode is kept, by how the change of owner went.
pub(super) fn mode_after(
    owned: Result<(), Errno>,
    entry: &Entry<'_>,
    warnings: &mut Warnings,
) -> Result<u16> {
    let mode = entry.node.mode;
    match owned {
        Ok(()) => Ok(mode),
        Err(error @ (Errno::PERM | Errno::INVAL)) => {
            let why = if has_last_number(entry.node) {
                "the owner was not kept: a change of owner takes 4294967295 for \"as it is\""
            } else if error == Errno::INVAL {
                "the owner was not kept: this user namespace has no such number"
            } else {
                "the owner was not kept: only root gives files away"
            };
            warnings.count(why, entry.path);
            if entry.node.kind != Kind::Directory && mode & 0o6000 != 0 {
                // They would lend the rights of somebody else.
                warnings.count(
                    "the setuid and setgid bits were not kept without the owner",
                    entry.path,
                );
                return Ok(mode & !0o6000);
            }
            Ok(mode)
        }
        Err(error) => Err(failed("set the owner of", entry.path)(error)),
    }
}

/// Sets extended attributes, and counts those that are not to be had here.
pub(super) fn set_xattrs(
    entry: &Entry<'_>,
    warnings: &mut Warnings,
    set: impl Fn(&Attribute) -> Result<(), Errno>,
) -> Result<()> {
    for attribute in entry.xattrs {
        match set(attribute) {
            Ok(()) => {}
            Err(
                Errno::PERM
                | Errno::ACCESS
                | Errno::NOTSUP
                | Errno::INVAL
                | Errno::NOSPC
                | Errno::TOOBIG
                | Errno::RANGE,
            ) => {
                let lost = match attribute.name.split(|&byte| byte == b'.').next() {
                    Some(b"user") => "a user.* attribute was not kept",
                    Some(b"security") => "a security.* attribute was not kept",
                    Some(b"trusted") => "a trusted.* attribute was not kept",
                    _ => "an access control list was not kept",
                };
                warnings.count(lost, entry.path);
            }
            Err(error) => {
                let what = format!("set {} of", escape_path(&attribute.name));
                return Err(failed(&what, entry.path)(error));
            }
        }
    }
    Ok(())
}

pub(super) fn set_time(file: &OwnedFd, entry: &Entry<'_>) -> Result<()> {
    let (times, flags) = (times(entry.node), AtFlags::EMPTY_PATH);
    let set = match rustix::fs::utimensat(file, c"", &times, flags) {
        // Before Linux 5.8.
        Err(Errno::INVAL) => rustix::fs::utimensat(CWD, path_of(file), &times, AtFlags::empty()),
        set => set,
    };
    set.map_err(failed("set the time of", entry.path))
}

/// User and group for a change of owner, which takes the highest number for "as it is".
pub(super) fn owner(node: &Node) -> Result<(Option<Uid>, Option<Gid>), Errno> {
    if has_last_number(node) {
        return Err(Errno::INVAL);
    }
    Ok((Some(Uid::from_raw(node.uid)), Some(Gid::from_raw(node.gid))))
}

fn has_last_number(node: &Node) -> bool {
    node.uid == u32::MAX || node.gid == u32::MAX
}

fn times(node: &Node) -> Timestamps {
    let mtime = node.mtime;
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: mtime.seconds,
            tv_nsec: mtime.nanoseconds.into(),
        },
    }
}

pub(super) fn failed<E: Into<io::Error>>(verb: &str, path: &[u8]) -> impl Fn(E) -> Error {
    let what = format!("cannot {verb} {}", escape_path(path));
    move |error| Error::io(what.clone(), error.into())
}

/// The path of what is open but cannot be changed through its descriptor.
pub(super) fn path_of(file: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}
