//! Lengths of files, holes, and the levels of the block map.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};

use layerpress::ext::SizePolicy;
use layerpress::ondisk::indirect::MAX_FILE_BYTES;
use layerpress::units::{BLOCK_SIZE, ByteSize};
use rustix::fs::SeekFrom;

use super::assert_refused;
use super::support::oracles::{Mounted, e2fsck_clean_after_use, is_root, skip};
use super::support::press::{Pressed, Wanted, host_bytes, press, press_tree, press_with};
use super::support::rootfs::{Rootfs, bytes, file, mostly_zeros, sparse, zeros};

/// Blocks up to the end of each level of the block map.
const DIRECT: u64 = 12;
const SINGLE: u64 = DIRECT + 1024;
const DOUBLE: u64 = SINGLE + 1024 * 1024;

/// Blocks of 4 KiB that an inode says it has, by debugfs.
fn blocks_of(pressed: &Pressed, path: &str) -> u64 {
    let stat = pressed.debugfs(&format!("stat {path}"));
    let sectors = stat.split("Blockcount: ").nth(1);
    let sectors = sectors.and_then(|rest| rest.split_whitespace().next());
    let sectors: u64 = sectors.unwrap_or_else(|| panic!("{stat}")).parse().unwrap();
    assert_eq!(sectors % 8, 0, "{stat}");
    sectors / 8
}

#[test]
fn files_of_every_length_around_a_block_and_the_first_two_levels_are_whole() {
    let blocks = [11, 12, 13, SINGLE - 1, SINGLE, SINGLE + 1];
    let lengths = [0, 1, 4095, 4096, 4097].into_iter().chain(
        blocks
            .into_iter()
            .flat_map(|blocks| [blocks * BLOCK_SIZE, blocks * BLOCK_SIZE - 1]),
    );
    let files = lengths.map(|length| file(format!("{length:08}"), bytes(length as usize)));
    let pressed = press(&Rootfs::of(files)).judged();
    for (length, blocks) in [
        (0, 0),
        (1, 1),
        (4096, 1),
        (4097, 2),
        (DIRECT * BLOCK_SIZE, 12),
        (13 * BLOCK_SIZE, 14),
        (SINGLE * BLOCK_SIZE, 1037),
        ((SINGLE + 1) * BLOCK_SIZE, 1040),
    ] {
        assert_eq!(blocks_of(&pressed, &format!("/{length:08}")), blocks);
    }
}

#[test]
fn data_on_both_sides_of_the_double_and_triple_edge_is_found() {
    let block = bytes(4096);
    let at = |blocks: u64| (blocks * BLOCK_SIZE, &block[..]);
    let mut items = Vec::new();
    for (name, edge) in [("single", DIRECT), ("double", SINGLE), ("triple", DOUBLE)] {
        for (step, blocks) in [edge - 1, edge, edge + 1].into_iter().enumerate() {
            let size = blocks * BLOCK_SIZE;
            let last_two = [at(blocks - 2), at(blocks - 1)];
            items.push(sparse(format!("{name}{step}"), size, &last_two));
        }
    }
    let edges = [0, 11, 12, SINGLE - 1, SINGLE, DOUBLE - 1, DOUBLE];
    let pieces: Vec<_> = edges.into_iter().map(at).collect();
    items.push(sparse("all", (DOUBLE + 1) * BLOCK_SIZE, &pieces));
    let second_child = DOUBLE + 1024 * 1024;
    items.push(sparse(
        "second-child-of-the-triple",
        (second_child + 1) * BLOCK_SIZE,
        &[at(second_child - 1), at(second_child)],
    ));
    let pressed = press(&Rootfs::of(items)).judged();
    // 7 of data; one single, double with two children, triple with one of two levels.
    assert_eq!(blocks_of(&pressed, "/all"), 7 + 1 + 3 + 3);
    assert_eq!(blocks_of(&pressed, "/triple2"), 2 + 2 + 3);
    assert_eq!(
        blocks_of(&pressed, "/second-child-of-the-triple"),
        2 + 1 + 2 + 2
    );
}

#[test]
fn holes_over_whole_maps_have_no_maps_and_no_blocks() {
    let block = bytes(4096);
    let at = |blocks: u64| (blocks * BLOCK_SIZE, &block[..]);
    let pressed = press(&Rootfs::of([
        sparse(
            "over-single",
            (SINGLE + 1) * BLOCK_SIZE,
            &[at(0), at(SINGLE)],
        ),
        sparse(
            "over-child-of-double",
            (SINGLE + 2049) * BLOCK_SIZE,
            &[at(SINGLE), at(SINGLE + 2048)],
        ),
        sparse(
            "over-double",
            (DOUBLE + 1) * BLOCK_SIZE,
            &[at(1), at(DOUBLE)],
        ),
        sparse("tail", 100 * BLOCK_SIZE + 5, &[at(0), at(20)]),
        sparse("nothing", 1 << 40, &[]),
        sparse("nothing-small", 1, &[]),
        sparse(
            "inside-a-block",
            20_000,
            &[(10, b"a"), (100, b"b"), (12_300, b"c")],
        ),
        sparse("up-to-its-end", 12_345, &[(8345, &block[..4000])]),
        sparse("zeros-in-an-extent", 1 << 20, &[(65_536, &[0; 16_384])]),
    ]))
    .judged();
    for (path, blocks) in [
        ("/over-single", 2 + 2),
        ("/over-child-of-double", 2 + 1 + 2),
        ("/over-double", 2 + 3),
        ("/tail", 2 + 1),
        ("/nothing", 0),
        ("/nothing-small", 0),
        ("/inside-a-block", 2),
        ("/up-to-its-end", 2),
        // Extents are data, be they zeros: 16 blocks and on lie behind the direct ones.
        ("/zeros-in-an-extent", 4 + 1),
    ] {
        assert_eq!(blocks_of(&pressed, path), blocks, "{path}");
    }
}

