//! Images made to harm, given to the program itself: each ends soon, within little memory, with one
//! line that says what is wrong, and with nothing left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod blobs;
mod disk_full;
mod exhaustion;
mod filesystem_limits;
mod mutations;
mod tars;

use support::run::{Ended, Press};

/// Enough for any image here; virtual, so it counts what threads set aside as well.
const MEMORY_BYTES: u64 = 1 << 30;

/// Builds the image of a press, within the memory.
fn build(press: &Press, options: &[&str]) -> Ended {
    let mut command = press.command_within(MEMORY_BYTES, "build");
    command.arg(press.image());
    press.add_directories(&mut command);
    command.args(["--progress", "none"]).args(options);
    press.run(&mut command)
}

/// Expects an image to be refused: one line with all of `words`, nothing left.
#[track_caller]
fn refused(press: &Press, options: &[&str], code: i32, words: &[&str]) {
    let ended = build(press, options);
    ended.failed(code, words);
    let left = press.left();
    assert!(left.is_empty(), "{left:?}");
}

/// The same for an image of one layer.
#[track_caller]
fn refused_layer(layer: Vec<u8>, code: i32, words: &[&str]) {
    refused(&Press::with_layers([layer]), &[], code, words);
}

/// Expects an image to be built, and read back as it was meant.
#[track_caller]
fn built(press: &Press, options: &[&str]) -> Ended {
    let options = [&["--verify"], options].concat();
    let ended = build(press, &options);
    ended.succeeded();
    assert_eq!(press.left(), ["out/fs.img"]);
    ended
}
