//! What ext4 has limits of its own for: extents, directories whose blocks end with checksums, groups
//! whose tables lie together, directories that are no longer counted. Every checksum is recomputed.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use layerpress::ext::{JournalSize, Kind, Room, SizePolicy};
use layerpress::units::{BLOCK_SIZE, ByteSize};

use super::support::oracles::{Mounted, is_root, skip};
use super::support::press::{Pressed, Wanted, press_tree, press_with};
use super::support::rootfs::{Item, Rootfs, bytes, directory, file, link, mostly_zeros, sparse};
use super::support::second_reader::{Checked, Structure, recompute};

fn ext4(size: SizePolicy) -> Wanted {
    Wanted {
        kind: Kind::Ext4,
        ..Wanted::size(size)
    }
}

fn press(rootfs: &Rootfs) -> Pressed {
    press_with(rootfs, ext4(SizePolicy::default())).unwrap()
}

fn checksums(pressed: &Pressed) -> Checked {
    recompute(&pressed.image()).clean()
}

/// Blocks that an inode says it has, by debugfs.
fn blocks_of(pressed: &Pressed, path: &str) -> u64 {
    let stat = pressed.debugfs(&format!("stat {path}"));
    let sectors = stat.split("Blockcount: ").nth(1);
    let sectors = sectors.and_then(|rest| rest.split_whitespace().next());
    let sectors: u64 = sectors.unwrap_or_else(|| panic!("{stat}")).parse().unwrap();
    assert_eq!(sectors % 8, 0, "{stat}");
    sectors / 8
}

/// Extents of a file, by debugfs: lines that begin with the last level they are on.
fn extents_of(pressed: &Pressed, path: &str) -> usize {
    let dump = pressed.debugfs(&format!("dump_extents {path}"));
    let lines = dump.lines().filter(|line| {
        let levels = line.split_whitespace().next();
        let levels = levels.and_then(|levels| levels.strip_suffix('/'));
        let rest = line.split_whitespace().nth(1);
        levels.is_some() && levels == rest
    });
    lines.count()
}

/// A file of so many blocks of data, each alone.
fn scattered(count: u64) -> Item {
    let block = bytes(4096);
    let pieces: Vec<_> = (0..count)
        .map(|index| (index * 2 * BLOCK_SIZE, &block[..]))
        .collect();
    sparse(format!("{count}"), (2 * count - 1) * BLOCK_SIZE, &pieces)
}

#[test]
fn files_of_4_340_and_1360_extents_and_of_one_more_have_the_levels_they_need() {
    // The inode holds 4, a block 340; a second level begins where 4 blocks do not do.
    let extent_blocks = [
        (1, 0),
        (4, 0),
        (5, 1),
        (340, 1),
        (341, 2),
        (680, 2),
        (681, 3),
        (1360, 4),
        (1361, 5 + 1),
        (3000, 9 + 1),
    ];
    let pressed = press(&Rootfs::of(
        extent_blocks.map(|(count, _)| scattered(count)),
    ))
    .judged();
    for (count, more) in extent_blocks {
        let path = format!("/{count}");
        assert_eq!(blocks_of(&pressed, &path), count + more, "{count}");
        assert_eq!(extents_of(&pressed, &path) as u64, count);
    }
    let more = extent_blocks.map(|(_, more)| more).iter().sum::<u64>();
    assert_eq!(checksums(&pressed).count(Structure::ExtentBlock), more);
}

#[test]
fn files_of_32_768_blocks_and_of_one_more_are_whole() {
    let block = bytes(4096);
    let items = [32_767, 32_768, 32_769, 65_536, 65_537_u64].map(|blocks| {
        let last = [(0, &block[..]), ((blocks - 1) * BLOCK_SIZE, &block[..])];
        mostly_zeros(format!("{blocks}"), blocks * BLOCK_SIZE, &last)
    });
    let pressed = press_tree(&Rootfs::of(items), ext4(SizePolicy::Fit)).unwrap();
    pressed.checked();
    pressed.read_back();
    for blocks in [32_767, 32_768, 32_769, 65_536, 65_537] {
        let path = format!("/{blocks}");
        let extents = extents_of(&pressed, &path);
        // One for each 32,768 blocks, and for each cut that lies in it.
        let least = usize::try_from(u64::div_ceil(blocks, 32_768)).unwrap();
        assert!(
            (least..=least + 4).contains(&extents),
            "{blocks}: {extents}"
        );
        let more = blocks_of(&pressed, &path) - blocks;
        assert_eq!(more, u64::from(extents > 4));
    }
}