#[test]
fn zeros_that_are_no_hole_take_blocks_of_the_filesystem_but_none_of_the_host() {
    let pressed = press(&Rootfs::of([zeros("zeros", 100 << 20)])).judged();
    assert_eq!(blocks_of(&pressed, "/zeros"), 25_600 + 1 + 1 + 24);
    let host = host_bytes(&pressed.image());
    assert!(host < 4 << 20, "{host}");
}

#[test]
fn a_dense_file_of_more_than_4_gib_has_every_block_and_its_edges_are_read() {
    let blocks = DOUBLE + 1;
    let block = bytes(4096);
    let offsets = [
        0,
        (SINGLE - 1) * BLOCK_SIZE,
        (1 << 31) - BLOCK_SIZE,
        1 << 31,
        1 << 32,
        (DOUBLE - 1) * BLOCK_SIZE,
        DOUBLE * BLOCK_SIZE,
    ];
    let pieces: Vec<_> = offsets.iter().map(|&offset| (offset, &block[..])).collect();
    let size = blocks * BLOCK_SIZE;
    let rootfs = Rootfs::of([mostly_zeros("large", size, &pieces)]);
    let pressed = press_tree(&rootfs, Wanted::size(SizePolicy::Fit)).unwrap();
    pressed.checked();
    // 1 single, 1 + 1024 double, 1 + 1 + 1 triple.
    assert_eq!(blocks_of(&pressed, "/large"), blocks + 1 + 1025 + 3);
    assert!(host_bytes(&pressed.image()) < 32 << 20);
    if !is_root() {
        skip("only root mounts");
        return;
    }
    let mounted = Mounted::read_only(&pressed.image());
    let large = File::open(mounted.mount_point().join("large")).unwrap();
    assert_eq!(large.metadata().unwrap().size(), size);
    let hole = rustix::fs::seek(&large, SeekFrom::Hole(0)).unwrap();
    assert_eq!(hole, size, "the kernel sees no hole");
    let mut found = vec![1; 4096];
    for offset in offsets {
        large.read_exact_at(&mut found, offset).unwrap();
        assert_eq!(found, block, "{offset}");
    }
    for offset in [SINGLE * BLOCK_SIZE, 3 << 30, (DOUBLE - 2) * BLOCK_SIZE] {
        large.read_exact_at(&mut found, offset).unwrap();
        assert_eq!(found, [0; 4096], "{offset}");
    }
}

#[test]
fn the_longest_file_is_read_to_its_last_byte_and_one_byte_more_is_refused() {
    let last = MAX_FILE_BYTES - 1;
    let pressed = press(&Rootfs::of([sparse(
        "longest",
        MAX_FILE_BYTES,
        &[(last, b"!")],
    )]))
    .judged();
    assert_eq!(blocks_of(&pressed, "/longest"), 1 + 3);
    assert_refused(
        &Rootfs::of([sparse("too-long", MAX_FILE_BYTES + 1, &[])]),
        &["too-long: ", "2196873666560 bytes", "found 2196873666561"],
    );
    if !is_root() {
        skip("only root mounts");
        return;
    }
    // What the kernel itself allows on this very filesystem is the same to the byte.
    let mounted = Mounted::read_write(&pressed.image());
    let own = OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(mounted.mount_point().join("own"))
        .unwrap();
    own.set_len(MAX_FILE_BYTES).unwrap();
    own.set_len(MAX_FILE_BYTES + 1).unwrap_err();
    drop(own);
    drop(mounted);
    e2fsck_clean_after_use(&pressed.image());
}

#[test]
fn a_file_over_group_boundaries_is_whole() {
    let block = bytes(4096);
    let size: u64 = 300 << 20;
    // A block of data in every MiB, so that one out of place is noticed.
    let pieces: Vec<_> = (0..300_u64)
        .map(|mebibyte| ((mebibyte << 20) + mebibyte * 8, &block[..]))
        .collect();
    let rootfs = Rootfs::of([
        mostly_zeros("large", size, &pieces),
        file("small", bytes(5000)),
    ]);
    for wanted in [
        Wanted::default(),
        Wanted::size(SizePolicy::FitPlus(ByteSize(200 << 20))),
    ] {
        let pressed = press_with(&rootfs, wanted).unwrap().judged();
        assert!(pressed.plan.sized.geometry.groups > 2);
    }
}
