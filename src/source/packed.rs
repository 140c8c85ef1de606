//! Files that are neither a filesystem nor an image, and have a filesystem in them: named, with the way to
//! it, before anything of them is unpacked.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use crate::compression::{Compression, Decompressor, MAGIC_BYTES, foreign};
use crate::error::shell_word;
use crate::file_kind::{self, HEAD_BYTES, is_ext, name_in_place, partitions};
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

/// What a file is called that is a disk with a partition table, a compressed filesystem or disk, or
/// compressed as no image is. What cannot be told is left to who reads the file.
pub(super) fn found(mut file: &File, path: &Path) -> Option<String> {
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return None;
    }
    let head = file_kind::head(file).ok()?;
    if partitions(&head).is_some() {
        return Some(name_in_place(file, &head, 0));
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
    let inner = unpacked_head(file, compression);
    // Who reads it begins where it stands.
    file.rewind().ok()?;
    let inner = inner?;
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

fn unpack(name: &str, path: &Path) -> String {
    let how = UNPACKING.iter().find(|(own, _)| *own == name);
    let typed = shell_word(path);
    how.map_or_else(String::new, |(_, how)| {
        format!(" (`{how} {typed}` unpacks it)")
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
