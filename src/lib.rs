//! layerpress presses a container image's layers into one mountable ext filesystem image.
//!
//! [`build()`] is the whole job. It needs no root, daemon or loop device, only mke2fs, tune2fs and
//! e2fsck (of e2fsprogs, 1.46 or newer):
//!
//! ```
#![doc = include_str!("../examples/build.rs")]
//! ```
//!
//! # To begin with
//!
//! - A [`Reference`] names an image as skopeo does (`docker-archive:`, `oci:`, `docker://`,
//!   `rootfs:`, …) or is a path. An [`ImageRequest`] says how it is read, a [`FilesystemRequest`]
//!   what is made of it, an [`OutputRequest`] where and how well proven.
//! - [`plan()`] gives every number of the filesystem and writes nothing; [`listing()`],
//!   [`compare()`], [`inspect()`] and [`verify()`] look at images and at filesystems alike.
//! - [`open()`] gives a [`View`] of any ext2, ext3 or ext4 filesystem, [`extract()`] takes a tree
//!   out of one, [`export()`] makes a container image of one again.
//! - An [`Error`] is of the kind of who must act, and one line. A [`Reporter`] is told how far
//!   things are, of what was noticed, and of warnings; [`Silent`] is one that does not care.
//! - What else a request has in it is in [`pipeline`].
//!
//! Everything is done when a function returns; those that read images start threads meanwhile.
//! Nothing is printed, and neither environment nor clock is read: time, search path and credentials
//! are options. Names that are not shown here are no promise and may change with any version.
//!
//! Feature `network` (on by default) is needed for registries and daemons, `cli` (on by default) for
//! the program alone: a library user wants `default-features = false`.
//!
//! # The house
//!
//! ```text
//!     ┌ vocabulary: error · units · progress · warnings · limits · region · partial_file ┐
//!     │   leftovers · command · oci · ondisk · listing · page_buffer · host_space        │
//!     │   ownership · file_kind · pinned · spool · compression · tar · verity · edits    │
//!     │   toml_text                                                                      │
//!     │ fetching: blobs · cache · network · registry · daemon                            │
//! source → layers → put_in → tree → filesystem: ext {profile · plan · format · populate · seal · check} → finish
//!     └───────────── pipeline (knows all steps) ─────────────┘   mount (stands alone)
//!                           recipe_file (what a file asks of it)
//!                                            cli (knows pipeline, recipe_file, mount)
//!
//!     beside the flow: inspect (what a filesystem says of itself) · compare (two listings)
//!                      blocks (two files, what differs at its place)
//!                      view (reads any ext filesystem) → look (into one, or into an image)
//!                      → extract (takes a tree out of it)
//!                      export (a filesystem as a layer upon another image) · image_writer (whole images)
//!                      manifest (what is told of a build) · packages (what is installed in it)
//!                      artifact (a filesystem image in a registry: its form) · push (its way there)
//!                      · pull (its way back)
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

#[doc(hidden)]
pub mod artifact;
#[doc(hidden)]
pub mod command;
#[doc(hidden)]
pub mod compression;
pub mod edits;
#[doc(hidden)]
pub mod error;
mod file_kind;
mod host_space;
#[doc(hidden)]
pub mod leftovers;
#[doc(hidden)]
pub mod limits;
#[doc(hidden)]
pub mod listing;
#[doc(hidden)]
pub mod oci;
#[doc(hidden)]
pub mod ondisk;
mod ownership;
mod page_buffer;
mod partial_file;
#[doc(hidden)]
pub mod pinned;
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod region;
#[doc(hidden)]
pub mod spool;
#[doc(hidden)]
pub mod tar;
#[doc(hidden)]
pub mod toml_text;
#[doc(hidden)]
pub mod units;
#[doc(hidden)]
pub mod verity;
#[doc(hidden)]
pub mod warnings;

#[doc(hidden)]
pub mod blocks;
#[doc(hidden)]
pub mod compare;
mod inspect;

#[doc(hidden)]
pub mod blobs;
#[doc(hidden)]
pub mod cache;
#[doc(hidden)]
pub mod daemon;
#[cfg(feature = "network")]
mod network;
#[doc(hidden)]
pub mod registry;

mod push;

#[doc(hidden)]
pub mod source;

#[doc(hidden)]
pub mod layers;

#[doc(hidden)]
pub mod put_in;

#[doc(hidden)]
pub mod tree;

#[doc(hidden)]
pub mod ext;
#[doc(hidden)]
pub mod filesystem;

#[doc(hidden)]
pub mod finish;

#[doc(hidden)]
pub mod export;

#[doc(hidden)]
pub mod image_writer;

#[doc(hidden)]
pub mod manifest;

#[doc(hidden)]
pub mod mount;

#[doc(hidden)]
pub mod packages;

#[doc(hidden)]
pub mod pull;

pub mod pipeline;

#[doc(hidden)]
pub mod recipe_file;

#[doc(hidden)]
pub mod view;

#[doc(hidden)]
pub mod look;

#[doc(hidden)]
pub mod extract;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

pub use edits::Edits;
pub use error::{Error, Result};
pub use pipeline::{
    CompareRequest, ExportRequest, ExtractRequest, FilesystemRequest, ImageRequest, ImageTarget,
    OutputRequest, Reference, Subject, Target, VerifyRequest, build, compare, export, extract,
    inspect, is_filesystem, listing, open, plan, verify,
};
pub use progress::{Reporter, Silent};
pub use view::View;
