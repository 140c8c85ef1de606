//! What a killed process left under a hidden name.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Dir, FileType, Mode, OFlags, openat};

use super::directory::Directory;
use super::hidden_name::is_hidden_name;

/// Removes the files with hidden names for `output` that no process holds: regular ones that
/// belong to whom `own` belongs and have no other name. Best effort: they are in nobody's way.
pub(super) fn remove(directory: &Directory, output: &OsStr, own: &File) {
    let Ok(owner) = own.metadata().map(|metadata| metadata.uid()) else {
        return;
    };
    for name in names(directory, output) {
        let is_ours = |uid, kind| uid == owner && kind == FileType::RegularFile;
        // Opening alone may do something to what is no regular file.
        let looks_so = directory.stat(&name).is_ok_and(|stat| {
            let kind = FileType::from_raw_mode(stat.st_mode);
            stat.st_nlink == 1 && is_ours(stat.st_uid, kind)
        });
        if !looks_so {
            continue;
        }
        let Ok(file) = directory.open_file(&name) else {
            continue;
        };
        let is_so = file.metadata().is_ok_and(|metadata| {
            metadata.is_file() && metadata.uid() == owner && metadata.nlink() == 1
        });
        if is_so && file.try_lock().is_ok() {
            directory.remove(&name, &file);
        }
    }
}

fn names(directory: &Directory, output: &OsStr) -> Vec<OsString> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(&directory.fd, ".", flags, Mode::empty());
    let Ok(entries) = opened.and_then(Dir::new) else {
        return Vec::new();
    };
    entries
        .map_while(Result::ok)
        .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
        .filter(|name| is_hidden_name(name, output))
        .collect()
}
