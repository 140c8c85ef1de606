//! A layer's stored bytes: read once, counted, and stopped when nobody waits any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ReadOptions;
use crate::compression::StoredBytes;
use crate::error::{Error, Result};
use crate::ownership;
use crate::progress::Meter;
use crate::source::{OpenBlob, StoredBlob};
use crate::spool;

/// A layer's line of progress: done when the layer has been read and the last of its checks is.
pub(super) struct LayerProgress {
    meter: Arc<dyn Meter>,
    stored: StoredBlob,
    unfinished: AtomicUsize,
}

impl LayerProgress {
    /// Progress of a layer with so many checks, which is still to be read.
    pub(super) fn new(meter: &Arc<dyn Meter>, stored: &StoredBlob, checks: usize) -> Arc<Self> {
        Arc::new(Self {
            meter: Arc::clone(meter),
            stored: stored.clone(),
            unfinished: AtomicUsize::new(checks + 1),
        })
    }

    /// So many bytes more are done; who brings bytes here counts them himself.
    pub(super) fn add(&self, bytes: u64) {
        if self.stored.at_hand().is_some() {
            self.meter.add(bytes);
        }
    }

    /// The layer has been read.
    pub(super) fn is_read(&self) {
        if self.unfinished.load(Ordering::Acquire) > 1 {
            self.meter.status("verifying");
        }
        self.one_less();
    }

    /// The layer has been read, or one of its checks is done.
    pub(super) fn one_less(&self) {
        if self.unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.meter.finish(self.stored.outcome());
        }
    }
}

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
            return Err(Error::Cancelled);
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
        true => Err(Error::Cancelled),
        false => Ok(()),
    })?;
    StoredBlob::AtHand(copy).open(stop).map(Some)
}
