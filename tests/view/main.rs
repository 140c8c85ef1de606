//! Any ext image is read without root, and what is read is what the kernel shows; damaged and
//! hostile images end in an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod checksums;
mod commands;
mod costs;
mod damaged;
mod features;
mod hostile;
mod kernel_made;
mod positions;
mod shared_blocks;
mod undone;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

use layerpress::ext::check::{read_through_debugfs, read_through_ext4_view};
use layerpress::extract::{DirectorySink, Taken, extract};
use layerpress::listing::{Listing, compare};
use layerpress::look::{Inside, Lookups};
use layerpress::progress::Silent;
use layerpress::view::{Follow, View};
use layerpress::warnings::Warnings;
use support::oracles::{self, Mounted, directory_listing, kernel_listing};
use support::run::{self, output_of};
use support::sample::{bytes, make_image_with, sample};

/// The kinds of filesystems, and how mke2fs makes them.
const KINDS: [(&str, &[&str]); 10] = [
    ("ext2 of 1 KiB", &["-t", "ext2", "-b", "1024", "-I", "128"]),
    ("ext2 of 4 KiB", &["-t", "ext2", "-b", "4096", "-I", "256"]),
    ("ext3 of 1 KiB", &["-t", "ext3", "-b", "1024", "-I", "256"]),
    ("ext3 of 4 KiB", &["-t", "ext3", "-b", "4096", "-I", "128"]),
    ("ext4 of 1 KiB", &["-t", "ext4", "-b", "1024"]),
    (
        "ext4 of 4 KiB",
        &["-t", "ext4", "-b", "4096", "-O", "64bit,metadata_csum"],
    ),
    (
        "inline data",
        &["-t", "ext4", "-b", "4096", "-O", "inline_data"],
    ),
    (
        "meta_bg",
        &[
            "-t",
            "ext4",
            "-b",
            "1024",
            "-g",
            "1024",
            "-O",
            "meta_bg,^resize_inode",
        ],
    ),
    (
        "bigalloc",
        &["-t", "ext4", "-b", "4096", "-O", "bigalloc", "-N", "4096"],
    ),
    (
        "no file types",
        &[
            "-t",
            "ext2",
            "-b",
            "4096",
            "-O",
            "^filetype,^sparse_super,^resize_inode",
        ],
    ),
];

/// A tree that any of them holds, made of what needs no privilege.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("etc/deep/er")).unwrap();
    fs::set_permissions(root, PermissionsExt::from_mode(0o755)).unwrap();
    for (name, length) in [
        ("empty", 0),
        ("one", 1),
        ("inline", 120),
        ("block", 4096),
        ("direct", 12 * 4096),
        ("indirect", 13 * 4096 + 5),
        ("double", (12 + 1024 + 3) * 4096),
    ] {
        fs::write(root.join(name), bytes(length)).unwrap();
    }
    fs::set_permissions(root.join("one"), PermissionsExt::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("etc"), PermissionsExt::from_mode(0o1777)).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"stray\xff\xfe\\x")), b"bytes").unwrap();
    fs::write(root.join("line\nbreak"), b"line").unwrap();
    fs::write(root.join("etc/deep/er/linked"), b"linked").unwrap();
    fs::hard_link(root.join("etc/deep/er/linked"), root.join("etc/also")).unwrap();
    fs::hard_link(root.join("etc/deep/er/linked"), root.join("another")).unwrap();
    symlink("one", root.join("short")).unwrap();
    symlink("../../etc/also", root.join("etc/deep/up")).unwrap();
    symlink("/etc/deep", root.join("absolute")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("t".repeat(59), root.join("longest-fast")).unwrap();
    symlink("t".repeat(60), root.join("shortest-slow")).unwrap();
    symlink("to/".repeat(300), root.join("slow")).unwrap();
    // Whole indirect blocks are missing before, between and behind.
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(6 << 30).unwrap();
    for at in [5 << 20, 80 << 20, 5 << 30] {
        sparse.write_all_at(b"somewhere", at).unwrap();
    }
    fs::create_dir(root.join("many")).unwrap();
    for index in 0..1500 {
        fs::write(
            root.join(format!("many/a name of some length {index}")),
            b"",
        )
        .unwrap();
    }
}

