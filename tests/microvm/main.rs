//! A microVM's root: pressed with mount points, the image's start configuration and the example's
//! first program, which starts what the configuration says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod boots;
mod init;

use std::fs;
use std::path::{Path, PathBuf};

use support::oracles;

/// The example's first program, linked statically; `None`, after saying so, without a compiler.
#[track_caller]
fn first_program(directory: &Path) -> Option<PathBuf> {
    oracles::program("cc")?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/recipes/init.c");
    let made = directory.join("init");
    let mut words: Vec<_> = ["-static", "-Os", "-Wall", "-Wextra", "-Werror", "-o"]
        .map(Path::new)
        .to_vec();
    words.extend([&*made, &source]);
    oracles::succeed("cc", words);
    Some(made)
}

/// Programs of busybox that scripts call, as links to it.
fn install_busybox(directory: &Path, names: &[&str]) -> Option<()> {
    let busybox = oracles::program("busybox")?;
    fs::create_dir_all(directory).unwrap();
    fs::copy(busybox, directory.join("busybox")).unwrap();
    for name in names {
        std::os::unix::fs::symlink("busybox", directory.join(name)).unwrap();
    }
    Some(())
}
