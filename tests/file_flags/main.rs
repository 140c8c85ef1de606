//! The flags that chattr sets: out of tars and directory trees, into the filesystem and out of it
//! again, where `--file-flags` asks for them; else they are counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod extracted;
#[path = "../support/mod.rs"]
mod support;
mod trees;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use layerpress::units::FileFlags;
use serde_json::Value;
use support::oracles::{Mounted, debugfs, debugfs_write, e2fsck_clean, is_root_with, run, succeed};
use support::raw_tar::{Header, RawTar};
use support::rootfs::{Item, Rootfs, What, directory, file, link, symlink as symlink_item};
use support::run::{Ended, Press};
use support::tarball::tar_bytes;

const NOT_KEPT: &str = "file flags are not kept (--file-flags keeps them): ";

const I: FileFlags = FileFlags::IMMUTABLE;
const A: FileFlags = FileFlags::APPEND;
const D: FileFlags = FileFlags::NODUMP;
const NO_ATIME: FileFlags = FileFlags::NOATIME;

/// All that a regular file has on ext.
const OF_FILES: FileFlags = FileFlags::of_inode(0xc0ff);
/// And a directory.
const OF_DIRECTORIES: FileFlags = FileFlags::of_inode(0x3_c0ff);

fn layer(items: impl IntoIterator<Item = Item>) -> Vec<u8> {
    tar_bytes(&Rootfs::of(items))
}

/// Every type of file with the flags that ext keeps there, and two with others.
fn flagged() -> Vec<u8> {
    layer([
        directory("").flags(NO_ATIME),
        directory("etc").flags(OF_DIRECTORIES),
        file("etc/a", *b"a").flags(I.with(D)),
        link("etc/b", "etc/a"),
        file("all", *b"all").flags(OF_FILES),
        file("plain", *b"plain"),
        symlink_item("link", "all").flags(D.with(NO_ATIME)),
        Item::new("fifo", What::Fifo).flags(D),
        Item::new("null", What::Character(1, 3)).flags(NO_ATIME),
        file("odd", *b"odd").flags(FileFlags::DIRSYNC.with(FileFlags::NOCOW).with(D)),
        symlink_item("odd-link", "all").flags(I),
    ])
}

/// What [`flagged`] has on ext, by path.
fn kept() -> BTreeMap<&'static str, FileFlags> {
    BTreeMap::from([
        ("/", NO_ATIME),
        ("/etc", OF_DIRECTORIES),
        ("/etc/a", I.with(D)),
        ("/etc/b", I.with(D)),
        ("/all", OF_FILES),
        ("/plain", FileFlags::default()),
        ("/link", D.with(NO_ATIME)),
        ("/fifo", D),
        ("/null", NO_ATIME),
        ("/odd", D),
        ("/odd-link", FileFlags::default()),
    ])
}

/// The flags of an inode as debugfs prints them.
fn flags_in(image: &Path, path: &str) -> FileFlags {
    let shown = debugfs(image, &[&format!("stat {path}")]);
    let flags = shown.split("Flags: 0x").nth(1).unwrap();
    let flags = flags.split_whitespace().next().unwrap();
    FileFlags::of_inode(u32::from_str_radix(flags, 16).unwrap())
}

/// Builds what is meant, and gives the summary.
fn built(press: &Press, reference: &Path, output: &Path, options: &[&str]) -> (Value, Ended) {
    let mut command = press.command("build");
    command.arg(reference).arg("-o").arg(output);
    let ended = press.run(command.args(["--json", "--verify"]).args(options));
    (serde_json::from_str(ended.succeeded()).unwrap(), ended)
}

fn ran<S: AsRef<OsStr>>(press: &Press, command: &str, arguments: &[S]) -> Ended {
    press.run(press.command(command).args(arguments))
}

#[test]
fn flags_of_a_tar_are_kept_where_that_is_asked_for_and_else_counted() {
    let press = Press::with_layers([flagged()]);
    let (with, without) = (press.input("with"), press.input("without"));
    let (plain, said) = built(&press, &press.image(), &without, &[]);
    let counted = format!("{NOT_KEPT}9 entries, for example / (noatime)");
    assert!(said.stderr.contains(&counted), "{}", said.stderr);
    assert_eq!(plain["warnings"].as_array().unwrap().len(), 1);
    let (kept_flags, said) = built(&press, &press.image(), &with, &["--file-flags"]);
    assert!(!said.stderr.contains(NOT_KEPT), "{}", said.stderr);
    let counted = "file flags left out: ext does not have them, or not on this type of file: 2 entries, for example odd (dirsync, nocow)";
    assert!(said.stderr.contains(counted), "{}", said.stderr);
    for (path, flags) in kept() {
        assert_eq!(flags_in(&with, path), flags, "{path}");
        assert!(flags_in(&without, path).is_empty(), "{path}");
    }
    for kind in ["ext2", "ext3", "ext4"] {
        let image = press.input(kind);
        built(
            &press,
            &press.image(),
            &image,
            &["--file-flags", "--fs", kind],
        );
        e2fsck_clean(&image);
        for (path, flags) in kept() {
            assert_eq!(flags_in(&image, path), flags, "{path} of {kind}");
        }
        let (one, other) = (with.to_str().unwrap(), image.to_str().unwrap());
        ran(&press, "diff", &[one, other]).succeeded();
    }
    // An option of form, as the size is: the tree is the same.
    for name in ["uuid", "chain_id", "output_bytes"] {
        assert_eq!(plain[name], kept_flags[name], "{name}");
    }
    let planned = ran(
        &press,
        "plan",
        &[press.image().as_os_str(), "--file-flags".as_ref()],
    );
    planned.succeeded();
    assert!(!planned.stderr.contains(NOT_KEPT), "{}", planned.stderr);
}

