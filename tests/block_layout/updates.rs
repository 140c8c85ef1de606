//! What ARCHITECTURE.md promises of updates, for every kind, its UUID being the same.

use std::collections::{BTreeMap, BTreeSet};

use layerpress::ext::{JournalSize, Kind, SizePolicy};

use crate::kinds::{KINDS, wanted};
use crate::places::{Block, Use, blocks_of};
use crate::support::press::{Pressed, press_with};
use crate::support::rootfs::{Item, Rootfs, bytes, directory, file, sparse, symlink, zeros};

/// Files large enough for maps between small ones, in directories of one block and of many.
fn tree(changed: Item, added: Option<Item>) -> Rootfs {
    let mut items = vec![
        directory(""),
        directory("etc"),
        changed,
        file("etc/large", bytes(300_000)),
        file("etc/noted", bytes(70)).xattr("user.large", bytes(1000)),
        directory("usr"),
        file("usr/larger", bytes(6_000_000)),
        symlink("usr/long", "t".repeat(200)),
        zeros("usr/zeros", 1 << 20),
        directory("usr/many"),
        directory("var"),
        file("var/last", bytes(200_000)).xattr("user.large", bytes(999)),
    ];
    let pieces: Vec<_> = (0..6_u64).map(|at| (at << 20, bytes(5000))).collect();
    let pieces: Vec<_> = pieces.iter().map(|(at, piece)| (*at, &piece[..])).collect();
    items.push(sparse("var/holes", 7 << 20, &pieces));
    items.extend((0..900).map(|index| file(format!("usr/many/of them {index}"), bytes(index * 7))));
    items.extend(added);
    Rootfs::of(items)
}

fn settings(length: usize) -> Item {
    file("etc/changed", bytes(length))
}

fn pressed(kind: Kind, journal: JournalSize, tree: &Rootfs) -> Pressed {
    press_with(tree, wanted(kind, journal, SizePolicy::Fit)).unwrap()
}

/// The blocks by what they are called; attributes that are shared have one name of several.
fn by_name(pressed: &Pressed) -> BTreeMap<String, Block> {
    let blocks = blocks_of(&pressed.image()).into_values();
    blocks.map(|block| (block.name.clone(), block)).collect()
}

/// The names of blocks that are in both with other bytes.
fn changed(
    one: &BTreeMap<String, Block>,
    other: &BTreeMap<String, Block>,
    used: &[Use],
) -> BTreeSet<String> {
    let both = one
        .iter()
        .filter_map(|(name, block)| Some((block, other.get(name)?)));
    both.filter(|(block, other)| used.contains(&block.used) && block.digest != other.digest)
        .map(|(block, _)| block.name.clone())
        .collect()
}

/// What keeps its bytes wherever it lies. On ext4 an attribute block's checksum tells its place.
fn keep(kind: Kind) -> Vec<Use> {
    let mut keep = vec![Use::Directory, Use::Data];
    if kind != Kind::Ext4 {
        keep.push(Use::Attributes);
    }
    keep
}

#[test]
fn a_change_within_a_files_block_changes_that_block_and_tables_only() {
    for (kind, journal) in KINDS {
        let before = pressed(kind, journal, &tree(settings(5000), None));
        let after = tree(file("etc/changed", vec![7; 5000]), None);
        let after = pressed(kind, journal, &after);
        let (before, after) = (blocks_of(&before.image()), blocks_of(&after.image()));
        assert!(before.keys().eq(after.keys()), "{kind}");
        let differ = before
            .iter()
            .filter(|(number, block)| after[number] != **block);
        let differ: Vec<_> = differ.map(|(_, block)| &*block.name).collect();
        assert_eq!(
            differ,
            [
                "/etc/changed: block 0 of the file",
                "/etc/changed: block 1 of the file"
            ],
            "{kind}"
        );
    }
}

#[test]
fn a_file_that_grows_changes_its_own_blocks_and_maps_and_tables() {
    for (kind, journal) in KINDS {
        let before = pressed(kind, journal, &tree(settings(5000), None));
        let after = pressed(kind, journal, &tree(settings(25_000), None));
        let (numbers, moved) = (blocks_of(&before.image()), blocks_of(&after.image()));
        // Everything behind it moves, which is what is promised to cost nothing.
        let places = |blocks: &BTreeMap<u64, Block>| {
            let places = blocks
                .iter()
                .map(|(number, block)| (block.name.clone(), *number));
            places.collect::<BTreeMap<_, _>>()
        };
        let (from, to) = (places(&numbers), places(&moved));
        let last = "/usr/larger: block 1400 of the file";
        assert_ne!(from[last], to[last], "{kind}");
        let (before, after) = (by_name(&before), by_name(&after));
        let differ = changed(&before, &after, &keep(kind));
        // The block that was filled up.
        assert_eq!(
            Vec::from_iter(differ),
            ["/etc/changed: block 1 of the file"],
            "{kind}"
        );
        let maps = changed(&before, &after, &[Use::Map]);
        assert!(!maps.is_empty(), "{kind}: the comparison sees what changes");
    }
}

#[test]
fn a_name_that_comes_changes_directories_and_no_data() {
    for (kind, journal) in KINDS {
        let before = pressed(kind, journal, &tree(settings(5000), None));
        let added = file("bin", bytes(12_000));
        let after = pressed(kind, journal, &tree(settings(5000), Some(added)));
        let (before, after) = (by_name(&before), by_name(&after));
        let without_directories: Vec<_> = keep(kind)
            .into_iter()
            .filter(|used| *used != Use::Directory)
            .collect();
        assert_eq!(
            changed(&before, &after, &without_directories),
            [].into(),
            "{kind}"
        );
        // Inodes are numbered in the tree's order, and directories tell numbers.
        let directories = changed(&before, &after, &[Use::Directory]);
        assert!(
            directories.contains("/: block 0 of the directory"),
            "{kind}: {directories:?}"
        );
        let count = |blocks: &BTreeMap<String, Block>| {
            let many = blocks.keys().filter(|name| name.starts_with("/usr/many: "));
            many.count()
        };
        assert_eq!(count(&before), count(&after), "{kind}");
        assert!(count(&before) > 5, "{kind}");
    }
}

#[test]
fn each_use_lies_in_one_place_and_in_the_trees_order() {
    for (kind, journal) in KINDS {
        let pressed = pressed(kind, journal, &tree(settings(5000), None));
        let mut blocks = blocks_of(&pressed.image());
        // These mke2fs has placed.
        blocks.retain(|_, block| {
            let is_first = block.name == "/: block 0 of the directory";
            !is_first && !block.name.starts_with("/lost+found:")
        });
        let order: Vec<_> = blocks
            .values()
            .map(|block| match (block.used, kind) {
                // Behind what they map.
                (Use::Map, Kind::Ext4) => (Use::Data, block.inode),
                (used, _) => (used, block.inode),
            })
            .collect();
        assert!(order.is_sorted(), "{kind}: {order:?}");
        let uses: BTreeSet<_> = blocks.values().map(|block| block.used).collect();
        let all = [Use::Directory, Use::Attributes, Use::Map, Use::Data];
        assert_eq!(uses, all.into(), "{kind}: nothing is compared with nothing");
    }
}
