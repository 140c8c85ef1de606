//! Where populating puts what, and that every kind of ext takes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod kinds;
mod one_hash;
mod places;
mod updates;
