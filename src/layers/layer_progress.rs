//! A layer's line of progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::progress::Meter;
use crate::source::StoredBlob;

/// Done when the layer has been read and the last of its checks is.
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

    /// The layer has been read, or one of its checks is done.
    pub(super) fn one_less(&self) {
        if self.unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.meter.finish(self.stored.outcome());
        }
    }
}
