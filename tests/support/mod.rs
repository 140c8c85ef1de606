//! What several tests share.

pub mod directory_tree;
pub mod oracles;
pub mod sample;
