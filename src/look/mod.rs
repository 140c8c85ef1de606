//! What is looked into, whatever it is: a filesystem image through its [`View`](crate::view::View), or the tree that a
//! container image shows.
//!
//! ```text
//! inside (names, attributes, contents) → lookup, walk → pattern
//! ```
//!
//! Who asks sees no difference but this: a filesystem has inodes, an image has layers.

mod content;
mod image;
mod inside;
mod lookup;
mod node;
mod pattern;
mod walk;

pub use content::ContentReader;
pub use image::ImageTree;
pub use inside::Inside;
pub use lookup::Lookups;
pub use node::{Found, Node};
pub use pattern::{Expansion, expand, is_pattern};
pub use walk::{Step, Walk};
