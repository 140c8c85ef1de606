//! The tar format: from bytes to entries, for layers and archives alike, and from entries to bytes.
//!
//! ```text
//! blocks (in_place) → header · pax · sparse · xattrs (number · acl) → member → reader
//! write stands alone
//! ```

#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod acl;
mod blocks;
mod entry;
mod header;
mod in_place;
mod member;
mod number;
mod pax;
mod reader;
mod sparse;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod write;
mod xattrs;

pub use blocks::{BUFFER_BYTES, TarBytes};
pub use entry::{Device, Entry, EntryKind, Xattr};
pub use header::is_header;
pub use in_place::{InPlace, Passage};
pub use reader::Reader;
pub use xattrs::set_permissions;
