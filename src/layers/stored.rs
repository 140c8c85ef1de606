//! A compressed layer's stored bytes: read once, counted, and stopped when nobody waits any more.

use std::io;
use std::sync::Arc;

use super::layer_progress::LayerProgress;
use crate::compression::StoredBytes;
use crate::error::{Error, Result};
use crate::source::OpenBlob;

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
