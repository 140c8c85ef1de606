//! The finished filesystem compressed, beside it or in its place.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::compression::{EncodeError, Encoding, Streams, encode};
use crate::error::{Error, Result};
use crate::oci::{Digest, DigestHasher};
use crate::partial_file::PartialFile;
use crate::progress::{Phase, Reporter, Task};

/// That the output is compressed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressOptions {
    /// The compression with its level.
    pub encoding: Encoding,
    /// Whether the filesystem itself is not kept.
    pub only: bool,
    /// Threads that compress, at most; what comes of it is the same for any number.
    pub jobs: NonZeroUsize,
}

/// A compressed output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedCompressed {
    /// Where it is.
    pub path: PathBuf,
    /// How it is compressed.
    pub encoding: Encoding,
    /// Its length.
    pub size_bytes: u64,
    /// What it takes of the host's disk, in bytes.
    pub host_bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Whether the filesystem itself is not kept.
    pub only: bool,
}

impl CompressOptions {
    /// `OUTPUT.gz` or `OUTPUT.zst`.
    pub fn path(&self, output: &Path) -> PathBuf {
        let mut path = OsString::from(output);
        path.push(self.encoding.form().ending());
        path.into()
    }

    /// Compresses the whole file, not yet named; gives the file's own SHA-256, too.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn compress(
        &self,
        image: &PartialFile,
        reporter: &dyn Reporter,
    ) -> Result<(Digest, FinishedCompressed, PartialFile)> {
        let path = self.path(image.output());
        let target = PartialFile::create(&path)?;
        let unreadable = |error| Error::path("read", image.output(), error);
        let length_bytes = image.file().metadata().map_err(unreadable)?.len();
        let meter = reporter.begin(Task::bytes(Phase::Finish, "compress", length_bytes));
        let (mut own, mut compressed) = (DigestHasher::sha256(), DigestHasher::sha256());
        let mut size_bytes = 0;
        let mut streams = Streams {
            raw: &mut |bytes| {
                own.update(bytes);
                meter.add(bytes.len() as u64);
            },
            compressed: &mut |bytes| {
                compressed.update(bytes);
                target.file().write_all_at(bytes, size_bytes)?;
                size_bytes += bytes.len() as u64;
                Ok(())
            },
        };
        let (file, encoding) = (image.file(), self.encoding);
        encode(file, length_bytes, encoding, self.jobs, &mut streams).map_err(
            |error| match error {
                EncodeError::Read(error) => unreadable(error),
                EncodeError::Write(error) => Error::path("write", &path, error),
                EncodeError::Encode(error) => Error::path("compress", image.output(), error),
            },
        )?;
        meter.finish("compressed");
        let metadata = target.file().metadata();
        let metadata = metadata.map_err(|error| Error::path("read", &path, error))?;
        let finished = FinishedCompressed {
            path,
            encoding,
            size_bytes,
            host_bytes: std::os::unix::fs::MetadataExt::blocks(&metadata) * 512,
            sha256: compressed.finish(),
            only: self.only,
        };
        Ok((own.finish(), finished, target))
    }
}
