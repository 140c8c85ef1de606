//! A filesystem written back as a container image: layouts and archives, what is taken over of a base,
//! what engines make of them, and what a kill leaves.
#![cfg(feature = "network")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod archives;
mod bases;
mod configs;
mod engines;
mod killed;
mod layouts;
mod refused;
#[path = "../schemas/registry.rs"]
mod registry;
mod rig;
