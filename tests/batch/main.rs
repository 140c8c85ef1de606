//! Many images in one run: what they have in common is read once, one that fails stops no other, what
//! is up to date is left, and nothing half has a name whatever happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod interrupted;
mod list;
mod put_in;
mod recipes;
mod rig;
mod shared;
mod up_to_date;
