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
