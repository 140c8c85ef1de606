//! `--like OLD`: whatever OLD is, what comes is the right image or one error; what became of the wish
//! is told; and the same image with the same OLD gives the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod batches;
mod hostile;
mod interrupted;
mod recipes;
mod sources;
mod told;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use layerpress::oci::DigestHasher;
use serde_json::Value;
use support::archive::TestImage;
use support::rootfs::{Rootfs, bytes, directory, file, link, symlink};
use support::run::{Ended, Press};
use support::tarball::tar_bytes;

/// A version of an image: of each further one a file is longer, one is new and one is gone.
fn layer(version: usize) -> Vec<u8> {
    let base = [
        directory("etc"),
        file("etc/version", format!("{version}\n")),
        directory("lib"),
        file("lib/grows", bytes(40_000 + 30_000 * version)),
        file("lib/large", bytes(600_000)).xattr("user.large", bytes(900)),
        link("lib/linked", "lib/large"),
        symlink("lib/target", "t".repeat(100)),
        file(format!("lib/new {version}"), bytes(50_000)),
        directory("many"),
    ];
    let many = (0..120).map(|index| {
        let name = format!("many/a file with a long name, so that there are blocks {index}");
        file(name, bytes(3000 + 40 * index))
    });
    tar_bytes(&Rootfs::of(base.into_iter().chain(many)))
}

fn image(version: usize) -> TestImage {
    TestImage::new([layer(version)])
}

/// `in/1.tar` and `in/2.tar`, two versions; and `in/old.img`, made of the first with these options.
struct Versions {
    press: Press,
}

impl Versions {
    fn new(options: &[&str]) -> Self {
        let press = Press::new();
        for version in [1, 2] {
            let archive = image(version).classic_archive(&["name:tag"]);
            archive.write_tar(&press.input(&format!("{version}.tar")));
        }
        let versions = Self { press };
        versions.made(1, &versions.old(), options);
        versions
    }

    fn old(&self) -> PathBuf {
        self.press.input("old.img")
    }

    /// `build` of a version to an output.
    fn build(&self, version: usize, output: &Path, options: &[impl AsRef<OsStr>]) -> Ended {
        let mut build = self.press.command("build");
        build.arg(self.press.input(&format!("{version}.tar")));
        build.arg("-o").arg(output).arg("--work-dir");
        build.arg(self.press.root().join("work"));
        self.press.run(build.arg("--progress=none").args(options))
    }

    /// The same, and what came of it in JSON.
    #[track_caller]
    fn made(&self, version: usize, output: &Path, options: &[impl AsRef<OsStr>]) -> Value {
        let mut all = vec![OsStr::new("--json")];
        all.extend(options.iter().map(AsRef::as_ref));
        let ended = self.build(version, output, &all);
        serde_json::from_str(ended.succeeded()).unwrap()
    }

    /// The same of the second version, like the first.
    #[track_caller]
    fn made_like(&self, options: &[&str]) -> Value {
        let old = self.old();
        let mut all = vec![OsStr::new("--like"), old.as_os_str()];
        all.extend(options.iter().map(OsStr::new));
        self.made(2, &self.press.output(), &all)
    }

    /// Expects one error and nothing left.
    #[track_caller]
    fn refused(&self, options: &[&str], code: i32, words: &[&str]) {
        let old = self.old();
        let mut all = vec![OsStr::new("--like"), old.as_os_str()];
        all.extend(options.iter().map(OsStr::new));
        self.build(2, &self.press.output(), &all)
            .failed(code, words);
        assert!(self.press.left().is_empty(), "{:?}", self.press.left());
    }
}

fn sha256(path: &Path) -> String {
    let mut hasher = DigestHasher::sha256();
    hasher.update(&fs::read(path).unwrap());
    hasher.finish().digest().to_owned()
}