/// What only root can make.
fn fill_as_root(root: &Path) {
    let at = |name: &str| root.join(name).into_os_string();
    oracles::succeed("mknod", [at("null"), "c".into(), "1".into(), "3".into()]);
    oracles::succeed(
        "mknod",
        [at("big-device"), "b".into(), "300".into(), "70000".into()],
    );
    oracles::succeed("mkfifo", [at("etc/fifo")]);
    drop(std::os::unix::net::UnixListener::bind(root.join("s")).unwrap());
    oracles::succeed("chown", ["70000:4294967294".into(), at("block")]);
    oracles::succeed("setcap", ["cap_net_raw+ep".into(), at("direct")]);
    oracles::succeed(
        "setfacl",
        ["-m".into(), "u:1000:rw,g:5:r".into(), at("indirect")],
    );
    let default = [
        "-d".into(),
        "-m".into(),
        "u:1000:rwx".into(),
        at("etc/deep"),
    ];
    oracles::succeed("setfacl", default);
    for (name, xattr, value) in [
        ("direct", "user.text", &b"plain"[..]),
        ("direct", "user.binary", &[0, 255, 10, 13, 98]),
        ("direct", "user.none", b""),
        ("direct", "user.a=b", b"="),
        ("direct", "user.a%3Db%25", b"%"),
        ("direct", "trusted.longer", &[7; 500]),
        ("null", "trusted.device", b"d"),
        ("short", "trusted.link", b"l"),
    ] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(root.join(name), xattr, value, flags).unwrap();
    }
}

fn whole(image: &Path) -> Listing {
    let view = View::open(image).unwrap();
    let whole = view.listing_of_at_most(u64::MAX, &mut |_, _| true).unwrap();
    assert!(whole.problems.is_empty(), "{:?}", whole.problems);
    whole.listing
}

fn assert_same(what: &str, expected: &Listing, found: &Listing) {
    let differences = compare(expected, found);
    let shown: Vec<_> = differences.iter().map(ToString::to_string).collect();
    let some = &shown[..shown.len().min(5)];
    assert!(shown.is_empty(), "{what}:\n{}", some.join("\n"));
    assert!(expected.lines().len() > 1500);
}

fn layerpress(arguments: &[&OsStr]) -> Output {
    output_of(run::layerpress().args(arguments))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(arguments: &[&OsStr]) -> Vec<u8> {
    let output = layerpress(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    output.stdout
}

fn extract_to(image: &Path, target: &Path) -> Vec<String> {
    let view = View::open(image).unwrap();
    let mut warnings = Warnings::default();
    let mut sink = DirectorySink::new(target, 0o700, false, &mut warnings).unwrap();
    let inside = Inside::from(&view);
    let root = Taken::whole(Lookups::of(inside).find(b"/", Follow::Never).unwrap());
    extract(inside, vec![root], &mut sink, &Silent, &|| false).unwrap();
    warnings.lines().collect()
}

#[test]
fn images_that_mke2fs_fills_are_seen_as_other_readers_see_them() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let debugfs = oracles::required("debugfs");
    // debugfs shows inline data as an attribute.
    for (what, options) in KINDS.iter().filter(|(what, _)| *what != "inline data") {
        let image = directory.path().join("image");
        let _ = fs::remove_file(&image);
        make_image_with(options, &root, &image, "64M");
        let names = read_through_debugfs(&image, &debugfs, 10_000, &Silent).unwrap();
        let expected = names.view(&mut |_, _| true).unwrap();
        assert_same(what, &expected.listing, &whole(&image));
        if matches!(*what, "no file types" | "meta_bg") {
            continue; // which ext4-view does not read
        }
        // A third reader, where it can: it takes time for holes, and none with whole indirect
        // blocks missing.
        let other = read_through_ext4_view(&image, 10_000, &mut |_, size| size < 1 << 28).unwrap();
        assert_eq!(other.problems, [], "{what}");
        assert_same(what, &other.listing, &whole(&image));
    }
}

#[test]
fn images_of_any_maker_are_seen_and_extracted_as_the_kernel_shows_them() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    fill_as_root(&root);
    for (what, options) in KINDS {
        for by_the_kernel in [false, true] {
            let image = directory.path().join("image");
            let _ = fs::remove_file(&image);
            if by_the_kernel {
                fill_by_kernel(options, &root, &image);
            } else {
                make_image_with(options, &root, &image, "64M");
            }
            let what = format!("{what}, by the kernel: {by_the_kernel}");
            let expected = kernel_listing(&image);
            assert_same(&what, &expected, &whole(&image));
            let target = directory.path().join("target");
            assert_eq!(extract_to(&image, &target), Vec::<String>::new(), "{what}");
            assert_same(&what, &expected, &directory_listing(&target));
            let taken = fs::metadata(target.join("sparse")).unwrap();
            assert!(std::os::unix::fs::MetadataExt::blocks(&taken) < 1000);
            fs::remove_dir_all(&target).unwrap();
        }
    }
}

