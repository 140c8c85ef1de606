//! Mounting and unmounting for real: needs root and loop devices.

#[path = "../support/mod.rs"]
mod support;

mod busy;
mod exec;
mod many;
mod place;
mod refused;
mod shown;
mod trust;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use place::{Place, layerpress, mount_line, place, sha256};
use support::oracles::{directory_listing, kernel_listing, succeed};
use support::run::output_of;
use support::sample::make_image_with;

use layerpress::listing::compare;

/// The type, whether there is a journal, and what mke2fs is told.
const FOREIGN: [(&str, bool, &[&str]); 10] = [
    ("ext2", false, &["-t", "ext2", "-b", "1024"]),
    ("ext2", false, &["-t", "ext2", "-b", "4096"]),
    ("ext3", true, &["-t", "ext3", "-b", "1024"]),
    ("ext3", true, &["-t", "ext3", "-b", "4096"]),
    ("ext4", true, &["-t", "ext4", "-b", "1024"]),
    ("ext4", true, &["-t", "ext4", "-b", "4096"]),
    ("ext4", false, &["-t", "ext4", "-O", "^has_journal"]),
    ("ext4", true, &["-t", "ext4", "-O", "metadata_csum_seed"]),
    ("ext4", true, &["-t", "ext4", "-O", "orphan_file"]),
    ("ext4", true, &["-t", "ext4", "-O", "^metadata_csum,^64bit"]),
];

/// Ours: the type, whether there is a journal, and what `build` is told.
const OURS: [(&str, bool, &[&str]); 4] = [
    ("ext3", true, &["--fs", "ext3"]),
    ("ext2", false, &["--fs", "ext2"]),
    ("ext4", true, &["--fs", "ext4"]),
    ("ext4", false, &["--fs", "ext4", "--journal", "none"]),
];

#[test]
fn every_kind_of_ext_filesystem_is_mounted_read_only_and_its_bytes_stay() {
    let Some(place) = place() else { return };
    let image = place.at("kind.img");
    for (kind, has_journal, options) in FOREIGN {
        let _ = fs::remove_file(&image);
        make_image_with(options, &place.at("tree"), &image, "16M");
        is_mounted_as(&place, &image, kind, has_journal);
    }
    let tree = format!("rootfs:{}", place.at("tree").display());
    for (kind, has_journal, options) in OURS {
        let build = ["build", "-q", &tree, "-o", image.to_str().unwrap()];
        place.ok(build.iter().chain(options));
        is_mounted_as(&place, &image, kind, has_journal);
    }
}

/// Mounts an image, looks at how, and unmounts it.
fn is_mounted_as(place: &Place, image: &Path, kind: &str, has_journal: bool) {
    let before = sha256(image);
    let point = place.at("new/deep/point");
    let told = place.ok(["mount".as_ref(), image.as_os_str(), point.as_os_str()]);
    assert!(
        told.contains(&format!(" ({kind}, ro,nosuid,nodev, ")),
        "{told}"
    );
    let line = mount_line(&point).unwrap();
    for word in [
        kind,
        "ro",
        "nosuid",
        "nodev",
        "noatime",
        "nodiratime",
        "errors=remount-ro",
    ] {
        assert!(
            line.split([' ', ',']).any(|found| found == word),
            "{kind}: no {word} in {line}"
        );
    }
    // The kernel's name for noload.
    assert_eq!(line.contains("norecovery"), has_journal, "{line}");
    assert_eq!(fs::read(point.join("dir/file")).unwrap(), b"content\n");
    assert!(fs::write(point.join("new"), b"").is_err());
    let device = line.split(' ').next().unwrap();
    let read_only = fs::read_to_string(device.replace("/dev", "/sys/block") + "/ro").unwrap();
    assert_eq!(read_only, "1\n");
    // Some kernels open a read-only device for writing, and then write nothing.
    let block = fs::read(image).unwrap()[..4096].to_vec();
    let opened = fs::OpenOptions::new().write(true).open(device);
    assert!(opened.is_err() || opened.is_ok_and(|file| file.write_all_at(&block, 0).is_err()));
    place.ok(["umount".as_ref(), point.as_os_str()]);
    assert_eq!(mount_line(&point), None);
    assert_eq!(sha256(image), before, "{kind}");
    fs::remove_dir_all(place.at("new")).unwrap();
}

