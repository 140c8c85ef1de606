//! An empty filesystem by mke2fs and tune2fs, held against the plan.

mod format;
mod tools;

pub use format::{EmptyFilesystem, format};
pub use tools::{ToolPaths, Tools};
