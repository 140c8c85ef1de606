//! Any ext image is read without root, and what is read is what the kernel shows; damaged and
//! hostile images end in an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use layerpress::extract::{ArchiveSink, DirectorySink, extract};
use layerpress::listing::{Listing, compare};
use layerpress::progress::Silent;
use layerpress::readback::read_through_debugfs;
use layerpress::view::{Follow, View};
use layerpress::warnings::Warnings;
use support::oracles::{self, Mounted, directory_listing, kernel_listing};
use support::sample::{bytes, make_image_with, sample};

/// The kinds of filesystems, and how mke2fs makes them.
const KINDS: [(&str, &[&str]); 10] = [
    ("ext2 of 1 KiB", &["-t", "ext2", "-b", "1024", "-I", "128"]),
    ("ext2 of 4 KiB", &["-t", "ext2", "-b", "4096", "-I", "256"]),
    ("ext3 of 1 KiB", &["-t", "ext3", "-b", "1024", "-I", "256"]),
    ("ext3 of 4 KiB", &["-t", "ext3", "-b", "4096", "-I", "128"]),
    ("ext4 of 1 KiB", &["-t", "ext4", "-b", "1024"]),
    ("ext4 of 4 KiB", &["-t", "ext4", "-b", "4096", "-O", "64bit,metadata_csum"]),
    ("inline data", &["-t", "ext4", "-b", "4096", "-O", "inline_data"]),
    ("meta_bg", &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"]),
    ("bigalloc", &["-t", "ext4", "-b", "4096", "-O", "bigalloc", "-N", "4096"]),
    ("no file types", &["-t", "ext2", "-b", "4096", "-O", "^filetype,^sparse_super"]),
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
        fs::write(root.join(format!("many/a name of some length {index}")), b"").unwrap();
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
    let default = ["-d".into(), "-m".into(), "u:1000:rwx".into(), at("etc/deep")];
    oracles::succeed("setfacl", default);
    for (name, xattr, value) in [
        ("direct", "user.text", &b"plain"[..]),
        ("direct", "user.binary", &[0, 255, 10, 13, 98]),
        ("direct", "user.none", b""),
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
    let whole = view.whole_listing(&mut |_, _| true).unwrap();
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
    Command::new(env!("CARGO_BIN_EXE_layerpress"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
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
    let mut sink = DirectorySink::new(target, false, &mut warnings).unwrap();
    let root = view.lookup(b"/", Follow::Never).unwrap();
    extract(&view, root, &mut sink, &Silent).unwrap();
    warnings.lines().collect()
}

#[test]
fn images_that_mke2fs_fills_are_seen_as_debugfs_sees_them() {
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
        [OsStr::new("-a"), OsStr::new("--sparse=auto"), from.as_os_str(), to.as_os_str()],
    );
    // Allocated and not written, within a file and behind its end; not on ext2 and ext3.
    let file = File::options().write(true).open(to.join("one")).unwrap();
    let _ = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 8192, 1 << 16);
    let _ = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::KEEP_SIZE, 1 << 20, 1 << 16);
    fs::remove_file(to.join("many/a name of some length 700")).unwrap();
}

#[test]
fn a_sample_with_times_from_1901_to_2446_is_what_the_kernel_shows() {
    let Some(sample) = sample() else { return };
    let expected = kernel_listing(&sample.image());
    let differences = compare(&expected, &whole(&sample.image()));
    assert!(differences.is_empty(), "{}", differences[0]);
    // A name with = would be another one in a tar.
    let output = layerpress(&[
        OsStr::new("extract"),
        sample.image().as_os_str(),
        OsStr::new("-o-"),
    ]);
    assert_eq!(output.status.code(), Some(5));
    assert!(said(&output).contains("'=' in its name"), "{}", said(&output));
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
    assert_same("again", &expected, &kernel_listing(&again));
    assert_same("again", &expected, &whole(&again));
    // And GNU tar reads it as well.
    let listed = oracles::succeed("tar", [OsStr::new("tf"), tar.as_os_str()]);
    assert!(listed.starts_with(b"./\n"));
}

#[test]
fn without_root_what_was_not_kept_is_told() {
    if !oracles::is_root() || oracles::program("setpriv").is_none() {
        return oracles::skip("only root makes devices, and becomes somebody else");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    fill_as_root(&root);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4"], &root, &image, "64M");
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    for path in [directory.path(), &home] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let program = directory.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_layerpress"), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=12345", "--regid=12345", "--clear-groups"])
        .args([&program, Path::new("extract"), &image, Path::new("-o")])
        .arg(home.join("out"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    for warning in [
        "a device was left out",
        "the owner was not kept",
        "the setuid and setgid bits were not kept",
        "a trusted.* attribute was not kept",
        "a security.* attribute was not kept",
    ] {
        assert!(said(&output).contains(warning), "{warning}: {}", said(&output));
    }
    let one = fs::metadata(home.join("out/one")).unwrap();
    assert_eq!(one.permissions().mode() & 0o7777, 0o751);
    assert!(!home.join("out/null").exists());
}

/// The same numbers on every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}

/// Names, inodes and block maps, and next to nothing in the files.
fn fill_with_metadata(root: &Path) {
    for directory in 0..20 {
        let inner = root.join(format!("directory {directory}/inner"));
        fs::create_dir_all(&inner).unwrap();
        for file in 0..10 {
            fs::write(inner.join(format!("file {file}")), b"x").unwrap();
        }
        symlink("../".repeat(directory * 3 + 1), inner.join("link")).unwrap();
        let mapped = File::create(inner.join("mapped")).unwrap();
        for block in 0..20 {
            mapped.write_all_at(b"x", (3 << block) * 4096).unwrap();
        }
        for index in 0..4 {
            let (name, value) = (format!("user.attribute {index}"), [b'v'; 45]);
            let flags = rustix::fs::XattrFlags::empty();
            let _ = rustix::fs::lsetxattr(&inner, &name, &value[index..], flags);
        }
    }
}

/// Everything that can be done with an image is done, in this process, so that a panic fails the
/// test; how many errors there were.
fn use_everything(image: &Path, scratch: &Path) -> usize {
    let view = match View::open(image) {
        Ok(view) => view,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return 1;
        }
    };
    let mut errors = match view.whole_listing(&mut |_, _| true) {
        Ok(whole) => whole.problems.len(),
        Err(_) => 1,
    };
    let Ok(root) = view.lookup(b"/", Follow::Always) else {
        return errors + 1;
    };
    let mut warnings = Warnings::default();
    let target = scratch.join("out");
    let mut sink = DirectorySink::new(&target, false, &mut warnings).unwrap();
    errors += usize::from(extract(&view, root.clone(), &mut sink, &Silent).is_err());
    fs::remove_dir_all(&target).unwrap();
    let mut nowhere = std::io::sink();
    let mut sink = ArchiveSink::new(&mut nowhere, &mut warnings);
    errors += usize::from(extract(&view, root, &mut sink, &Silent).is_err());
    let link = b"directory 7/inner/link/directory 3/inner/mapped";
    errors + usize::from(view.lookup(link, Follow::Always).is_err())
}

/// Over two hundred images damaged in up to two hundred of their bytes that are not zero: in the
/// superblock, descriptors, inode tables, directories, indirect blocks, extents, attributes.
#[test]
fn damaged_images_end_in_an_error_or_in_what_is_left_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill_with_metadata(&root);
    let scratch = directory.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let canary = directory.path().join("canary");
    fs::write(&canary, b"alive").unwrap();
    let (mut errors, mut slowest) = (0, Duration::ZERO);
    let mut images = 0;
    for options in [
        &["-t", "ext2", "-b", "1024"][..],
        &["-t", "ext3", "-b", "4096"],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-b", "4096", "-O", "inline_data"],
    ] {
        let image = directory.path().join("image");
        let _ = fs::remove_file(&image);
        make_image_with(options, &root, &image, "16M");
        let whole = fs::read(&image).unwrap();
        assert_eq!(use_everything(&image, &scratch), 0, "{options:?}");
        let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        let mut numbers = Numbers(1);
        for round in 0..60 {
            let mut damaged = whole.clone();
            // Every other time the superblock is left alone, so that more than it is met.
            let spared = if round % 2 == 0 { 2048 } else { 0 };
            for _ in 0..=numbers.below(200) {
                let at = used[numbers.below(used.len() as u64) as usize];
                if at >= spared {
                    damaged[at] ^= 1 << numbers.below(8);
                }
            }
            let path = directory.path().join("damaged");
            fs::write(&path, &damaged).unwrap();
            let started = Instant::now();
            errors += use_everything(&path, &scratch);
            images += 1;
            slowest = slowest.max(started.elapsed());
            assert!(slowest < Duration::from_secs(30), "{options:?} {round}");
        }
    }
    println!("{errors} errors in {images} images, the slowest took {slowest:?}");
    assert!(images >= 200 && errors > 1000, "{errors}: nothing was hit");
    assert_eq!(fs::read(&canary).unwrap(), b"alive");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn every_superblock_field_may_be_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill_with_metadata(&root);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4", "-b", "1024"], &root, &image, "16M");
    for offset in (0..1024).step_by(4) {
        for value in [0, 1, 0x7fff_ffff, u32::MAX] {
            let file = File::options().read(true).write(true).open(&image).unwrap();
            let mut before = [0; 4];
            file.read_exact_at(&mut before, 1024 + offset).unwrap();
            let write = |bytes: &[u8]| file.write_all_at(bytes, 1024 + offset).unwrap();
            write(&value.to_le_bytes());
            if let Ok(view) = View::open(&image) {
                let _ = view.whole_listing(&mut |_, _| false);
            }
            write(&before);
        }
    }
    assert!(View::open(&image).is_ok());
}

