//! What the kernel alone writes: extents under two levels, extents that hold nothing yet, indexes
//! with checksums, more subdirectories than are counted. Every command and each of `verify`'s three
//! readers reads it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use layerpress::listing::Kind;
use serde_json::{Value, json};

use super::support::kernel_made::{DEEP, make, make_and_fill};
use super::support::oracles::{self, Mounted, directory_listing, kernel_listing};
use super::support::sample::bytes;
use super::{assert_same, extract_to, succeed, whole};

/// Names in the largest directory.
const MANY: usize = 12_000;

const SETS: [&str; 5] = [
    "-t ext4 -T default",
    "-t ext4 -T default -O metadata_csum_seed,orphan_file",
    "-t ext4 -T default -O ^has_journal",
    "-t ext4 -T default -O ^64bit,^flex_bg,^metadata_csum",
    "-t ext2 -T default",
];

fn json_of(arguments: &[&OsStr]) -> Value {
    serde_json::from_slice(&succeed(arguments)).unwrap()
}

/// Holds an image against what `extract` makes of it, by all three readers, of which each reads all.
fn verify(what: &str, image: &Path, directory: &Path) {
    let tar = directory.join("extracted.tar");
    let image = image.as_os_str();
    succeed(&["extract".as_ref(), image, "-o".as_ref(), tar.as_os_str()]);
    let reference = [OsStr::new("rootfs:"), tar.as_os_str()].join(OsStr::new(""));
    let told = json_of(&["verify".as_ref(), "--json".as_ref(), image, &reference]);
    assert_eq!(told["equal"], true, "{what}: {told:#}");
    assert_eq!(told["unread"], json!([]), "{what}: {told:#}");
    fs::remove_file(tar).unwrap();
}

#[test]
fn what_the_kernel_writes_is_read_by_every_command_and_every_reader() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let target = directory.path().join("target");
    for what in SETS {
        make_and_fill(what, &image, MANY);
        let expected = kernel_listing(&image);
        assert!(expected.lines().len() > MANY);
        assert_same(what, &expected, &whole(&image));
        if what == SETS[0] {
            assert_eq!(extract_to(&image, &target), Vec::<String>::new(), "{what}");
            assert_same(what, &expected, &directory_listing(&target));
        }
        verify(what, &image, directory.path());

        let path = image.as_os_str();
        let deep = json_of(&["stat".as_ref(), "--json".as_ref(), path, "/deep".as_ref()]);
        assert_eq!(
            deep["size_bytes"],
            (2 * DEEP - 1) * 4096,
            "{what}: {deep:#}"
        );
        let printed = succeed(&["cat".as_ref(), path, "/preallocated".as_ref()]);
        let mounted = Mounted::read_only(&image);
        let shown = fs::read(mounted.mount_point().join("preallocated")).unwrap();
        assert!(printed == shown && &shown[1_000_000..1_000_004] == b"more");
        assert!(succeed(&["cat".as_ref(), path, "/large".as_ref()]) == bytes(20 << 20));
        let names = succeed(&["ls".as_ref(), path, "/many".as_ref()]);
        assert_eq!(names.iter().filter(|&&byte| byte == b'\n').count(), MANY);
        let told = json_of(&["inspect".as_ref(), "--json".as_ref(), path]);
        let kind = what.split(' ').nth(1).unwrap();
        let text = told.to_string();
        assert!(text.contains(&format!("\"{kind}\"")), "{what}: {told:#}");
    }
}

#[test]
fn a_directory_of_more_subdirectories_than_the_kernel_counts_is_read() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    const SUBDIRECTORIES: usize = 65_100;
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    make("-t ext4 -b 1024 -N 66000", "160M", &image);
    {
        let mounted = Mounted::read_write(&image);
        let many = mounted.mount_point().join("many");
        fs::create_dir(&many).unwrap();
        for index in 0..SUBDIRECTORIES {
            fs::create_dir(many.join(index.to_string())).unwrap();
        }
    }
    let mut expected = kernel_listing(&image);
    for line in expected.lines_mut() {
        if *line.path == *b"many" {
            assert_eq!(line.link_count.take(), Some(1));
        }
    }
    let seen = whole(&image);
    assert_same("subdirectories", &expected, &seen);
    let many = seen.find(b"many").unwrap();
    assert_eq!((many.kind, many.link_count), (Some(Kind::Directory), None));
    let listed = succeed(&["ls".as_ref(), image.as_os_str(), "/many".as_ref()]);
    let lines = listed.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines, SUBDIRECTORIES);
}
