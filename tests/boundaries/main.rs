//! The boundary table: on both sides of every limit of ext3 and of its structures, judged by
//! e2fsck, debugfs, ext4-view and the kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attributes;
mod directories;
mod extents;
mod files;
mod links;
mod lost_found;
mod names;
#[path = "../support/mod.rs"]
mod support;
mod times;
mod xattrs;

use layerpress::Error;
use support::press::{Wanted, plan, tree_of};
use support::rootfs::Rootfs;

/// Asserts that no filesystem can be planned for these items, and that the error has all of these
/// words in it.
fn assert_refused(rootfs: &Rootfs, words: &[&str]) {
    let planned = tree_of(rootfs).and_then(|(tree, _)| plan(&tree, Wanted::default()));
    let error = planned.expect_err("it is beyond ext3");
    let text = error.to_string();
    let by_the_image = matches!(error, Error::Unsupported { .. } | Error::BadImage { .. });
    assert!(by_the_image, "{text}");
    for word in words {
        assert!(text.contains(word), "expected {word:?} in: {text}");
    }
}
