//! The commands, a file for each.

pub mod build;
pub mod cache;
pub mod cat;
pub mod completions;
pub mod diff;
pub mod export;
pub mod extract;
pub mod inspect;
pub mod layers;
pub mod ls;
pub mod man;
pub mod mount;
pub mod packages;
pub mod plan;
pub mod pull;
pub mod push;
pub mod stat;
pub mod tags;
pub mod umount;
pub mod verify;