/// An image whose inode numbers and directories debugfs has bent, beside a canary.
struct Hostile {
    directory: tempfile::TempDir,
}

impl Hostile {
    fn new(commands: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        fs::write(directory.path().join("outside/canary"), b"alive").unwrap();
        fs::write(root.join("file"), b"evil").unwrap();
        fs::write(root.join("a/xyz"), b"evil").unwrap();
        fs::write(root.join("a/dir"), b"evil").unwrap();
        symlink("../outside", root.join("escape")).unwrap();
        symlink("../outside/canary", root.join("escape-file")).unwrap();
        symlink(directory.path().join("outside"), root.join("away")).unwrap();
        let image = directory.path().join("image");
        make_image_with(&["-t", "ext3", "-b", "4096"], &root, &image, "16M");
        if !commands.is_empty() {
            oracles::debugfs_write(&image, commands);
        }
        Self { directory }
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// Replaces a directory entry's name by one of the same length.
    fn rename(&self, from: &[u8], to: &[u8]) {
        let mut bytes = fs::read(self.image()).unwrap();
        let header = [from.len() as u8];
        let at = bytes
            .windows(from.len() + 2)
            .position(|window| window[0] == header[0] && window[2..] == *from)
            .unwrap();
        bytes[at + 2..at + 2 + to.len()].copy_from_slice(to);
        fs::write(self.image(), bytes).unwrap();
    }

    /// Extracts into a directory; what was said, and whether all went well.
    fn extract(&self, options: &[&str]) -> (bool, String) {
        let target = self.directory.path().join("target");
        let output = Command::new(env!("CARGO_BIN_EXE_layerpress"))
            .arg("extract")
            .args(options)
            .args([&self.image(), Path::new("-o"), &target])
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        assert!(matches!(code, 0 | 4), "{code}: {}", said(&output));
        self.assert_canary();
        (code == 0, said(&output))
    }

    fn assert_canary(&self) {
        let outside = self.directory.path().join("outside");
        assert_eq!(fs::read(outside.join("canary")).unwrap(), b"alive");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        let mut names: Vec<_> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.retain(|name| name != "target");
        names.sort();
        assert_eq!(names, ["image", "outside", "root"]);
    }
}

#[test]
fn links_that_lead_out_are_made_and_not_followed() {
    let hostile = Hostile::new(&[]);
    assert!(hostile.extract(&[]).0);
    let target = hostile.directory.path().join("target");
    let escape = fs::read_link(target.join("escape")).unwrap();
    assert_eq!(escape, Path::new("../outside"));
    // Again over what is there now: links are replaced, not written through.
    let (_, refused) = {
        let output = layerpress(&[
            OsStr::new("extract"),
            hostile.image().as_os_str(),
            OsStr::new("-o"),
            target.as_os_str(),
        ]);
        (output.status.code(), said(&output))
    };
    assert!(refused.contains("--force"), "{refused}");
    assert!(hostile.extract(&["--force"]).0);
}

#[test]
fn links_that_lie_in_the_target_are_replaced_and_not_followed() {
    let hostile = Hostile::new(&[]);
    let target = hostile.directory.path().join("target");
    fs::create_dir(&target).unwrap();
    symlink("../outside", target.join("a")).unwrap();
    symlink("../outside/canary", target.join("file")).unwrap();
    assert!(hostile.extract(&["--force"]).0);
    assert_eq!(fs::read(target.join("file")).unwrap(), b"evil");
    assert!(target.join("a/b").is_dir() && !target.join("a").is_symlink());
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in [&b"../"[..], b"x/y", b"/xy", b"x\0y"] {
        let hostile = Hostile::new(&[]);
        hostile.rename(b"xyz", name);
        let (good, told) = hostile.extract(&[]);
        assert!(!good && told.contains("expected a file name"), "{told}");
        let output = layerpress(&[OsStr::new("ls"), OsStr::new("-R"), hostile.image().as_os_str()]);
        assert_ne!(output.status.code(), Some(101));
    }
    // `..` is never a child.
    let hostile = Hostile::new(&["link a/xyz a/zz"]);
    hostile.rename(b"zz", b"..");
    assert!(hostile.extract(&[]).0);
}

#[test]
fn a_link_and_a_directory_of_one_name_do_not_write_through_the_link() {
    // `escape` comes first, and then a directory that calls itself so as well.
    let hostile = Hostile::new(&["mkdir escapx", "write /etc/hostname escapx/canary"]);
    hostile.rename(b"escapx", b"escape");
    for options in [&[][..], &["--force"]] {
        let (good, told) = hostile.extract(options);
        assert!(!good && told.contains("found it again"), "{told}");
        fs::remove_dir_all(hostile.directory.path().join("target")).unwrap();
    }
}

#[test]
fn directories_that_hold_themselves_end_in_an_error() {
    for command in ["link a a/b/a", "link / a/b/root", "link a/b again"] {
        let hostile = Hostile::new(&[command]);
        let (good, told) = hostile.extract(&[]);
        assert!(!good && told.contains("one name of a directory"), "{told}");
        let image = hostile.image();
        let output = layerpress(&[OsStr::new("ls"), OsStr::new("-R"), image.as_os_str()]);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(said(&output).contains("by another name"), "{}", said(&output));
    }
}

#[test]
fn a_map_that_leads_to_itself_ends_in_an_error() {
    // The triple indirect block is the directory's own, and the size is what it could hold.
    let hostile = Hostile::new(&[]);
    let told = oracles::debugfs(&hostile.image(), &["blocks /a"]);
    let block = told.split_whitespace().find(|word| word.parse::<u32>().is_ok()).unwrap();
    let own = u64::from(block.parse::<u32>().unwrap()) * 4096;
    oracles::debugfs_write(
        &hostile.image(),
        &[
            &format!("set_inode_field /file block[TIND] {block}"),
            "set_inode_field /file size 4398046511104",
            "set_inode_field /a size 4096",
        ],
    );
    let file = File::options().write(true).open(hostile.image()).unwrap();
    let pointers = block.parse::<u32>().unwrap().to_le_bytes().repeat(1024);
    file.write_all_at(&pointers, own).unwrap();
    let view = View::open(&hostile.image()).unwrap();
    let found = view.lookup(b"file", Follow::Never).unwrap();
    let error = view.extents(&found.node).unwrap_err().to_string();
    assert!(error.contains("maps more blocks than the filesystem has"), "{error}");
    hostile.assert_canary();
}

#[test]
fn a_value_in_an_inode_of_its_own_is_refused_by_name() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    oracles::succeed(
        "mke2fs",
        ["-q", "-F", "-t", "ext4", "-O", "ea_inode", image.to_str().unwrap(), "32M"],
    );
    let mounted = Mounted::read_write(&image);
    let file = mounted.mount_point().join("file");
    fs::write(&file, b"x").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&file, "user.large", &[b'v'; 9000], flags).unwrap();
    drop(mounted);
    let output = layerpress(&[OsStr::new("stat"), image.as_os_str(), OsStr::new("file")]);
    assert_eq!(output.status.code(), Some(5));
    assert!(said(&output).contains("user.large is in inode"), "{}", said(&output));
    assert_eq!(
        succeed(&[OsStr::new("cat"), image.as_os_str(), OsStr::new("file")]),
        b"x"
    );
}

