//! What a filesystem image says of itself, without reading what is in it.

mod filesystem;

pub use filesystem::{Filesystem, Journal, is_filesystem};
