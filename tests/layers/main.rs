//! Layers: real archives, real compressors, damaged and hostile ones.

mod real_archives;
mod streams;
mod support;
