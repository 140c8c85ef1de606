//! What is typed and what is meant by it: the groups of arguments that commands share.

pub mod cache;
pub mod comparison;
mod environment;
pub mod exit_codes;
pub mod filesystem;
pub mod image;
pub mod output;
pub mod registry;
