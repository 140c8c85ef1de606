//! Files that are neither a filesystem nor an image, and have a filesystem in them: named, with the way to
//! it, before anything of them is unpacked.

use std::fs::File;
use std::io::Seek;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::compression::{Compression, Decompressor, MAGIC_BYTES, foreign};
use crate::error::{Error, Result, escape_path};
use crate::file_kind::{self, HEAD_BYTES, head_at, is_ext, partitions};
use crate::limits::Limits;

/// How a compressed file is unpacked beside itself.
const UNPACKING: [(&str, &str); 6] = [
    ("gzip", "gunzip -k"),
    ("zstd", "unzstd"),
    ("xz", "unxz -k"),
    ("bzip2", "bunzip2 -k"),
    ("lz4", "unlz4"),
    ("lzip", "lunzip -k"),
];

/// Refuses a disk with a partition table, a compressed filesystem or disk, and what is compressed as no
/// image is. What cannot be told is left to who reads the file.
///
/// # Errors
/// [`Error::BadImage`] then.
pub(super) fn refuse_packed(path: &Path) -> Result<()> {
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else {
        return Ok(());
    };
    let Ok(head) = file_kind::head(&file) else {
        return Ok(());
    };
    match packed(&file, &head, path) {
        Some(found) => {
            let what = format!("expected a filesystem or a container image, found {found}");
            Err(Error::bad_image(what).in_image(&path.display().to_string()))
        }
        None => Ok(()),
    }
}

fn packed(file: &File, head: &[u8], path: &Path) -> Option<String> {
    if let Some(starts) = partitions(head) {
        return Some(disk(file, head, &starts));
    }
    let magic = head.get(..head.len().min(MAGIC_BYTES))?;
    if let Some(name) = foreign(magic) {
        let how = unpack(name, path);
        return Some(format!(
            "a file compressed by {name}{how}; container images are compressed by gzip or zstd"
        ));
    }
    let compression = Compression::of(magic).ok()?;
    let name = match compression {
        Compression::None => return None,
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    let inner = unpacked_head(file, compression)?;
    let what = if is_ext(&inner) {
        "an ext filesystem image"
    } else if partitions(&inner).is_some() {
        "a disk with a partition table"
    } else {
        return None;
    };
    Some(format!(
        "{what}, compressed by {name}{}",
        unpack(name, path)
    ))
}

/// The first partition that is an ext filesystem, or else what is told of any disk.
fn disk(file: &File, head: &[u8], starts: &[u64]) -> String {
    let is_filesystem = |start: &&u64| head_at(file, **start).is_ok_and(|head| is_ext(&head));
    match starts.iter().find(is_filesystem) {
        Some(start) => format!(
            "a disk with a partition table; an ext filesystem is in the partition at byte {start}: --offset {start} looks into it"
        ),
        None => file_kind::name(head),
    }
}

fn unpack(name: &str, path: &Path) -> String {
    let how = UNPACKING.iter().find(|(own, _)| *own == name);
    let shown = escape_path(path.as_os_str().as_bytes());
    how.map_or_else(String::new, |(_, how)| {
        format!(" (`{how} {shown}` unpacks it)")
    })
}

/// How what is compressed begins.
fn unpacked_head(mut file: &File, compression: Compression) -> Option<Vec<u8>> {
    file.rewind().ok()?;
    let mut decompressor = Decompressor::new(file, compression, &Limits::default()).ok()?;
    let mut head = vec![0; HEAD_BYTES];
    let filled = decompressor.fill(&mut head).ok()?;
    head.truncate(filled);
    Some(head)
}
