//! What files have besides their content: extended attributes as pax records, in the form `getxattr`
//! gives them, and the flags that chattr sets.

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, IFlags, StatxAttributes, StatxFlags, fgetxattr, flistxattr, getxattr, ioctl_getflags,
    listxattr, statx,
};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::pinned::Pinned;
use crate::tar::write;
use crate::units::FileFlags;

/// A key and a value.
pub(super) type Record = (Vec<u8>, Vec<u8>);

/// Where attributes are read from: never a name, behind which there may be something else by now.
#[derive(Clone, Copy)]
pub(super) enum Holder<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// What is only held: a symbolic link or a special file.
    Held(&'a Pinned),
}

impl Holder<'_> {
    fn names(self) -> Result<Vec<u8>, Errno> {
        match self {
            Self::Open(fd) => read_whole(|buffer| flistxattr(fd, buffer)),
            Self::Held(pinned) => {
                let path = pinned.path_in_proc();
                read_whole(|buffer| listxattr(path.as_str(), buffer))
            }
        }
    }

    fn value(self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        match self {
            Self::Open(fd) => read_whole(|buffer| fgetxattr(fd, name, buffer)),
            Self::Held(pinned) => {
                let path = pinned.path_in_proc();
                read_whole(|buffer| getxattr(path.as_str(), name, buffer))
            }
        }
    }
}

/// One `SCHILY.xattr.` record for each attribute, by the bytes of their names. `None` where they
/// cannot be asked for: those of what is only held, where there is no /proc. `path` is for messages.
pub(super) fn records(holder: Holder<'_>, path: &Path) -> Result<Option<Vec<Record>>> {
    let failed = |error: Errno| Error::path("read the extended attributes of", path, error.into());
    let names = match holder.names() {
        Err(Errno::NOTSUP) => return Ok(Some(Vec::new())),
        Err(Errno::NOENT | Errno::NOTDIR) if matches!(holder, Holder::Held(_)) => return Ok(None),
        names => names.map_err(failed)?,
    };
    let mut names: Vec<_> = names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    let record = |name: &[u8]| {
        let value = holder.value(name).map_err(failed)?;
        Ok((write::xattr_keyword(name), value))
    };
    names
        .into_iter()
        .map(record)
        .collect::<Result<_>>()
        .map(Some)
}

/// Calls `read` with a buffer that holds all it has to say: the kernel's ceiling for names and
/// values both.
fn read_whole(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 65_536 => buffer.resize(65_536, 0),
            Err(error) => return Err(error),
        }
    }
}

/// The flags that somebody set. Filesystems that have none say so in many ways; of what is only held
/// the kernel tells those that `statx` has.
pub(super) fn flags(holder: Holder<'_>) -> FileFlags {
    match holder {
        Holder::Open(fd) => {
            let flags = ioctl_getflags(fd).unwrap_or(IFlags::empty());
            FileFlags::of_inode(flags.bits())
        }
        Holder::Held(pinned) => {
            let found = statx(pinned.fd(), c"", AtFlags::EMPTY_PATH, StatxFlags::empty());
            let has = |attribute| {
                let found = found.as_ref();
                found.is_ok_and(|found| found.stx_attributes.contains(attribute))
            };
            [
                (StatxAttributes::COMPRESSED, FileFlags::COMPRESS),
                (StatxAttributes::IMMUTABLE, FileFlags::IMMUTABLE),
                (StatxAttributes::APPEND, FileFlags::APPEND),
                (StatxAttributes::NODUMP, FileFlags::NODUMP),
            ]
            .into_iter()
            .filter(|(attribute, _)| has(*attribute))
            .fold(FileFlags::default(), |all, (_, flag)| all | flag)
        }
    }
}
