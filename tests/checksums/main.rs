//! Every checksum of ext4, recomputed by a reader of its own on what the kernel, mke2fs and we wrote,
//! and what it says when a byte is another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use support::kernel_made;
use support::oracles::{self, Mounted, e2fsck_clean_after_use};
use support::sample::{bytes, make_image_with};
use support::second_reader::crc32c::{START, crc};
use support::second_reader::{Checked, Structure, recompute};

/// What the kernel fills has everything in it; with these features, too, there is a seed of its own
/// and a file of orphans, which newer mke2fs makes unasked.
const SETS: [(&str, bool); 3] = [
    ("-t ext4 -T default -O ^orphan_file", false),
    ("-t ext4 -T default -O metadata_csum_seed,orphan_file", true),
    (
        "-t ext4 -T default -O ^has_journal,^64bit,^orphan_file",
        false,
    ),
];

/// A filesystem that the kernel wrote, with the blocks of its directories by `stat`.
fn written_by_the_kernel(options: &str, image: &Path) -> u64 {
    kernel_made::make_and_fill(options, image, 30_000);
    e2fsck_clean_after_use(image);
    let mounted = Mounted::read_only(image);
    let root = mounted.mount_point();
    let directories = ["", "lost+found", "many", "some", "some/where"];
    let sizes = directories.map(|path| fs::metadata(root.join(path)).unwrap().size());
    sizes.iter().sum::<u64>() / 4096
}

#[test]
fn every_checksum_that_the_kernel_wrote_is_recomputed() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    for (options, has_orphans) in SETS {
        let blocks = written_by_the_kernel(options, &image);
        let checked = recompute(&image).clean();
        let count = |structure| checked.count(structure);
        println!("{options}: {:?}", checked.counts);
        // 300 MiB: three groups, of which the second has the one copy.
        assert_eq!(count(Structure::Superblock), 1);
        assert_eq!(count(Structure::SuperblockCopy), 1);
        assert_eq!(count(Structure::Descriptor), 3);
        assert_eq!(count(Structure::DescriptorCopy), 3);
        let bitmaps = [
            Structure::BlockBitmap,
            Structure::InodeBitmap,
            Structure::UnwrittenBitmap,
        ];
        assert_eq!(bitmaps.map(count).iter().sum::<u64>(), 6);
        assert!(count(Structure::BlockBitmap) >= 1 && count(Structure::InodeBitmap) >= 1);
        let directories = [Structure::Leaf, Structure::IndexRoot, Structure::IndexNode];
        assert_eq!(directories.map(count).iter().sum::<u64>(), blocks);
        assert!(count(Structure::IndexRoot) >= 2, "of many and of some");
        assert!(count(Structure::IndexNode) >= 2, "many has two levels");
        // 8,000 extents, at most 340 in a block, and a level above.
        assert!(count(Structure::ExtentBlock) > 24);
        assert_eq!(count(Structure::AttributeBlock), 2);
        // Of bad blocks, quotas and so on; that of the journal is one where there is none.
        let reserved = 7 + u64::from(options.contains("^has_journal"));
        assert_eq!(count(Structure::ReservedInode), reserved);
        // Root, journal, resize inode, lost+found; files, and what is beside them.
        assert!(count(Structure::Inode) > 2000 + 600);
        assert_eq!(count(Structure::OrphanBlock) > 0, has_orphans);
    }
}

#[test]
fn every_checksum_that_mke2fs_wrote_is_recomputed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/file"), bytes(100_000)).unwrap();
    for index in 0..500 {
        fs::write(root.join(format!("a/b/name {index}")), b"x").unwrap();
    }
    let image = directory.path().join("image");
    for (options, size) in [("-t ext4 -b 4096", "64M"), ("-t ext4 -b 4096", "2100M")] {
        let _ = fs::remove_file(&image);
        let options: Vec<_> = options.split(' ').collect();
        make_image_with(&options, &root, &image, size);
        let checked = recompute(&image).clean();
        println!("{size}: {:?}", checked.counts);
        assert!(checked.count(Structure::Inode) > 500);
        assert!(checked.count(Structure::Leaf) > 5);
        let groups = checked.count(Structure::Descriptor);
        assert_eq!(groups, if size == "64M" { 1 } else { 17 });
    }
}

/// A byte of a structure that leads the reader nowhere else.
fn a_byte_of(structure: Structure) -> u64 {
    match structure {
        // The label.
        Structure::Superblock | Structure::SuperblockCopy => 0x78,
        // Of the snapshot's bitmap, which nobody has.
        Structure::Descriptor | Structure::DescriptorCopy => 0x14,
        // Behind what is in use, so that no other inode is looked at.
        Structure::BlockBitmap | Structure::UnwrittenBitmap => 4000,
        Structure::InodeBitmap => 0,
        // The time of change.
        Structure::Inode | Structure::ReservedInode => 0x0c,
        // The kind of file in its first entry.
        Structure::Leaf => 7,
        // A hash: of the second entry, for the first has the count.
        Structure::IndexRoot => 40,
        Structure::IndexNode => 16,
        // The generation of the tree, the hash of the block.
        Structure::ExtentBlock => 8,
        Structure::AttributeBlock => 0x0c,
        Structure::OrphanBlock => 4000,
    }
}

fn flip(image: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(image).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x20], at).unwrap();
}

/// Flips a byte in one structure of each kind that there is, and expects the reader to name it.
fn every_flipped_byte_is_found(image: &Path, expected: usize) {
    let Checked { example, .. } = recompute(image).clean();
    let mut flipped = 0;
    for (structure, found) in &example {
        if *structure == Structure::UnwrittenBitmap {
            continue; // which has no checksum
        }
        let at = found.at + a_byte_of(*structure);
        flip(image, at);
        let wrong = recompute(image).wrong;
        let named = format!("{structure:?} {} at ", found.number);
        assert!(
            wrong.iter().any(|line| line.starts_with(&named)),
            "{named}: {wrong:?}"
        );
        flip(image, at);
        flipped += 1;
    }
    assert_eq!(flipped, expected);
    recompute(image).clean();
}

#[test]
fn a_flipped_byte_in_any_structure_is_found() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    kernel_made::make_and_fill(SETS[1].0, &image, 12_000);
    every_flipped_byte_is_found(&image, 14);
}

#[test]
fn the_readers_own_checksum_is_that_of_the_castagnoli_polynomial() {
    // RFC 3720, B.4, and the value that catalogues give.
    assert_eq!(!crc(START, b"123456789"), 0xe306_9283);
    assert_eq!(!crc(START, &[0; 32]), 0x8a91_36aa);
    let halves = crc(crc(START, b"1234"), b"56789");
    assert_eq!(halves, crc(START, b"123456789"));
}
