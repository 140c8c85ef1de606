//! Images of real daemons, and of some that are not what they should be.
#![cfg(feature = "network")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod docker;
mod fake;
mod hint;
mod podman;

use std::fs;
use std::path::Path;

use support::archive::TestImage;
use support::run::{Ended, Press};
use support::session::layers;

/// What the daemons are given: two layers with something of everything.
fn image() -> TestImage {
    TestImage::new(layers())
}

/// Runs a build of a daemon's image.
fn build(press: &Press, host: &str, name: &str) -> Ended {
    let mut command = press.command("build");
    command
        .arg(format!("docker-daemon:{name}"))
        .env("DOCKER_HOST", host);
    press.add_directories(&mut command);
    press.run(&mut command)
}

/// The filesystem that becomes of an image in a file or directory.
fn built_of(press: &Press, reference: &str) -> Vec<u8> {
    let mut command = press.command("build");
    command.arg(reference);
    press.add_directories(&mut command);
    press.run(&mut command).succeeded();
    take_output(press)
}

/// The output, which is removed.
fn take_output(press: &Press) -> Vec<u8> {
    assert_eq!(press.left(), ["out/fs.img"]);
    let bytes = fs::read(press.output()).unwrap();
    fs::remove_file(press.output()).unwrap();
    bytes
}

fn address(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}
