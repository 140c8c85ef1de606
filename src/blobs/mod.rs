//! Stored bytes of layers: at hand, or on their way from a registry.

mod arrival;

pub use arrival::{Arrival, OpenBlob};

use std::fmt::Debug;
use std::sync::Arc;

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
        match self {
            Self::AtHand(region) => Ok(OpenBlob::at_hand(region.clone())),
            Self::Arriving(arrival) => arrival.attempt(stop),
        }
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
