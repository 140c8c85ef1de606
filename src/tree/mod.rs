//! The flattened image: what the filesystem will show.

mod frozen;

pub use frozen::{Attributes, ContentRef, Directory, Node, NodeId, NodeKind, Tree};
