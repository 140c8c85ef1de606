//! An earlier image: any file, of which what has the right digest is taken.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::file_kind;
use crate::oci::{Digest, DigestHasher};

/// A file or block device that is read while others may change it.
#[derive(Debug)]
pub struct EarlierFile {
    file: File,
    path: PathBuf,
    /// Where bytes of a digest were that may be wanted elsewhere.
    elsewhere: Mutex<HashMap<Digest, u64>>,
}

impl EarlierFile {
    /// Opens it; nothing of it is read.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened, [`Error::Unsupported`] for what has no bytes at
    /// offsets.
    pub fn open(path: &Path) -> Result<Self> {
        let file = file_kind::open(path)?;
        let metadata = file.metadata();
        let metadata = metadata.map_err(|error| Error::path("read", path, error))?;
        let kind = metadata.file_type();
        if !kind.is_file() && !std::os::unix::fs::FileTypeExt::is_block_device(&kind) {
            return Err(Error::unsupported(format!(
                "{}: expected an earlier filesystem image (--like), found no file",
                path.display()
            )));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            elsewhere: Mutex::default(),
        })
    }

    /// What it is called.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fills `buffer` with the bytes at an offset; tells whether they are those of `digest`, which they
    /// are not where the file has fewer, or they cannot be read. Where any are that are `wanted` is
    /// remembered.
    pub(super) fn take(
        &self,
        buffer: &mut [u8],
        offset_bytes: u64,
        digest: &Digest,
        wanted: &HashSet<&Digest>,
    ) -> bool {
        if self.file.read_exact_at(buffer, offset_bytes).is_err() {
            return false;
        }
        let found = DigestHasher::sha256().of(buffer);
        let is_right = found == *digest;
        if wanted.contains(&found) {
            self.elsewhere().entry(found).or_insert(offset_bytes);
        }
        is_right
    }

    /// Whether bytes of the digest were seen at another place.
    pub(super) fn has_elsewhere(&self, digest: &Digest) -> bool {
        self.elsewhere().contains_key(digest)
    }

    /// The same for bytes that were elsewhere in the file.
    pub(super) fn take_elsewhere(&self, buffer: &mut [u8], digest: &Digest) -> bool {
        let place = self.elsewhere().get(digest).copied();
        place.is_some_and(|place| self.take(buffer, place, digest, &HashSet::new()))
    }

    fn elsewhere(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, u64>> {
        self.elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
