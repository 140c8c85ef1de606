//! An empty filesystem by mke2fs and tune2fs, held against the plan.

mod mkfs;
mod tools;

pub use mkfs::{EmptyFilesystem, format};
pub use tools::{ToolPaths, Tools};
