//! One thing that is no directory, as a file of any name.

use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{CWD, Timespec, Timestamps};

use super::Work;
use crate::error::{Error, Result, escape_path};
use crate::extract::Data;
use crate::listing::Kind;
use crate::look::Found;
use crate::partial_file::PartialFile;
use crate::warnings::Warnings;

/// Makes a regular file with the content, permissions as far as the umask allows, never setuid, and
/// time; or a symbolic link with its target.
///
/// # Errors
/// What cannot be read or written, and [`Error::Unsupported`] for a device or a FIFO; nothing is left
/// then.
pub(super) fn write(work: &Work<'_>, path: &Path, replaces: bool) -> Result<Warnings> {
    let [found] = &work.found[..] else {
        return Err(Error::Mismatch(
            "a file was to be made of several".to_owned(),
        ));
    };
    let made = match found.node.kind {
        Kind::Regular => regular(work, found, path, replaces),
        Kind::Symlink => link(work, found, path, replaces),
        _ => Err(Error::unsupported(
            "expected a regular file or a symbolic link to make a file of, found another (`-o DIR/` makes it in a directory)",
        )),
    };
    made.map_err(|error| error.in_entry(&found.path).in_image(&work.name))
}

fn regular(work: &Work<'_>, found: &Found, path: &Path, replaces: bool) -> Result<Warnings> {
    let node = &found.node;
    let mut file = PartialFile::create(path)?;
    let cannot_write = |error| Error::path("write", path, error);
    let mut data = Data::of(work.inside, &*work.meter, work.is_cancelled);
    let mut reader = work.inside.content(node)?;
    while let Some((offset_bytes, piece)) = reader.next_data()? {
        data.spend(piece.len() as u64)?;
        let written = file.file().write_all_at(piece, offset_bytes);
        written.map_err(cannot_write)?;
    }
    file.file().set_len(node.size_bytes).map_err(cannot_write)?;
    let mode = u32::from(node.mode) & 0o777 & !umask(file.file());
    let set = file.file().set_permissions(Permissions::from_mode(mode));
    set.map_err(cannot_write)?;
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: node.mtime.seconds,
            tv_nsec: node.mtime.nanoseconds.into(),
        },
    };
    rustix::fs::futimens(file.file(), &times).map_err(|error| cannot_write(error.into()))?;
    file.set_no_clobber(!replaces);
    file.persist()?;
    let mut warnings = Warnings::default();
    if node.mode & 0o7000 != 0 {
        let what = "setuid, setgid and sticky bits are not kept in a file of its own";
        warnings.count(what, &found.path);
    }
    if !work.inside.xattrs(node)?.is_empty() {
        let what = "extended attributes are not kept in a file of its own";
        warnings.count(what, &found.path);
    }
    Ok(warnings)
}

/// What new files must not allow. The kernel has told it of those bits that the file was made with;
/// the others are in what it tells of the process.
fn umask(made: &File) -> u32 {
    let told = std::fs::read_to_string("/proc/self/status").ok();
    let mask = told.as_deref().and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        u32::from_str_radix(line?.trim(), 8).ok()
    });
    let allowed = made
        .metadata()
        .map_or(0, |found| found.permissions().mode());
    // Who may not read may not execute.
    let by_reading = !(allowed >> 2) & 0o111;
    (!allowed & 0o666) | (mask.unwrap_or(by_reading) & 0o111)
}

fn link(work: &Work<'_>, found: &Found, path: &Path, replaces: bool) -> Result<Warnings> {
    let target = work.inside.target(&found.node)?;
    let failed = |error: rustix::io::Errno| Error::path("create", path, error.into());
    if replaces {
        // A link has no content that could be half there.
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.is_dir() => {
                let shown = escape_path(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
                let what = format!("{shown}: expected a file or nothing there, found a directory");
                return Err(Error::unsupported(what));
            }
            Ok(_) => {
                std::fs::remove_file(path).map_err(|error| Error::path("replace", path, error))?
            }
            Err(_) => {}
        }
    }
    rustix::fs::symlinkat(&target[..], CWD, path).map_err(failed)?;
    Ok(Warnings::default())
}
