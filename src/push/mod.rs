//! A filesystem image on its way into a registry: its segments first, and what names it last.
//!
//! ```text
//! tally        what was there and what was not
//! segments     the file, read once, cut, compressed and sent
//! place        what a tag means now
//! index        indexes that others write, too: read, changed, written, and looked at again
//! referrers    the tag by which an image's referrers are found where the registry lists none
//! ```

mod index;
mod place;
mod referrers;
mod segments;
mod tally;

pub(crate) use crate::registry::Pushing;
pub(crate) use place::{AtTag, at_tag, check_place, put_into_index};
pub(crate) use referrers::{Listed, list};
pub(crate) use segments::{Asked, Segments, send, send_blob};
pub use tally::{PushShare, PushTally};
