//! A filesystem of any kind and size goes on living once it is mounted for writing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use layerpress::ext::{JournalSize, Kind, Room, SizePolicy};
use layerpress::units::ByteSize;
use support::kernel_made;
use support::oracles;
use support::press::{Wanted, press_with};
use support::rootfs::{Item, Rootfs, What, bytes, directory, file, link, sparse, symlink};
use support::workload::live;

/// Things that are worked beside.
fn rootfs() -> Rootfs {
    let mut items = vec![
        directory("bin").mode(0o755),
        file("bin/tool", bytes(700_000)).xattr("user.large", bytes(900)),
        link("bin/other", "bin/tool"),
        symlink("lib", "t".repeat(70)),
        sparse("hole", 1 << 30, &[(1 << 29, &bytes(5000))]),
        Item::new("null", What::Character(1, 3)),
        directory("many"),
    ];
    items.extend((0..2500).map(|index| file(format!("many/{index:0>40}"), bytes(index % 5000))));
    Rootfs::of(items)
}

/// One group, two, more than 2 GiB, and room beside what is needed.
fn sizes() -> [SizePolicy; 4] {
    [
        SizePolicy::Exact(ByteSize(100 << 20)),
        SizePolicy::Exact(ByteSize(200 << 20)),
        SizePolicy::Exact(ByteSize(2100 << 20)),
        SizePolicy::FitPlus(ByteSize(30 << 20)),
    ]
}

/// Works in filesystems of a kind, with each of these journals and of every size.
fn lives(kind: Kind, journals: &[JournalSize]) {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let rootfs = rootfs();
    for &journal in journals {
        for size in sizes() {
            let room = Room {
                free_inodes: 2000,
                journal,
            };
            let wanted = Wanted { kind, size, room };
            let pressed = press_with(&rootfs, wanted);
            let pressed = pressed.unwrap_or_else(|error| panic!("{wanted:?}: {error}"));
            let done = live(&pressed.image(), 3000);
            assert_eq!(done.operations, 3000);
            let is_roomy = matches!(size, SizePolicy::Exact(_));
            assert!(!is_roomy || done.refused == 0, "{wanted:?}: {done:?}");
        }
    }
}

#[test]
fn an_ext2_of_every_size_lives_when_it_is_mounted_read_write() {
    lives(Kind::Ext2, &[JournalSize::None]);
}

#[test]
fn an_ext3_of_every_size_and_journal_lives_when_it_is_mounted_read_write() {
    lives(Kind::Ext3, &[JournalSize::Auto, JournalSize::Mebibytes(16)]);
}

#[test]
fn an_ext4_of_every_size_and_journal_lives_when_it_is_mounted_read_write() {
    let journals = [
        JournalSize::None,
        JournalSize::Auto,
        JournalSize::Mebibytes(16),
    ];
    lives(Kind::Ext4, &journals);
}

/// The work itself is sound, and is noticed where the filesystem is not.
#[test]
fn what_mke2fs_makes_lives_and_what_is_damaged_does_not() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    kernel_made::make("-t ext4 -T default", "64M", &image);
    assert!(live(&image, 3000).refused < 100);
    // A directory that has no inode behind its name.
    oracles::debugfs_write(&image, &["clri /work/crowd"]);
    let found = std::panic::catch_unwind(|| oracles::e2fsck_clean_after_use(&image));
    found.expect_err("a directory is gone");
}
