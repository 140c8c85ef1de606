//! Holes in files, and GNU tar's map of what is between them.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::SeekFrom;

use super::header::padding;

/// A stretch of data: offset and length in bytes.
pub(super) type Extent = (u64, u64);

/// The stretches of `file` that have data, `None` where it has no holes.
pub(super) fn extents(file: &File, metadata: &Metadata) -> io::Result<Option<Vec<Extent>>> {
    let size_bytes = metadata.len();
    if metadata.blocks().saturating_mul(512) >= size_bytes {
        return Ok(None);
    }
    let mut extents = Vec::new();
    let mut position = 0;
    while position < size_bytes {
        let start = match rustix::fs::seek(file, SeekFrom::Data(position)) {
            // Nothing but a hole is left.
            Err(rustix::io::Errno::NXIO) => break,
            start => start?,
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(size_bytes);
        if end <= start {
            break;
        }
        extents.push((start, end - start));
        position = end;
    }
    let is_whole = extents == [(0, size_bytes)];
    Ok((!is_whole).then_some(extents))
}

/// The map that precedes the data, whole blocks of it (GNU tar, "PAX Format, Version 1.0"); an
/// empty last extent marks the end of a file that ends in a hole.
pub(super) fn encode_map(extents: &[Extent], size_bytes: u64) -> Vec<u8> {
    let end = extents.last().map_or(0, |(offset, length)| offset + length);
    let last = (end < size_bytes).then_some((size_bytes, 0));
    let mut map = format!("{}\n", extents.len() + usize::from(last.is_some()));
    for (offset, length) in extents.iter().copied().chain(last) {
        map.push_str(&format!("{offset}\n{length}\n"));
    }
    let mut map = map.into_bytes();
    map.resize(map.len() + padding(map.len() as u64), 0);
    map
}
