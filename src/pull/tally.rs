//! Where a file's bytes came from.

use std::sync::atomic::{AtomicU64, Ordering};

/// A part of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullShare {
    /// Segments.
    pub segments: u64,
    /// Their bytes in the file.
    pub bytes: u64,
}

/// Where all of a file came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullTally {
    /// The earlier image.
    pub earlier: PullShare,
    /// The cache; of one blob that is several segments all but the first, too.
    pub cache: PullShare,
    /// The registry.
    pub registry: PullShare,
    /// Bytes that came from the registry, those that came in vain among them.
    pub downloaded_bytes: u64,
    /// Bytes that no segment tells of.
    pub zero_bytes: u64,
}

/// A share that several threads add to.
#[derive(Debug, Default)]
pub(super) struct Counter {
    segments: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    pub(super) fn add(&self, bytes: u64) {
        self.segments.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn share(&self) -> PullShare {
        PullShare {
            segments: self.segments.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