/// A directory of names that take so many bytes beside its dots.
fn directory_of(path: &str, names_bytes: usize) -> Vec<Item> {
    let mut items = vec![directory(path)];
    let mut left = names_bytes;
    while left > 0 {
        let length = if left > 520 { 260 } else { left.min(260) };
        let index = items.len();
        let width = length - 8;
        items.push(file(format!("{path}/{index:0>width$}"), *b""));
        left -= length;
    }
    items
}

#[test]
fn a_directory_of_4084_bytes_has_one_block_and_one_that_is_longer_an_index() {
    // Names take multiples of 4 bytes.
    let mut items = directory_of("full", 4084 - 24);
    items.extend(directory_of("more", 4088 - 24));
    items.extend(directory_of("leaf", 4084));
    items.extend(directory_of("leaves", 4088));
    let pressed = press(&Rootfs::of(items)).judged();
    for (path, blocks) in [("/full", 1), ("/more", 2), ("/leaf", 2), ("/leaves", 3)] {
        assert_eq!(blocks_of(&pressed, path), blocks, "{path}");
        let stat = pressed.debugfs(&format!("stat {path}"));
        let flags = if blocks > 1 { "0x81000" } else { "0x80000" };
        assert!(stat.contains(&format!("Flags: {flags}")), "{stat}");
    }
    let checked = checksums(&pressed);
    assert_eq!(checked.count(Structure::IndexRoot), 3);
    // Theirs, root's one and lost+found's four.
    assert_eq!(checked.count(Structure::Leaf), 1 + 1 + 1 + 2 + 1 + 4);
}

/// A directory of links to a file.
fn links(path: &str, count: usize) -> Vec<Item> {
    let target = format!("{path}-file");
    let mut items = vec![directory(path), file(&target, *b"linked")];
    items.extend((0..count).map(|index| link(format!("{path}/{index:0>248}"), &target)));
    items
}

#[test]
fn the_index_gets_a_second_level_with_its_508th_leaf() {
    // 15 names of 248 bytes are in a leaf, before its checksum.
    let mut items = links("507", 507 * 15);
    items.extend(links("508", 507 * 15 + 1));
    items.extend(links("1100", 1100 * 15));
    let pressed = press(&Rootfs::of(items)).judged();
    assert_eq!(blocks_of(&pressed, "/507"), 1 + 507);
    assert_eq!(blocks_of(&pressed, "/508"), 1 + 1 + 508);
    // An interior block has room for 510.
    assert_eq!(blocks_of(&pressed, "/1100"), 1 + 3 + 1100);
    let checked = checksums(&pressed);
    assert_eq!(checked.count(Structure::IndexRoot), 3);
    assert_eq!(checked.count(Structure::IndexNode), 1 + 3);
    assert_eq!(checked.count(Structure::Leaf), 507 + 508 + 1100 + 5);
}

/// A block of data in every MiB, so that one out of place is noticed.
fn marked(path: &str, mebibytes: u64) -> Item {
    let block = bytes(4096);
    let pieces: Vec<_> = (0..mebibytes)
        .map(|mebibyte| ((mebibyte << 20) + mebibyte % 256 * 4096, &block[..]))
        .collect();
    mostly_zeros(path, mebibytes << 20, &pieces)
}

#[test]
fn files_over_every_cut_are_whole_in_one_group_in_two_and_in_seventeen() {
    // One group has gaps between its bitmaps; the second ends its tables' run, the seventeenth
    // begins another.
    for (mebibytes, groups) in [(5, 1), (40, 1), (120, 1), (122, 2), (300, 3), (2050, 17)] {
        let journals = [JournalSize::Auto, JournalSize::None];
        // The largest takes long.
        for &journal in &journals[..if mebibytes < 1000 { 2 } else { 1 }] {
            let room = Room {
                free_inodes: 0,
                journal,
            };
            let wanted = Wanted {
                room,
                ..ext4(SizePolicy::Fit)
            };
            let rootfs = Rootfs::of([
                file("before", bytes(10)),
                marked("large", mebibytes),
                file("small", bytes(5000)),
            ]);
            let pressed = press_tree(&rootfs, wanted).unwrap();
            pressed.checked();
            let found = pressed.plan.sized.geometry.groups;
            // Without a journal less is needed.
            assert!(
                found == groups || journal == JournalSize::None && found + 1 >= groups,
                "{mebibytes} MiB, {journal:?}: {found}"
            );
            if mebibytes < 1000 {
                pressed.read_back();
                pressed.seen_by_the_kernel();
            } else {
                has_its_marks(&pressed, "large", mebibytes);
            }
        }
    }
}

