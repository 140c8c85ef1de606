//! A filesystem that is laid out like an earlier one: what stays where it was, that nothing else
//! comes of it, and that every judge takes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod chains;
mod hostile;
mod made_up;
mod sizes;
mod updates;

use std::path::Path;

use layerpress::ext::{Figures, JournalSize, Kind, Layout, Likeness, Room, SizePolicy};
use layerpress::units::BLOCK_SIZE;

use support::press::{Pressed, Wanted};
use support::rootfs::{Rootfs, bytes, directory, file, link, symlink};

/// Every kind, with its own journal or without one.
fn kinds() -> [Wanted; 4] {
    let of = |kind, journal| Wanted {
        room: Room {
            journal,
            free_inodes: 0,
        },
        ..Wanted::kind(kind)
    };
    [
        of(Kind::Ext2, JournalSize::Auto),
        of(Kind::Ext3, JournalSize::Auto),
        of(Kind::Ext4, JournalSize::Auto),
        of(Kind::Ext4, JournalSize::None),
    ]
}

/// The same without a wish of its own for a journal.
fn like(wanted: Wanted) -> Wanted {
    Wanted {
        size: SizePolicy::default(),
        ..Wanted::kind(wanted.kind)
    }
}

/// Directories, files of every form of map, holes, hard links, targets, and shared attributes; with
/// room to grow.
fn sample() -> Rootfs {
    let acl = vec![b'v'; 300];
    let mut items = vec![
        directory(""),
        directory("a"),
        directory("a/deep"),
        directory("b"),
    ];
    for index in 0..40 {
        items.push(file(format!("a/f{index:02}"), bytes(1 + index * 1500)));
        let item = file(format!("b/x{index:02}"), bytes(5000));
        items.push(item.xattr("user.long", &acl));
    }
    items.push(file("a/deep/large", bytes(9 << 20)));
    items.push(file("b/middle", bytes(100_000)));
    items.push(link("b/zlink", "a/f03"));
    items.push(symlink("b/target", [b't'; 200]));
    items.push(support::rootfs::sparse(
        "b/sparse",
        50_000_000,
        &[(0, &[1; 5000]), (20_000_000, &[2; 70_000])],
    ));
    for index in 0..400 {
        items.push(file(format!("b/name-{index:0>120}"), b""));
    }
    Rootfs::of(items)
}

fn read(image: &Path) -> Vec<u8> {
    std::fs::read(image).unwrap()
}

/// How many blocks differ at the same offset.
fn differing_blocks(one: &Path, other: &Path) -> usize {
    let (one, other) = (read(one), read(other));
    let block = BLOCK_SIZE as usize;
    let pairs = one.chunks(block).zip(other.chunks(block));
    pairs.filter(|(one, other)| one != other).count() + one.len().abs_diff(other.len()) / block
}

fn likeness(pressed: &Pressed) -> &Likeness {
    pressed.plan.likeness.as_ref().unwrap()
}

/// The figures of an image in the size of the earlier one. They add up to what the tree takes.
fn kept_figures(pressed: &Pressed) -> Figures {
    let likeness = likeness(pressed);
    assert_eq!(likeness.layout, Layout::Kept);
    figures(pressed)
}

fn figures(pressed: &Pressed) -> Figures {
    let figures = likeness(pressed).figures;
    let blocks = figures.kept.blocks + figures.moved.blocks + figures.new.blocks;
    assert_eq!(blocks, pressed.plan.demand.blocks(), "{figures:?}");
    let inodes = figures.kept.inodes + figures.moved.inodes + figures.new.inodes;
    assert_eq!(inodes, pressed.tree.nodes().len() as u64, "{figures:?}");
    figures
}
