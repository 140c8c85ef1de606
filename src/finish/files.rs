//! Files that are written and do not have their names yet.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::oci::{Digest, DigestHasher};
use crate::partial_file::PartialFile;

/// A file that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedFile {
    /// Where it goes.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: u64,
    /// Its SHA-256. A small file always has one, the others where that or a document which tells of
    /// files is wanted.
    pub sha256: Option<Digest>,
}

impl FinishedFile {
    /// A file in the making, to the last byte.
    pub(super) fn of(partial: &PartialFile, sha256: Option<Digest>) -> Result<Self> {
        let path = partial.output().to_owned();
        let metadata = partial.file().metadata();
        let metadata = metadata.map_err(|error| Error::path("read", &path, error))?;
        Ok(Self {
            path,
            size_bytes: metadata.len(),
            sha256,
        })
    }
}

/// Writes a small file, not yet named, and puts it on the list.
pub(super) fn write(
    path: &Path,
    content: &[u8],
    list: &mut Vec<FinishedFile>,
) -> Result<PartialFile> {
    let partial = PartialFile::create(path)?;
    let written = partial.file().write_all_at(content, 0);
    written.map_err(|error| Error::path("write", path, error))?;
    let mut hasher = DigestHasher::sha256();
    hasher.update(content);
    list.push(FinishedFile::of(&partial, Some(hasher.finish()))?);
    Ok(partial)
}
