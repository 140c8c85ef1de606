//! What is still to be brought here before an image's layers can be read.

use std::fmt::Debug;
use std::sync::Arc;

use crate::progress::{Meter, Reporter};

/// The downloads of an image's layers, which nobody has begun. [`crate::layers::read`] does.
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
