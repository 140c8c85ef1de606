//! A layer's stored bytes, at hand or on their way.

use std::io::{self, Read};
use std::sync::Arc;

use super::arrival::{Arrival, ArrivalReader};
use crate::region::{FileRegion, RegionReader};

/// Stored bytes to be read from start to end.
#[derive(Debug, Clone)]
pub enum StoredBlob {
    /// In a file, whole. Nobody has held them against their digest yet.
    Region(FileRegion),
    /// Arriving from a registry or its cache, where they are held against their digest on the way.
    Arriving(Arc<Arrival>),
}

impl StoredBlob {
    /// How long they are, or are to be.
    pub fn length_bytes(&self) -> u64 {
        match self {
            Self::Region(region) => region.length_bytes,
            Self::Arriving(arrival) => arrival.length_bytes(),
        }
    }

    /// Whether they are at hand without any waiting.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Region(_))
    }

    /// Which attempt to get them this is: when it grew, what was read before was wrong.
    pub fn attempt(&self) -> usize {
        match self {
            Self::Region(_) => 0,
            Self::Arriving(arrival) => arrival.attempt(),
        }
    }

    /// Reads them from the start.
    pub fn reader(&self) -> StoredBlobReader {
        match self {
            Self::Region(region) => StoredBlobReader::Region(region.reader()),
            Self::Arriving(arrival) => StoredBlobReader::Arriving(arrival.reader()),
        }
    }

    /// All of them with random access; `None` while they are still arriving.
    pub fn region(&self) -> Option<FileRegion> {
        match self {
            Self::Region(region) => Some(region.clone()),
            Self::Arriving(arrival) => arrival.region(),
        }
    }
}

/// Reads a [`StoredBlob`]; unbuffered.
#[derive(Debug)]
pub enum StoredBlobReader {
    /// What is at hand.
    Region(RegionReader),
    /// What arrives. It gives `Interrupted` when nothing came for a moment, and its failures are
    /// [`crate::Error`]s within.
    Arriving(ArrivalReader),
}

impl Read for StoredBlobReader {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Region(reader) => reader.read(target),
            Self::Arriving(reader) => reader.read(target),
        }
    }
}
