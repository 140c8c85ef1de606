//! An open file handed to another program.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use rustix::process::{DumpableBehavior, dumpable_behavior, geteuid};

use crate::error::{Error, Result};

/// A path at which a child process can open a file this process has open, named or not.
///
/// # Errors
/// [`Error::Io`] where `/proc` is absent or shows the processes of another PID namespace: the path
/// would lead to a stranger's file.
pub fn path_of_open_file(file: &File) -> Result<OsString> {
    expect_shown_files()?;
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let own = file.metadata().map(identity);
    match (fs::metadata(&path).map(identity), own) {
        (Ok(found), Ok(own)) if found == own => Ok(path.into()),
        (Err(error), _) | (_, Err(error)) => Err(Error::io(
            format!("cannot hand an open file to another program as {path}"),
            error,
        )),
        _ => Err(Error::io(
            format!("cannot hand an open file to another program as {path}"),
            io::Error::other(
                "/proc shows another PID namespace (mount -t proc proc /proc gives it its own)",
            ),
        )),
    }
}

/// The kernel hides the open files of a process whose own program its user may not read.
fn expect_shown_files() -> Result<()> {
    if geteuid().is_root() || dumpable_behavior().is_ok_and(|how| how == DumpableBehavior::Dumpable)
    {
        return Ok(());
    }
    Err(Error::io(
        "cannot hand an open file to another program",
        io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the kernel hides this process's files, as where its program may be run and not read \
             (`chmod a+r` of the layerpress program, and no mode such as 0711, helps)",
        ),
    ))
}
