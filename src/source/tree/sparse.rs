//! Holes in files.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::SeekFrom;

use crate::tar::write::Extent;

/// The stretches of `file` that have data; one of all of it where it has no holes.
pub(super) fn extents(file: &File, metadata: &Metadata) -> io::Result<Vec<Extent>> {
    let size_bytes = metadata.len();
    if metadata.blocks().saturating_mul(512) >= size_bytes {
        return Ok(vec![(0, size_bytes)]);
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
    Ok(extents)
}
