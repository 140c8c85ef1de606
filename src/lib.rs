//! layerpress presses a container image's layers into one mountable ext filesystem image.
//!
//! ```text
//!             ┌ vocabulary: error · units · progress · warnings · limits · region · leftovers · command · oci · ondisk ┐
//! source → layers → tree → plan → mkfs → populate → finish
//! ```

pub mod command;
pub mod error;
pub mod leftovers;
pub mod limits;
pub mod listing;
pub mod oci;
pub mod progress;
pub mod region;
pub mod units;
pub mod warnings;

pub mod source;

pub mod layers;

pub mod tree;

pub mod readback;

pub use error::{Error, Result};