#[test]
fn verify_and_diff_hold_flags_to_what_was_asked_for() {
    let press = Press::with_layers([flagged()]);
    let (with, without) = (press.input("with"), press.input("without"));
    built(&press, &press.image(), &with, &["--file-flags"]);
    built(&press, &press.image(), &without, &[]);
    let (with, without) = (with.to_str().unwrap(), without.to_str().unwrap());
    let image = press.image();
    let image = image.to_str().unwrap();
    let different = |ended: &Ended, words: &[&str]| {
        assert_ne!(ended.code(), 0);
        for word in words {
            assert!(ended.stdout.contains(word), "no {word} in {}", ended.stdout);
        }
    };
    ran(&press, "verify", &[with, image, "--file-flags"]).succeeded();
    let equal = ran(&press, "verify", &[without, image]);
    equal.succeeded();
    assert!(equal.stderr.contains(NOT_KEPT), "{}", equal.stderr);
    let words = [
        "/etc/a: flags",
        "- flags none",
        "+ flags immutable, nodump",
        "9 changed",
    ];
    different(&ran(&press, "verify", &[with, image]), &words);
    let words = ["/all: flags", "- flags secdel", "+ flags none"];
    different(
        &ran(&press, "verify", &[without, image, "--file-flags"]),
        &words,
    );
    ran(&press, "verify", &[with, image, "--ignore", "flags"]).succeeded();
    // Filesystems have the flags that they have, whatever is asked for.
    different(
        &ran(&press, "diff", &[without, with]),
        &["/etc/a", "flags", "immutable"],
    );
    ran(&press, "diff", &[with, image, "--file-flags"]).succeeded();
    ran(&press, "diff", &[without, image]).succeeded();
    different(&ran(&press, "diff", &[with, image]), &["flags"]);
    let ended = ran(&press, "diff", &["--json", without, with]);
    let changes: Value = serde_json::from_str(&ended.stdout).unwrap();
    let change = changes["changes"].as_array().unwrap().iter();
    let change = change
        .clone()
        .find(|change| change["path"] == "/etc/a")
        .unwrap();
    assert_eq!(change["fields"][0]["field"], "flags", "{change}");
    let stat = ran(&press, "stat", &[with, "etc/a"]);
    assert!(
        stat.succeeded().contains("Flags: 0x50 (id)"),
        "{}",
        stat.stdout
    );
    let stat = ran(&press, "stat", &["--json", with, "etc/a"]);
    let stat: Value = serde_json::from_str(stat.succeeded()).unwrap();
    assert_eq!(
        stat["file_flags"],
        serde_json::json!(["immutable", "nodump"])
    );
}

#[test]
fn a_later_layer_has_the_last_word_on_flags_and_hard_links_share_them() {
    let base = [
        directory("d").flags(I),
        file("d/f", *b"f").flags(D),
        file("replaced", *b"1").flags(I),
        file("gone", *b"1").flags(I),
        file("h", *b"h").flags(D),
    ];
    let to_h = |name: &str| Header::new(b'1', name).target("h");
    let top = RawTar::default()
        .pax(&[("SCHILY.fflags", b"noatime")])
        .header(Header::new(b'5', "d/"))
        .file("replaced", b"2")
        .file(".wh.gone", b"")
        .pax(&[("SCHILY.fflags", b"sappnd")])
        .header(to_h("k"))
        .header(to_h("m"))
        .end();
    let press = Press::with_layers([layer(base), top]);
    let output = press.output();
    let (summary, _) = built(&press, &press.image(), &output, &["--file-flags"]);
    assert_eq!(summary["warnings"], serde_json::json!([]));
    for (path, flags) in [
        ("/d", NO_ATIME),
        ("/d/f", D),
        ("/replaced", FileFlags::default()),
        ("/h", D.with(A)),
        ("/k", D.with(A)),
        ("/m", D.with(A)),
    ] {
        assert_eq!(flags_in(&output, path), flags, "{path}");
    }
    // What is not in the tree any more is not counted either.
    let (_, said) = built(&press, &press.image(), &output, &[]);
    let counted = format!("{NOT_KEPT}3 entries, for example h (append, nodump)");
    assert!(said.stderr.contains(&counted), "{}", said.stderr);
}

/// Why a link and a special file get two flags at most.
#[test]
fn e2fsck_takes_other_flags_off_links_and_special_files() {
    let press = Press::with_layers([flagged()]);
    let image = press.output();
    built(&press, &press.image(), &image, &["--file-flags"]);
    for (path, flag) in [("/link", I), ("/fifo", A), ("/null", I)] {
        let kept = flags_in(&image, path);
        let set = |flags: FileFlags| {
            let command = format!("set_inode_field {path} flags {:#x}", flags.bits());
            debugfs_write(&image, &[&command]);
        };
        set(kept.with(flag));
        let judged = run("e2fsck", ["-fn".as_ref(), image.as_os_str()]);
        let told = String::from_utf8_lossy(&judged.stdout);
        assert!(told.contains("append-only flag set.  Clear? no"), "{told}");
        set(kept);
        e2fsck_clean(&image);
    }
}
