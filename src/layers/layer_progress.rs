//! A layer's line of progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::progress::Meter;

/// Done when the layer has been read and the last of its checks is.
pub(super) struct LayerProgress {
    meter: Box<dyn Meter>,
    unfinished: AtomicUsize,
}

impl LayerProgress {
    /// Progress of a layer with so many checks, which is still to be read.
    pub(super) fn new(meter: Box<dyn Meter>, checks: usize) -> Arc<Self> {
        Arc::new(Self {
            meter,
            unfinished: AtomicUsize::new(checks + 1),
        })
    }

    pub(super) fn meter(&self) -> &dyn Meter {
        &*self.meter
    }

    /// The layer has been read, or one of its checks is done.
    pub(super) fn one_less(&self) {
        if self.unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.meter.finish("verified");
        }
    }
}
