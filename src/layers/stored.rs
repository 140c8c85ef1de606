//! A layer's stored bytes: read once, counted, and stopped when nobody waits any more.

use std::io;
use std::sync::Arc;

use super::ReadOptions;
use super::layer_progress::LayerProgress;
use crate::compression::StoredBytes;
use crate::error::{Error, Result};
use crate::ownership;
use crate::source::{OpenBlob, StoredBlob};
use crate::spool;

/// Reads a blob to its end, as fast as it is there.
pub(super) struct StoredReader<'a> {
    blob: &'a OpenBlob,
    progress: Arc<LayerProgress>,
    stop: &'a (dyn Fn() -> bool + Sync),
    position: u64,
}

impl<'a> StoredReader<'a> {
    pub(super) fn new(
        blob: &'a OpenBlob,
        progress: Arc<LayerProgress>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            blob,
            progress,
            stop,
            position: 0,
        }
    }
}

impl StoredBytes for StoredReader<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if (self.stop)() {
            return Err(stopped());
        }
        let region = self.blob.region();
        if self.position == region.length_bytes {
            return Ok(0);
        }
        let available = self.blob.wait_for(self.position + 1, self.stop)? - self.position;
        let want = usize::try_from(available).map_or(buffer.len(), |most| most.min(buffer.len()));
        region
            .read_exact_at(&mut buffer[..want], self.position)
            .map_err(read_failed)?;
        self.progress.add(want as u64);
        self.position += want as u64;
        Ok(want)
    }
}

/// What nobody sees: a layer below has the error that is reported.
pub(super) fn stopped() -> Error {
    Error::Cancelled
}

pub(super) fn read_failed(error: io::Error) -> Error {
    Error::io("cannot read the layer's stored bytes", error)
}

/// A copy in the work directory of an uncompressed layer; `None` where nobody else may write it.
///
/// It is hashed by one reading and copied into the filesystem by another. What is changed in between
/// would get in unverified, so that both read a copy that nobody else can reach. A compressed layer
/// needs none: its tar is in a spool, and hashed from there.
///
/// # Errors
/// [`Error::Io`] where it cannot be read or written, [`Error::BadImage`] where no layer may be so long.
pub(super) fn own_copy(
    stored: &OpenBlob,
    options: &ReadOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Option<OpenBlob>> {
    let region = stored.region();
    if ownership::others_of(&region.file)
        .map_err(read_failed)?
        .is_none()
    {
        return Ok(None);
    }
    let most = options.limits.max_layer_bytes;
    if region.length_bytes > most {
        return Err(Error::bad_image(format!(
            "expected at most {most} uncompressed bytes in a layer, found {} (--max-layer-bytes raises the limit)",
            region.length_bytes
        )));
    }
    let copy = spool::copy(region, &options.work_dir, "a layer", |_| match stop() {
        true => Err(stopped()),
        false => Ok(()),
    })?;
    StoredBlob::AtHand(copy).open(stop).map(Some)
}
