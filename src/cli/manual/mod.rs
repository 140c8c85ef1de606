//! What a manual tells of a command besides its options: kept once, and told by `--help`, by the
//! manual pages and by the reference that is made of the parser.
//!
//! `examples` is where a command's examples stand, [`help`] where they become a part of the parser.

mod brief;
mod environment;
mod examples;
pub mod help;
mod rest;

pub use environment::{Known, environment, files};
pub use examples::{Example, examples};
pub use rest::{exit_status, see_also};