fn fill_by_kernel(options: &[&str], root: &Path, image: &Path) {
    let options = ["-q", "-F"].iter().chain(options).map(OsStr::new);
    let image_and_size = [image.as_os_str(), OsStr::new("64M")];
    oracles::succeed("mke2fs", options.chain(image_and_size));
    let mounted = Mounted::read_write(image);
    let from = root.join(".");
    let to = mounted.mount_point();
    oracles::succeed(
        "cp",
        [
            OsStr::new("-a"),
            OsStr::new("--sparse=auto"),
            from.as_os_str(),
            to.as_os_str(),
        ],
    );
    // Allocated and not written, within a file and behind its end; not on ext2 and ext3.
    let file = File::options().write(true).open(to.join("one")).unwrap();
    let _ = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 8192, 1 << 16);
    let _ = rustix::fs::fallocate(
        &file,
        rustix::fs::FallocateFlags::KEEP_SIZE,
        1 << 20,
        1 << 16,
    );
    fs::remove_file(to.join("many/a name of some length 700")).unwrap();
}

#[test]
fn a_sample_with_times_from_1901_to_2446_is_what_the_kernel_shows() {
    let Some(sample) = sample() else { return };
    let expected = kernel_listing(&sample.image());
    let differences = compare(&expected, &whole(&sample.image()));
    assert!(differences.is_empty(), "{}", differences[0]);
    // A keyword of a tar cannot hold '='; GNU tar has an escape for it.
    let tar = succeed(&[
        OsStr::new("extract"),
        sample.image().as_os_str(),
        OsStr::new("-o-"),
    ]);
    let record = b"SCHILY.xattr.user.name (3) %3D \"x\"=odd\n";
    assert!(tar.windows(record.len()).any(|bytes| bytes == record));
}

#[test]
fn a_tar_of_an_image_becomes_an_equal_image() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    fill_as_root(&root);
    fs::remove_file(root.join("s")).unwrap();
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4", "-b", "4096"], &root, &image, "64M");
    oracles::debugfs_write(
        &image,
        &[
            "set_inode_field /block mtime @0x83aa7e80",
            "set_inode_field /block mtime_extra 0x1d",
            "set_inode_field /etc mtime @0x80000000",
            "set_inode_field /etc mtime_extra 0x4",
        ],
    );
    let expected = kernel_listing(&image);
    let tar = directory.path().join("out.tar");
    let extracting = [OsStr::new("extract"), image.as_os_str(), OsStr::new("-o")];
    succeed(&[&extracting[..], &[tar.as_os_str()]].concat());
    let on_stdout = succeed(&[&extracting[..], &[OsStr::new("-")]].concat());
    assert!(on_stdout == fs::read(&tar).unwrap(), "two tars differ");
    let again = directory.path().join("again.img");
    let reference = [OsStr::new("rootfs:"), tar.as_os_str()].join(OsStr::new(""));
    succeed(&[
        OsStr::new("build"),
        &reference,
        OsStr::new("-o"),
        again.as_os_str(),
    ]);
    for mut listing in [kernel_listing(&again), whole(&again)] {
        // What the build notes in the lost+found that was in the tar.
        listing.leave_out_attribute(b"lost+found", layerpress::ondisk::xattr::CHAIN_ID_XATTR);
        assert_same("again", &expected, &listing);
    }
    // And GNU tar reads it as well.
    let listed = oracles::succeed("tar", [OsStr::new("tf"), tar.as_os_str()]);
    assert!(listed.starts_with(b"./\n"));
}

/// For an image that is too large to be made by a test: its path in LAYERPRESS_TEST_IMG.
#[test]
#[ignore = "run where LAYERPRESS_TEST_IMG names an image"]
fn an_image_given_in_the_environment_is_seen_and_extracted_as_the_kernel_shows_it() {
    let image = PathBuf::from(std::env::var_os("LAYERPRESS_TEST_IMG").unwrap());
    let expected = kernel_listing(&image);
    assert_same("seen", &expected, &whole(&image));
    let target = tempfile::tempdir().unwrap();
    let warnings = extract_to(&image, target.path());
    assert_eq!(warnings, Vec::<String>::new());
    assert_same("extracted", &expected, &directory_listing(target.path()));
}
