//! Filesystems that others made and changed: what the kernel shows of them is what their layers show.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use layerpress::export::LayerOptions;
use layerpress::ext::Kind;
use layerpress::listing::{Listing, compare};
use layerpress::ondisk::inode::LATEST_SECOND;

use crate::changed::scenario;
use crate::rig::{Image, Layer, pressed};
use crate::support::oracles::{self, Mounted};
use crate::support::rootfs::{Rootfs, directory, file};
use crate::support::tarball::write_tar;
use crate::support::{kernel_made, sample};

/// The kernel's view without what a layer leaves out.
fn kernel_listing(image: &Path, layer: &Layer) -> Listing {
    let mut listing = oracles::kernel_listing(image);
    for root in listing.lines_mut().take(1) {
        root.link_count = root.link_count.map(|count| count - 1);
    }
    assert!(layer.exported.left_out_lost_found);
    listing.remove(b"lost+found").unwrap();
    for line in listing.lines_mut() {
        line.file_flags = None;
    }
    listing
}

fn expect_same(expected: &Listing, found: &Listing, what: &str) {
    let differences = compare(expected, found);
    let shown: Vec<_> = differences
        .iter()
        .take(10)
        .map(ToString::to_string)
        .collect();
    assert!(shown.is_empty(), "{what}: {}", shown.join("\n"));
}

