//! Damaged images are read as far as they go: no panic, no hang, and a word on what is unreadable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{Duration, Instant};

use layerpress::ext::check::{read_through_debugfs, read_through_ext4_view};
use layerpress::progress::Silent;
use support::damage::{Numbers, fill_with_metadata};
use support::oracles;
use support::sample::make_image;

#[test]
fn a_superblock_that_would_break_a_reader_is_a_problem_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let image = directory.path().join("image.img");
    make_image(&root, &image, "ext3", "9M");
    let debugfs = oracles::required("debugfs");
    for (offset, value) in [
        (0x00, 0_u32), // s_inodes_count
        (0x18, 21),    // s_log_block_size
        (0x20, 0),     // s_blocks_per_group
        (0x20, 1),
        (0x28, 0),        // s_inodes_per_group
        (0x38, 0),        // s_magic
        (0x58, 64),       // s_inode_size
        (0x60, u32::MAX), // s_feature_incompat
    ] {
        let damaged = directory.path().join("damaged");
        fs::copy(&image, &damaged).unwrap();
        let file = File::options().write(true).open(&damaged).unwrap();
        file.write_all_at(&value.to_le_bytes(), 1024 + offset)
            .unwrap();
        let names = read_through_debugfs(&damaged, &debugfs, 1000, &Silent).unwrap();
        let view = names.view(&mut |_, _| true).unwrap();
        let other = read_through_ext4_view(&damaged, 1000, &mut |_, _| true).unwrap();
        let problems = view.problems.len() + other.problems.len();
        assert!(problems > 0, "{offset:#x} {value:#x}");
        for problem in view.problems.iter().chain(&other.problems) {
            println!("{offset:#x} {value:#x}: {problem}");
        }
    }
    fs::write(&image, b"short").unwrap();
    let other = read_through_ext4_view(&image, 1000, &mut |_, _| true).unwrap();
    assert!(other.listing.is_hidden(b"anything"));
}

/// A hundred images damaged in up to two hundred of their bytes that are not zero.
#[test]
fn damaged_images_neither_stop_nor_break_the_readers() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill_with_metadata(&root, 28);
    let debugfs = oracles::required("debugfs");
    let mut unreadable = 0;
    let mut slowest = Duration::ZERO;
    for (kind, size) in [("ext2", "16M"), ("ext3", "16M"), ("ext4", "16M")] {
        let image = directory.path().join(kind);
        make_image(&root, &image, kind, size);
        let whole = fs::read(&image).unwrap();
        let used: Vec<_> = (0..whole.len())
            .filter(|offset| whole[*offset] != 0)
            .collect();
        let mut numbers = Numbers(1);
        for round in 0..34 {
            let mut damaged = whole.clone();
            for _ in 0..=numbers.below(200) {
                let at = used[numbers.below(used.len() as u64) as usize];
                damaged[at] ^= 1 << numbers.below(8);
            }
            let path = directory.path().join("damaged");
            fs::write(&path, &damaged).unwrap();
            let started = Instant::now();
            let names = read_through_debugfs(&path, &debugfs, 1000, &Silent).unwrap();
            let view = names.view(&mut |_, _| true).unwrap();
            let other = read_through_ext4_view(&path, 1000, &mut |_, size| size < 1 << 26).unwrap();
            unreadable += view.problems.len() + other.problems.len();
            slowest = slowest.max(started.elapsed());
            assert!(
                slowest < Duration::from_secs(20),
                "{kind} {round}: {slowest:?}"
            );
        }
    }
    println!("{unreadable} problems, the slowest image took {slowest:?}");
    assert!(
        unreadable > 300,
        "{unreadable}: the damage does not reach what is read"
    );
}

#[test]
fn the_e2fsck_oracle_objects_to_an_image_and_to_its_backups() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let image = directory.path().join("image.img");
    make_image(&root, &image, "ext3", "200M");
    let objects = || std::panic::catch_unwind(|| oracles::e2fsck_clean(&image)).is_err();
    assert!(!objects());
    // s_free_blocks_count_lo of the backup superblock in group 1.
    let file = File::options().write(true).open(&image).unwrap();
    file.write_all_at(&[1, 0, 0, 0], 32768 * 4096 + 0x0c)
        .unwrap();
    assert!(objects());
    make_image(&root, &image, "ext3", "200M");
    oracles::debugfs_write(&image, &["set_inode_field / links_count 9"]);
    assert!(objects());
}

/// A map of 2^30 blocks in 4 KiB. debugfs prints on at nobody once its answer is longer than is read.
#[test]
fn debugfs_is_ended_over_a_file_whose_blocks_have_no_end() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), b"content").unwrap();
    fs::write(root.join("other"), b"content").unwrap();
    let image = directory.path().join("image");
    make_image(&root, &image, "ext3", "32M");
    let debugfs = oracles::required("debugfs");
    let changed = Command::new(&debugfs)
        .args(["-w", "-R", "sif /file block[TIND] 7000"])
        .arg(&image)
        .output()
        .unwrap();
    assert!(changed.status.success());
    let map: Vec<u8> = [7000_u32.to_le_bytes(); 1024].concat();
    let file = File::options().write(true).open(&image).unwrap();
    file.write_all_at(&map, 7000 * 4096).unwrap();
    let names = read_through_debugfs(&image, &debugfs, 1000, &Silent).unwrap();
    let view = names.view(&mut |_, _| true).unwrap();
    let told: Vec<_> = view.problems.iter().map(ToString::to_string).collect();
    assert!(
        told.iter().any(|told| told.contains("prints without end")),
        "{told:?}"
    );
    let seen: Vec<_> = view.listing.lines().iter().map(|line| &line.path).collect();
    assert!(seen.iter().any(|path| path[..] == *b"other"), "{seen:?}");
}
