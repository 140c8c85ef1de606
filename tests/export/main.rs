//! A filesystem becomes a layer, and whoever applies that layer gets the filesystem's tree back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod changed;
mod costs;
mod derived;
mod engines;
mod foreign;
mod law;
mod refused;
mod rig;
