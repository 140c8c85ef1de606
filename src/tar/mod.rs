//! The tar format: from bytes to entries.

mod acl;
mod blocks;
mod encoding;
mod header;
mod index;
mod member;
mod number;
mod pax;
mod sparse;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod xattrs;

pub(super) use blocks::{BUFFER_BYTES, TarBytes, read_to_the_brim};
pub(super) use index::{Index, index};
