//! Every kind, populated: sound, also by its backups, and as it went in.

use layerpress::ext::{JournalSize, Kind, Room, SizePolicy};
use layerpress::units::ByteSize;

use crate::support::oracles::succeed;
use crate::support::press::{Wanted, press_with};
use crate::support::rootfs::{
    Item, Rootfs, What, bytes, directory, file, link, sparse, symlink, zeros,
};

/// Each kind with a journal and without.
pub const KINDS: [(Kind, JournalSize); 4] = [
    (Kind::Ext2, JournalSize::None),
    (Kind::Ext3, JournalSize::Auto),
    (Kind::Ext4, JournalSize::Auto),
    (Kind::Ext4, JournalSize::None),
];

pub fn wanted(kind: Kind, journal: JournalSize, size: SizePolicy) -> Wanted {
    let room = Room {
        free_inodes: 0,
        journal,
    };
    Wanted { kind, size, room }
}

/// A bit of everything: directories of one block and of many, shared attributes, holes, and files
/// that need a map.
fn everything() -> Rootfs {
    let mut items = vec![
        directory("").mode(0o755),
        directory("bin"),
        file("bin/busybox", bytes(1_000_000)).mode(0o4755),
        link("bin/sh", "bin/busybox"),
        symlink("bin/ash", "busybox"),
        directory("dev"),
        Item::new("dev/null", What::Character(1, 3)).mode(0o666),
        Item::new("dev/sda", What::Block(8, 0)).owner(0, 6),
        Item::new("run", What::Fifo).mode(0o600),
        directory("home").owner(100_000, 100_000).mtime(-5, 5),
        file("home/empty", *b""),
        file("home/wide", bytes(20_000)).xattr("user.large", bytes(1000)),
        file("home/same", bytes(3)).xattr("user.large", bytes(1000)),
        file("home/tagged", bytes(3)).xattr("user.small", "s"),
        symlink("home/long", "t".repeat(300)),
        symlink("home/longest-inside", "t".repeat(59)),
        symlink("home/shortest-outside", "t".repeat(60)),
        zeros("home/zeros", 5 << 20),
        file("large", bytes(9_000_000)),
        directory("many"),
    ];
    let pieces: Vec<_> = (0..7)
        .map(|piece| (piece * 9_000_000, bytes(9000)))
        .collect();
    let pieces: Vec<_> = pieces.iter().map(|(at, bytes)| (*at, &bytes[..])).collect();
    items.push(sparse("home/sparse", 100 << 20, &pieces));
    let many = (0..3000).map(|index| file(format!("many/file number {index}"), bytes(index % 99)));
    items.extend(many);
    Rootfs::of(items)
}

#[test]
fn every_kind_is_sound_and_shows_what_went_in() {
    for (kind, journal) in KINDS {
        for size in [SizePolicy::Fit, SizePolicy::Exact(ByteSize(300 << 20))] {
            let pressed = press_with(&everything(), wanted(kind, journal, size)).unwrap();
            let judged = pressed.judged();
            if size != SizePolicy::Fit {
                let image = judged.image();
                let image = image.to_str().unwrap();
                succeed("e2fsck", ["-fn", "-b", "32768", image]);
            }
        }
    }
}

/// Bug that this would show: a group that mke2fs leaves without bitmaps is not written, or not as it
/// is; which ones it leaves depends on its version and on the size.
#[test]
fn every_group_of_ext4_is_written_whatever_the_number_and_the_size_of_groups() {
    let small = || Rootfs::of([directory(""), file("one", bytes(700_000)), directory("two")]);
    let mib = |mib: u64| SizePolicy::Exact(ByteSize(mib << 20));
    for (size, free_inodes, blocks_per_group) in [
        (mib(130), 0, 32_768),
        (mib(512), 0, 32_768),
        // The seventeenth group begins another set of tables.
        (mib(2100), 0, 32_768),
        (mib(3 << 10), 0, 32_768),
        // Inodes beyond what the bitmap of a group holds: more groups, and smaller ones.
        (mib(300), 120_000, 24_936),
    ] {
        for journal in [JournalSize::Auto, JournalSize::None] {
            let mut wanted = wanted(Kind::Ext4, journal, size);
            wanted.room.free_inodes = free_inodes;
            let pressed = press_with(&small(), wanted).unwrap();
            assert_eq!(
                pressed.plan.sized.geometry.blocks_per_group,
                blocks_per_group
            );
            pressed.checked();
            pressed.seen_by_the_kernel();
            let (image, backup) = (pressed.image(), blocks_per_group.to_string());
            let image = image.to_str().unwrap();
            succeed("e2fsck", ["-fn", "-b", &*backup, "-B", "4096", image]);
            // What mke2fs has left without bitmaps, or has not counted, is told.
            let told = String::from_utf8(succeed("dumpe2fs", [image])).unwrap();
            assert!(!told.contains("UNINIT"), "{told}");
            assert!(told.contains("ITABLE_ZEROED"), "{told}");
            assert!(!told.contains("Lifetime writes"), "{told}");
        }
    }
}

#[test]
fn a_sparse_file_of_nearly_16_tib_is_whole_on_ext4() {
    let size = (1 << 44) - 4096;
    let (first, last) = (bytes(5000), bytes(4096));
    let pieces = [(0, &first[..]), (1 << 41, &last), (size - 4096, &last)];
    let rootfs = Rootfs::of([directory(""), sparse("huge", size, &pieces)]);
    let pressed = press_with(
        &rootfs,
        wanted(Kind::Ext4, JournalSize::Auto, SizePolicy::Fit),
    )
    .unwrap();
    pressed.checked();
    let stat = pressed.debugfs("stat /huge");
    assert!(stat.contains("Size: 17592186040320"), "{stat}");
    assert!(stat.contains("(4294967294)"), "{stat}");
}

#[test]
fn a_directory_of_more_subdirectories_than_links_are_counted_has_one_link_on_ext4() {
    let count = 65_000;
    let mut items = vec![directory(""), directory("many")];
    items.extend((0..count).map(|index| directory(format!("many/{index}"))));
    let rootfs = Rootfs::of(items);
    let wanted = wanted(Kind::Ext4, JournalSize::None, SizePolicy::Fit);
    let pressed = press_with(&rootfs, wanted).unwrap();
    pressed.checked();
    let stat = pressed.debugfs("stat /many");
    assert!(stat.contains("Links: 1 "), "{stat}");
}
