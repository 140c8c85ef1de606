//! What names a filesystem is written last, and all that depends on it with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod checksums;
mod made;
mod names;
