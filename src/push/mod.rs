//! A filesystem image on its way into a registry: its segments first, and what names it last.
//!
//! ```text
//! build        the manifest of the file's build
//! tally        what was there and what was not
//! segments     the file, read once, cut, compressed and sent
//! turns        one push of this host after another
//! place        what a tag means now
//! index        indexes that others write, too: read, changed, written, and looked at again
//! referrers    the tag by which an image's referrers are found where the registry lists none
//! ```

mod build;
mod index;
mod place;
mod referrers;
mod segments;
mod tally;
mod turns;

pub(crate) use crate::registry::Pushing;
pub(crate) use build::Build;
pub(crate) use place::{at_tag, check_place, put_alone, put_into_index};
pub(crate) use referrers::{Listed, list};
pub(crate) use segments::{Asked, Segments, send, send_blob};
pub use tally::{PushShare, PushTally};
pub(crate) use turns::Tags;
