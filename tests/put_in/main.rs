//! What is put in behind an image's layers, from the host's disk and from options alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod edits;
mod effect;
mod host;
mod outputs;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod tars;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use support::oracles::{debugfs, e2fsck_clean};
use support::rootfs::{Rootfs, directory, file, link, symlink};
use support::run::{Ended, Press};
use support::tarball::tar_bytes;

/// 2024-05-01T10:20:30Z, when the test's image was made.
const MADE: i64 = 1_714_558_830;

/// An image with a link to a directory, hard links, a link that leads nowhere, and directories that
/// are not as usual.
fn press() -> Press {
    Press::with_layers([tar_bytes(&Rootfs::of([
        directory("").mtime(5, 0),
        directory("usr").mtime(5, 0),
        directory("usr/lib").mode(0o711).owner(3, 4).mtime(5, 0),
        file("usr/lib/a.so", *b"library"),
        symlink("lib", "usr/lib"),
        directory("etc").mtime(5, 0),
        file("etc/hosts", *b"old").mode(0o600),
        link("etc/hosts2", "etc/hosts"),
        symlink("etc/resolv.conf", "../run/resolv.conf"),
        directory("etc/d").mtime(5, 0),
        file("etc/d/inner", *b"inner"),
        file("etc/f", *b"file"),
        directory("tmp").mode(0o1777).mtime(5, 0),
        file("run", *b"no directory"),
    ]))])
}

/// Makes files by path and text below a directory; a text that begins with `->` is a link's target.
fn lay(root: &Path, files: &[(&[u8], &str)]) -> PathBuf {
    for (path, text) in files {
        let path = root.join(OsStr::from_bytes(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("->") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    root.to_owned()
}

/// Builds with these options; standard error without progress.
fn build<S: AsRef<OsStr>>(press: &Press, options: &[S]) -> Ended {
    press.run(press.build().arg("--verify").args(options))
}

/// The image built, and checked by e2fsck.
#[track_caller]
fn built<S: AsRef<OsStr>>(press: &Press, options: &[S]) -> (PathBuf, Ended) {
    let ended = build(press, options);
    ended.succeeded();
    e2fsck_clean(&press.output());
    (press.output(), ended)
}

/// The same, its bytes.
#[track_caller]
fn bytes<S: AsRef<OsStr>>(press: &Press, options: &[S]) -> Vec<u8> {
    fs::read(built(press, options).0).unwrap()
}

/// What debugfs tells of an inode.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    kind: String,
    mode: u32,
    owner: (u32, u32),
    links: u32,
    mtime: i64,
    /// A file's text or a link's target.
    text: String,
}

#[track_caller]
fn shown(image: &Path, path: &str) -> Shown {
    let stat = debugfs(image, &[&format!("stat \"{path}\"")]);
    let after = |label: &str| {
        let found = stat.split(label).nth(1);
        let found = found.unwrap_or_else(|| panic!("{path}: no {label} in {stat}"));
        found.split_whitespace().next().unwrap().to_owned()
    };
    let kind = after("Type:");
    let text = match &*kind {
        "regular" => {
            let cat = debugfs(image, &[&format!("cat \"{path}\"")]);
            // The command is echoed before it.
            cat.split_once('\n').map_or("", |(_, text)| text).to_owned()
        }
        "symlink" => {
            let target = stat.split("Fast link dest: \"").nth(1).unwrap();
            target.split('"').next().unwrap().to_owned()
        }
        _ => String::new(),
    };
    let mtime = after("mtime: 0x");
    let mtime = mtime.split(':').next().unwrap();
    Shown {
        mode: u32::from_str_radix(&after("Mode:"), 8).unwrap(),
        owner: (
            after("User:").parse().unwrap(),
            after("Group:").parse().unwrap(),
        ),
        links: after("Links:").parse().unwrap(),
        mtime: i64::from_str_radix(mtime, 16).unwrap(),
        kind,
        text,
    }
}

/// A file as it is put in: root's, of the image's time, with one name.
fn put_in(mode: u32, text: &str) -> Shown {
    Shown {
        kind: "regular".to_owned(),
        mode,
        owner: (0, 0),
        links: 1,
        mtime: MADE,
        text: text.to_owned(),
    }
}

#[track_caller]
fn is_absent(image: &Path, path: &str) -> bool {
    let above = Path::new(path).parent().unwrap().to_str().unwrap();
    let name = Path::new(path).file_name().unwrap().to_str().unwrap();
    let names = debugfs(image, &[&format!("ls -p {above}")]);
    !names.contains(&format!("/{name}/"))
}