#[test]
fn the_commands_tell_what_is_there_and_say_what_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext3", "-b", "4096"], &root, &image, "64M");
    let image = image.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
        layerpress(&arguments)
    };
    let text = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(text(&["ls", image, "/etc"]), "also\ndeep\n");
    assert_eq!(text(&["ls", image, "/absolute/er/../../../../etc"]), "also\ndeep\n");
    assert_eq!(text(&["ls", "-a", image, "etc/deep"]), ".\n..\ner\nup\n");
    assert_eq!(
        text(&["ls", "-RF", image, "etc"]),
        "etc:\nalso\ndeep/\n\netc/deep:\ner/\nup@\n\netc/deep/er:\nlinked\n"
    );
    let long = text(&["ls", "-l", image, "etc/deep/up", "one"]);
    assert!(long.contains("-> ../../etc/also") && long.contains("-rwsr-x--x 1"), "{long}");
    let json = text(&["ls", "--json", image, "etc"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["path"], &first["links"]), (&"/etc/also".into(), &3.into()));
    let stat = text(&["stat", image, "another"]);
    assert!(
        stat.contains("  Name: /another\n  Name: /etc/also\n  Name: /etc/deep/er/linked\n"),
        "{stat}"
    );
    let json = text(&["stat", "--json", image, "another", "short"]);
    assert_eq!(json.lines().count(), 2);
    assert!(json.contains(r#""names":["/another","/etc/also","/etc/deep/er/linked"]"#));
    assert_eq!(text(&["cat", image, "etc/deep/up", "another"]), "linkedlinked");
    for (arguments, code, told) in [
        (&["cat", image, "etc"][..], 5, "etc: expected a regular file, found a directory"),
        (&["cat", image, "nothing"], 3, "cannot find /nothing in"),
        (&["cat", image, "one/x"], 3, "cannot find /one/x in"),
        (&["stat", "-L", image, "loop"], 3, "cannot find /loop in"),
        (&["ls", image, "one/"], 3, "cannot find /one/ in"),
        (&["ls", "/dev/null"], 4, "expected an ext filesystem"),
        (&["ls", "/"], 3, "cannot read /"),
        (&["ls", "/nothing"], 3, "cannot open /nothing"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(told), "{arguments:?}: {}", said(&output));
    }
    // A sparse file is its zeros, and whoever stops reading is no error.
    let command = format!(
        "set -o pipefail; {0} cat {image} sparse | head -c 6000000 | tail -c 757120 | md5sum; {0} ls -R {image} | head -1",
        env!("CARGO_BIN_EXE_layerpress")
    );
    let output = Command::new("bash").args(["-c", &command]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
    let expected = oracles::succeed(
        "bash",
        ["-c", &format!("head -c 6000000 {}/sparse | tail -c 757120 | md5sum", root.display())],
    );
    assert!(output.stdout.starts_with(&expected));
}

#[test]
fn parts_of_an_image_are_extracted_as_trees_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4", "-b", "4096"], &root, &image, "64M");
    let target = directory.path().join("target");
    for (path, name) in [("/etc/deep", "er/linked"), ("/another", "another")] {
        let arguments = ["extract".as_ref(), image.as_os_str(), path.as_ref()];
        let to = [OsStr::new("-o"), target.as_os_str()];
        succeed(&[&arguments[..], &to].concat());
        assert_eq!(fs::read(target.join(name)).unwrap(), b"linked", "{path}");
        fs::remove_dir_all(&target).unwrap();
    }
    let listed = succeed(&[
        OsStr::new("extract"),
        image.as_os_str(),
        OsStr::new("etc/deep"),
        OsStr::new("-o-"),
    ]);
    let tar = directory.path().join("t.tar");
    fs::write(&tar, listed).unwrap();
    let names = oracles::succeed("tar", [OsStr::new("tf"), tar.as_os_str()]);
    assert_eq!(names, b"./\ner/\ner/linked\nup\n");
}

#[test]
fn directories_too_deep_for_open_files_are_extracted_on_the_way_back_too() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let deep = root.join("d/".repeat(200));
    fs::create_dir_all(&deep).unwrap();
    let mut at = root.clone();
    for level in 0..200 {
        fs::write(at.join("z"), level.to_string()).unwrap();
        at.push("d");
    }
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext3", "-b", "4096"], &root, &image, "64M");
    let target = directory.path().join("target");
    let command = format!(
        "ulimit -n 100; {} extract {} -o {}",
        env!("CARGO_BIN_EXE_layerpress"),
        image.display(),
        target.display()
    );
    let output = Command::new("bash").args(["-c", &command]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let mut expected = directory_listing(&root);
    let found = directory_listing(&target);
    // mke2fs cuts times to seconds and adds lost+found.
    for line in expected.lines_mut() {
        line.mtime = None;
    }
    let differences = compare(&expected, &found);
    let unexpected: Vec<_> = differences
        .iter()
        .filter(|difference| !matches!(difference.path(), b"" | b"lost+found"))
        .collect();
    assert!(unexpected.is_empty(), "{}", unexpected[0]);
}