/// The kernel finds the marks in a file that would take long to be read.
fn has_its_marks(pressed: &Pressed, path: &str, mebibytes: u64) {
    if !is_root() {
        return skip("only root mounts");
    }
    let mounted = Mounted::read_only(&pressed.image());
    let file = File::open(mounted.mount_point().join(path)).unwrap();
    assert_eq!(file.metadata().unwrap().size(), mebibytes << 20);
    let mut found = vec![1; 4096];
    let block = bytes(4096);
    for mebibyte in 0..mebibytes {
        let at = (mebibyte << 20) + mebibyte % 256 * 4096;
        file.read_exact_at(&mut found, at).unwrap();
        assert_eq!(found, block, "{mebibyte}");
        let other = (mebibyte << 20) + (mebibyte + 1) % 256 * 4096;
        file.read_exact_at(&mut found, other).unwrap();
        assert_eq!(found, [0; 4096], "{mebibyte}");
    }
}

#[test]
fn a_filesystem_of_more_than_16_gib_reserves_no_more_descriptors_and_is_sound() {
    let rootfs = Rootfs::of([marked("large", 300), file("small", bytes(5000))]);
    for kind in Kind::ALL {
        let wanted = Wanted {
            kind,
            ..Wanted::size(SizePolicy::Exact(ByteSize(17 << 30)))
        };
        let pressed = press_with(&rootfs, wanted).unwrap().judged();
        let geometry = &pressed.plan.sized.geometry;
        assert_eq!(geometry.groups, 136);
        // Room for growing to 2^32 blocks, or as many blocks as the resize inode reaches.
        let reserved = if kind == Kind::Ext4 { 1024 } else { 1022 };
        assert_eq!(geometry.reserved_descriptor_blocks_per_copy, reserved);
    }
}

#[test]
fn more_inodes_than_blocks_ask_for_are_sound_in_every_kind() {
    for kind in Kind::ALL {
        for (mebibytes, free_inodes) in [(64, 70_000), (300, 200_000), (300, 100)] {
            let room = Room {
                free_inodes,
                journal: JournalSize::Auto,
            };
            let wanted = Wanted {
                kind,
                size: SizePolicy::Exact(ByteSize(mebibytes << 20)),
                room,
            };
            let rootfs = Rootfs::of([directory("d"), file("d/f", bytes(5000))]);
            let pressed = press_with(&rootfs, wanted).unwrap().judged();
            assert!(pressed.plan.free_inodes_after() >= free_inodes);
        }
    }
}

#[test]
fn an_own_lost_and_found_and_shared_attributes_are_kept_with_their_checksums() {
    let value = || bytes(900);
    let mut items = vec![
        directory("lost+found").mode(0o755).owner(7, 8),
        file("one", *b"1").xattr("user.large", value()),
        file("two", *b"2").xattr("user.large", value()),
        directory("three").xattr("user.large", value()),
    ];
    let names = (0..600).map(|index| file(format!("lost+found/{index:0>24}"), *b""));
    items.extend(names);
    let pressed = press(&Rootfs::of(items)).judged();
    let checked = checksums(&pressed);
    assert_eq!(checked.count(Structure::AttributeBlock), 1);
    assert_eq!(
        checked.count(Structure::IndexRoot),
        0,
        "lost+found stays linear"
    );
}

#[test]
fn a_directory_of_64_999_subdirectories_and_more_is_counted_no_longer() {
    for (count, links) in [(64_998, 65_000), (65_100, 1)] {
        let subdirectories = (0..count).map(|index| directory(format!("many/{index}")));
        let items = [directory("many")].into_iter().chain(subdirectories);
        let pressed = press_tree(&Rootfs::of(items), ext4(SizePolicy::default())).unwrap();
        pressed.checked();
        let stat = pressed.debugfs("stat /many");
        assert!(stat.contains(&format!("Links: {links} ")), "{stat}");
        if !is_root() {
            skip("only root mounts");
            continue;
        }
        let mounted = Mounted::read_only(&pressed.image());
        let many = mounted.mount_point().join("many");
        assert_eq!(many.metadata().unwrap().nlink(), links);
        assert_eq!(std::fs::read_dir(&many).unwrap().count(), count);
        let last = many.join((count - 1).to_string());
        assert!(last.metadata().unwrap().is_dir());
    }
}
