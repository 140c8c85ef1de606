//! Bytes on their way into a blob.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::oci::{Digest, DigestAlgorithm, DigestHasher};
use crate::page_buffer::PageBuffer;
use crate::progress::Meter;
use crate::region::FileRegion;
use crate::spool;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A blob that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its SHA-256.
    pub digest: Digest,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// The file that blobs are written into, as errors tell of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Called<'a> {
    /// By its name.
    Path(&'a Path),
    /// By the work directory that it is in without a name, before it goes to standard output.
    In(&'a Path),
}

impl<'a> Called<'a> {
    /// Where its room is.
    pub(super) fn path(self) -> &'a Path {
        let (Self::Path(path) | Self::In(path)) = self;
        path
    }

    /// Why it could not be written.
    pub(super) fn unwritable(self, error: io::Error) -> Error {
        match self {
            Self::Path(path) => Error::path("write", path, error),
            Self::In(work_dir) => spool::failed(work_dir, "the image", error),
        }
    }
}

/// What takes a blob's bytes.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    file: &'a File,
    called: Called<'a>,
    start_bytes: u64,
    size_bytes: u64,
    hasher: DigestHasher,
}

impl<'a> Sink<'a> {
    /// One at a place of a file.
    pub(super) fn at(file: &'a File, start_bytes: u64, called: Called<'a>) -> Self {
        Self {
            file,
            called,
            start_bytes,
            size_bytes: 0,
            hasher: DigestHasher::sha256(),
        }
    }

    /// Where the file's room is.
    pub(super) fn path(&self) -> &Path {
        self.called.path()
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let at = self.start_bytes + self.size_bytes;
        self.file.write_all_at(bytes, at)?;
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        Ok(())
    }

    /// The same with the file in the error.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.put(bytes).map_err(|error| self.failed(error))
    }

    /// Why it could not be written.
    pub(super) fn failed(&self, error: io::Error) -> Error {
        self.called.unwritable(error)
    }

    /// What was written.
    pub(super) fn finish(self) -> Blob {
        Blob {
            digest: self.hasher.finish(),
            size_bytes: self.size_bytes,
        }
    }
}

/// Copies stored bytes.
pub(super) fn copy(region: &FileRegion, sink: &mut Sink<'_>, meter: &dyn Meter) -> Result<()> {
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    region.for_each_piece(&mut buffer, |_, piece| {
        let piece = piece.map_err(unreadable)?;
        sink.write(piece)?;
        meter.add(piece.len() as u64);
        Ok(())
    })
}

/// The SHA-256 of stored bytes.
pub(super) fn hash(region: &FileRegion) -> Result<Digest> {
    let mut hasher = DigestHasher::sha256();
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    region.for_each_piece(&mut buffer, |_, piece| {
        hasher.update(piece.map_err(unreadable)?);
        Ok::<_, Error>(())
    })?;
    Ok(hasher.finish())
}

/// Whether a digest is of the kind that blobs are named by here.
pub(super) fn is_sha256(digest: &Digest) -> bool {
    *digest.algorithm() == DigestAlgorithm::Sha256
}

fn unreadable(error: io::Error) -> Error {
    Error::io("cannot read a layer's stored bytes", error)
}
