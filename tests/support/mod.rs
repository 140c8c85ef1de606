//! What several tests share.

pub mod oracles;
