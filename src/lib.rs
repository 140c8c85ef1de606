//! layerpress presses a container image's layers into one mountable ext filesystem image.
//!
//! ```text
//!     ┌ vocabulary: error · units · progress · warnings · limits · region · partial_file ┐
//!     │   leftovers · command · oci · ondisk · listing · pax · page_buffer · host_space  │
//!     │   ownership · file_kind                                                          │
//! source → layers → tree → plan → mkfs → populate → finish (with readback)
//!     └─────────────── pipeline (knows all steps) ───────────────┘   mount (stands alone)
//!                                                         cli (knows pipeline, mount)
//!
//!     beside the flow: inspect (what a filesystem says of itself) · compare (two listings)
//!                      cache (fetched blobs, by their digests; source asks it first)
//!                      view (reads any ext filesystem) → extract (takes a tree out of one)
//! ```
//!
//! [`pipeline::build`] is the whole job, a line for each step; each step takes what the steps
//! before it made, as types of their own, so that none can be skipped. Which room may use which
//! is held by `tests/architecture`.
//!
//! Layers are indexed first and verified beside everything that follows: [`layers::Verifying`] goes
//! along with what was read, and `finish` gives the output its name only after it. They are read once
//! for as many filesystems as are made of them: [`pipeline::Reading`].

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod command;
pub mod error;
pub mod file_kind;
pub mod host_space;
pub mod leftovers;
pub mod limits;
pub mod listing;
pub mod oci;
pub mod ondisk;
pub mod ownership;
pub mod page_buffer;
pub mod partial_file;
pub mod pax;
pub mod progress;
pub mod region;
pub mod units;
pub mod warnings;

pub mod compare;
pub mod inspect;

pub mod cache;

pub mod source;

pub mod layers;

pub mod tree;

pub mod plan;

pub mod mkfs;

pub mod populate;

pub mod readback;

pub mod finish;

pub mod mount;

pub mod pipeline;

pub mod view;

pub mod extract;

pub mod cli;

pub use error::{Error, Result};