#[test]
fn the_mounted_tree_is_the_one_that_mount_of_the_system_shows_and_that_was_pressed() {
    let Some(place) = place() else { return };
    place.mount("m");
    let ours = directory_listing(&place.at("m"));
    let differences = compare(&kernel_listing(&place.image), &ours);
    assert!(differences.is_empty(), "{}", differences[0]);
    let source = directory_listing(&place.at("tree"));
    let differences: Vec<_> = compare(&source, &ours)
        .into_iter()
        // What mke2fs makes, and so changes the root directory's time.
        .filter(|difference| ![&b"lost+found"[..], b""].contains(&difference.path()))
        .collect();
    assert!(differences.is_empty(), "{}", differences[0]);
    // Held against something else it must differ.
    fs::write(place.at("tree/dir/file"), b"changed\n").unwrap();
    assert!(!compare(&directory_listing(&place.at("tree")), &ours).is_empty());
}

#[test]
fn suid_and_device_nodes_count_only_when_asked_for() {
    let Some(place) = place() else { return };
    for (options, absent) in [
        (&["--suid"][..], &["nosuid"][..]),
        (&["--dev"], &["nodev"]),
        (&["--suid", "--dev"], &["nosuid", "nodev"]),
    ] {
        let arguments = ["mount"].iter().chain(options).map(OsStr::new);
        let point = place.at("m");
        place.ok(arguments.chain([place.image.as_os_str(), point.as_os_str()]));
        let line = mount_line(&point).unwrap();
        for word in ["nosuid", "nodev"] {
            assert_eq!(line.contains(word), !absent.contains(&word), "{line}");
        }
        place.ok(["umount".as_ref(), point.as_os_str()]);
    }
}

#[test]
fn an_image_that_asks_for_a_panic_on_errors_does_not_get_it() {
    let Some(place) = place() else { return };
    succeed(
        "tune2fs",
        ["-e".as_ref(), "panic".as_ref(), place.image.as_os_str()],
    );
    let before = sha256(&place.image);
    place.mount("m");
    let line = mount_line(&place.at("m")).unwrap();
    assert!(line.contains("errors=remount-ro"), "{line}");
    place.umount("m");
    assert_eq!(sha256(&place.image), before);
}

#[test]
fn one_image_can_be_mounted_twice_and_its_name_unmounts_both() {
    let Some(place) = place() else { return };
    place.mount("one");
    place.mount("two");
    let device = |name: &str| fs::metadata(place.at(name)).unwrap().dev();
    assert_ne!(device("one"), device("two"));
    assert_eq!(place.loop_devices(), 2);
    let told = place.ok(["umount".as_ref(), place.image.as_os_str()]);
    let order: Vec<_> = told
        .lines()
        .map(|line| line.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(order, ["two unmounted", "one unmounted"], "newest first");
    assert!(place.at("one").is_dir(), "the directories stay");
}

#[test]
fn an_image_with_an_odd_name_or_another_name_is_found_again() {
    let Some(place) = place() else { return };
    let odd = place.at("a b\\\t\u{e4}\n.img");
    fs::rename(&place.image, &odd).unwrap();
    let point = place.at("m \\040\n");
    place.ok(["mount".as_ref(), odd.as_os_str(), point.as_os_str()]);
    fs::hard_link(&odd, place.at("link.img")).unwrap();
    std::os::unix::fs::symlink("link.img", place.at("symlink.img")).unwrap();
    place.ok(["umount".as_ref(), place.at("symlink.img").as_os_str()]);
    place.ok(["mount".as_ref(), odd.as_os_str(), point.as_os_str()]);
    let mut relative = layerpress(["umount", "./m \\040\n"]);
    let relative = output_of(relative.current_dir(place.directory()));
    assert!(relative.status.success(), "{relative:?}");
    assert_eq!(place.loop_devices_left(), 0);
}

#[test]
fn a_deleted_image_stays_mounted_and_is_unmounted_by_its_old_name() {
    let Some(place) = place() else { return };
    place.mount("m");
    fs::remove_file(&place.image).unwrap();
    assert!(place.at("m/dir/file").exists());
    let list = place.ok(["mount", "--list"]);
    assert!(list.contains("a.img (deleted)\n"), "{list}");
    place.ok(["umount".as_ref(), place.image.as_os_str()]);
    assert_eq!(place.loop_devices_left(), 0);
}