#[test]
fn what_the_kernel_wrote_is_in_the_layer() {
    if !oracles::is_root() {
        oracles::skip("only root mounts");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    for options in [
        "-t ext2 -b 1024 -I 128",
        "-t ext3 -b 4096",
        "-t ext4 -b 4096",
        "-t ext4 -b 1024 -O inline_data,ea_inode,bigalloc -C 16384",
    ] {
        kernel_made::make_and_fill(options, &image, 300);
        let layer = Layer::of(&image, None, &LayerOptions::default()).unwrap();
        expect_same(&kernel_listing(&image, &layer), &layer.shown(None), options);
        assert!(layer.exported.entries > 900, "{options}");
        // A tar of the mounted tree, which GNU tar unpacks from the layer alone.
        let unpacked = tempfile::tempdir().unwrap();
        let tar = directory.path().join("layer.tar");
        fs::write(&tar, layer.bytes()).unwrap();
        oracles::succeed(
            "tar",
            [
                "--extract".as_ref(),
                "--numeric-owner".as_ref(),
                "--xattrs".as_ref(),
                "--xattrs-include=*".as_ref(),
                "--same-permissions".as_ref(),
                "--file".as_ref(),
                tar.as_os_str(),
                "--directory".as_ref(),
                unpacked.path().as_os_str(),
            ],
        );
        let mut unpacked = oracles::directory_listing(unpacked.path());
        for line in unpacked.lines_mut() {
            line.file_flags = None;
        }
        let mut expected = kernel_listing(&image, &layer);
        for line in expected.lines_mut() {
            if line.kind == Some(layerpress::listing::Kind::Directory) {
                line.link_count = None;
            }
        }
        expect_same(&expected, &unpacked, options);
    }
}

/// What a guest does to a filesystem that it has mounted.
fn work_in(root: &Path) {
    fs::write(root.join("content"), sample::bytes(20_000)).unwrap();
    fs::remove_dir_all(root.join("deep/in/it")).unwrap();
    fs::rename(root.join("kept/file"), root.join("kept/moved")).unwrap();
    fs::hard_link(root.join("capable"), root.join("kept/capable")).unwrap();
    fs::set_permissions(root.join("linked-one"), PermissionsExt::from_mode(0o600)).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    fs::create_dir(root.join("new")).unwrap();
    symlink("../content", root.join("new/link")).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(root.join("few-gone"), "user.large", &[7; 900], flags).unwrap();
    oracles::succeed(
        "setfacl",
        ["-m", "u:1234:rw", root.join("time").to_str().unwrap()],
    );
    oracles::succeed("chattr", ["+d", root.join("owner").to_str().unwrap()]);
    let sparse = fs::File::create(root.join("new/sparse")).unwrap();
    sparse.set_len(5 << 20).unwrap();
}

#[test]
fn what_a_guest_did_is_in_the_layer() {
    if !oracles::is_root_with(&["setfacl", "chattr"]) {
        return;
    }
    let (before, _) = scenario();
    for kind in [Kind::Ext2, Kind::Ext3, Kind::Ext4] {
        let pressed = pressed(&before, kind);
        work_in(&Mounted::read_write(&pressed.image()).mount_point());
        let base = Image::of(&before);
        let options = LayerOptions::default();
        let layer = Layer::of(&pressed.image(), Some(&base.base()), &options).unwrap();
        let mut expected = kernel_listing(&pressed.image(), &layer);
        expected.remove(b"socket").unwrap();
        expect_same(&expected, &layer.shown(Some(&base)), &format!("{kind:?}"));
        assert_eq!(layer.exported.left_out_sockets, 1);
        let names = layer.names();
        for changed in [
            "content",
            "deep/in/.wh.it",
            "kept/.wh.file",
            "kept/moved",
            "new/link",
        ] {
            assert!(
                names.iter().any(|name| name == changed),
                "{changed}: {names:#?}"
            );
        }
        for same in ["split-one", "kept/null", "all-gone/", "becomes-file/"] {
            assert!(!names.iter().any(|name| name == same), "{same}: {names:#?}");
        }
    }
}

#[test]
fn times_that_small_inodes_cannot_hold_are_no_change() {
    if !oracles::is_root() {
        oracles::skip("only root mounts");
        return;
    }
    let rootfs = Rootfs::of([
        directory("").mtime(1_700_000_000, 5),
        file("early", *b"x").mtime(-5_000_000_000, 0),
        file("exact", *b"x").mtime(1_700_000_000, 123_456_789),
        file("late", *b"x").mtime(1 << 33, 7),
    ]);
    let directory = tempfile::tempdir().unwrap();
    let (image, tar) = (directory.path().join("image"), directory.path().join("tar"));
    write_tar(&rootfs, &tar);
    kernel_made::make("-t ext2 -I 128", "8M", &image);
    {
        let mounted = Mounted::read_write(&image);
        let at = mounted.mount_point();
        oracles::succeed(
            "tar",
            [
                "-xpf".as_ref(),
                tar.as_os_str(),
                "-C".as_ref(),
                at.as_os_str(),
            ],
        );
    }
    let base = Image::of(&rootfs);
    let layer = Layer::of(&image, Some(&base.base()), &LayerOptions::default()).unwrap();
    assert!(layer.exported.is_empty(), "{:?}", layer.names());
    // The check can fail.
    oracles::debugfs_write(&image, &["set_inode_field /exact mtime 20230101000000"]);
    let layer = Layer::of(&image, Some(&base.base()), &LayerOptions::default()).unwrap();
    assert_eq!(layer.names(), ["./", "exact"]);
}

/// Bug: what a kernel had written with a time that a build moves to the last one that e2fsck believes was
/// written anew upon the very image that had been made of it.
#[test]
fn a_filesystem_with_times_that_no_build_gives_is_nothing_upon_its_own_image() {
    for kind in [Kind::Ext3, Kind::Ext4] {
        let rootfs = Rootfs::of([directory(""), file("late", "x"), file("now", "y")]);
        let pressed = pressed(&rootfs, kind);
        let image = pressed.image();
        // Of 2431.
        oracles::debugfs_write(&image, &["sif /late mtime_extra 3"]);
        let whole = Layer::of(&image, None, &LayerOptions::default()).unwrap();
        let own = Image::of_layer(&whole);
        let late = own.entries.iter().find(|entry| *entry.path == *b"late");
        assert!(late.unwrap().mtime.seconds > LATEST_SECOND);
        let layer = Layer::of(&image, Some(&own.base()), &LayerOptions::default()).unwrap();
        assert!(layer.exported.is_empty(), "{kind}: {:?}", layer.names());
        // Another such time is a change, though a build would make them one.
        oracles::debugfs_write(&image, &["sif /late mtime_extra 2"]);
        oracles::debugfs_write(&image, &["sif /now mtime_extra 3"]);
        let layer = Layer::of(&image, Some(&own.base()), &LayerOptions::default()).unwrap();
        assert_eq!(layer.names(), ["./", "late", "now"], "{kind}");
    }
}
