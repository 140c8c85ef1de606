//! Layers: real archives, real compressors, damaged and hostile ones.

#[path = "../support/oracles.rs"]
mod oracles;
mod real_archives;
mod streams;
mod support;
mod told;
