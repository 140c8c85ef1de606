//! Stored bytes of layers: at hand, or on their way from a registry.

mod arrival;

pub use arrival::Arrival;

use std::fmt::Debug;
use std::sync::Arc;

use self::arrival::Attempt;
use crate::error::Result;
use crate::progress::{Meter, Reporter};
use crate::region::FileRegion;

/// Stored bytes that can be read, now or soon.
#[derive(Debug, Clone)]
pub enum StoredBlob {
    /// In a file, whole. Nobody has held them against their digest yet.
    AtHand(FileRegion),
    /// From a registry or its cache, where they are held against their digest on the way.
    Arriving(Arc<Arrival>),
}

impl StoredBlob {
    /// How long they are, or are to be.
    pub fn length_bytes(&self) -> u64 {
        match self {
            Self::AtHand(region) => region.length_bytes,
            Self::Arriving(arrival) => arrival.length_bytes(),
        }
    }

    /// Where they are; `None` for what is not at hand.
    pub fn at_hand(&self) -> Option<&FileRegion> {
        match self {
            Self::AtHand(region) => Some(region),
            Self::Arriving(_) => None,
        }
    }

    /// Begins to read them, once there is anything of them. `stop` says whether it is not worth
    /// waiting any more.
    ///
    /// # Errors
    /// Why they will not come.
    pub fn open(&self, stop: &dyn Fn() -> bool) -> Result<OpenBlob> {
        Ok(OpenBlob(match self {
            Self::AtHand(region) => Source::AtHand(region.clone()),
            Self::Arriving(arrival) => Source::Arriving(arrival.attempt(stop)?),
        }))
    }

    /// How they came, for the line of progress that stays.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::AtHand(_) => "verified",
            Self::Arriving(arrival) if arrival.was_there() => "already there, verified",
            Self::Arriving(_) => "downloaded, verified",
        }
    }
}

/// Stored bytes being read.
#[derive(Debug)]
pub struct OpenBlob(Source);

#[derive(Debug)]
enum Source {
    AtHand(FileRegion),
    Arriving(Attempt),
}

impl OpenBlob {
    /// All bytes; those that have not [arrived](Self::wait_for) must not be read.
    pub fn region(&self) -> &FileRegion {
        match &self.0 {
            Source::AtHand(region) => region,
            Source::Arriving(attempt) => attempt.region(),
        }
    }

    /// Whether the bytes are held against their digest as they come.
    pub fn is_verified_on_the_way(&self) -> bool {
        matches!(self.0, Source::Arriving(_))
    }

    /// Waits until at least so many bytes are there, and says how many are.
    ///
    /// # Errors
    /// Why they will not come.
    pub fn wait_for(&self, bytes: u64, stop: &dyn Fn() -> bool) -> Result<u64> {
        match &self.0 {
            Source::AtHand(region) => Ok(region.length_bytes),
            Source::Arriving(attempt) => attempt.wait_for(bytes, stop),
        }
    }

    /// Waits until it is known whether these bytes are the right ones. If not, what was read of
    /// them is void, and they are to be [opened](StoredBlob::open) again. Bytes at hand are always
    /// taken for the right ones here.
    ///
    /// # Errors
    /// Why there will be no right ones.
    pub fn is_right(&self, stop: &dyn Fn() -> bool) -> Result<bool> {
        match &self.0 {
            Source::AtHand(_) => Ok(true),
            Source::Arriving(attempt) => attempt.is_right(stop),
        }
    }
}

/// The downloads of an image's layers, which nobody has begun. Who reads the layers does.
pub trait Downloads: Debug + Send + Sync {
    /// How many threads should work at it.
    fn threads(&self) -> usize;

    /// Downloads layer after layer, until there is none left, one has failed or it was cancelled;
    /// for several threads at once. `meters` are told how far each layer is, by its index. What
    /// goes wrong is told to who reads the layer.
    fn work(&self, meters: &[Arc<dyn Meter>], reporter: &dyn Reporter);

    /// Makes all threads return soon: nobody reads the layers any more.
    fn cancel(&self);
}
