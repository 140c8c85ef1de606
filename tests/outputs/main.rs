//! What a build writes: how its files are called, in which forms they are, and that they are there all
//! together or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checksums;
mod compressed;
mod documents;
mod names;
mod no_clobber;
mod stream;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::PathBuf;

use support::archive::layer_tar;
use support::run::{Ended, Press};

/// An image of two layers with some files in them.
fn press() -> Press {
    let text = b"some text\n".repeat(1000);
    Press::with_layers([
        layer_tar(&[("etc/passwd", b"root:x:0:0::/:/bin/sh\n"), ("text", &text)]),
        layer_tar(&[("etc/group", b"root:x:0:\n"), ("text", b"other")]),
    ])
}

/// Builds the image of a press to the usual output.
fn build(press: &Press, options: &[&str]) -> Ended {
    let mut command = press.build();
    command.args(options);
    press.run(&mut command)
}

/// Builds the image of a press to an output of this name.
fn build_to(press: &Press, name: &str, options: &[&str]) -> Ended {
    let mut command = press.command("build");
    command.arg(press.image()).args(options);
    command.arg("-o").arg(out(press, name));
    press.run(&mut command)
}

fn out(press: &Press, name: &str) -> PathBuf {
    press.root().join("out").join(name)
}

fn read(press: &Press, name: &str) -> Vec<u8> {
    fs::read(out(press, name)).unwrap()
}
