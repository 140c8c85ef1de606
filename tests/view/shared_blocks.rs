//! What a listing reads is bounded by the image, however often inodes lead to the same blocks.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use layerpress::listing::{Body, Kind};
use layerpress::progress::Silent;
use layerpress::readback::read_through_debugfs;
use layerpress::view::{View, WholeListing};

use super::support::oracles;
use super::support::sample::{bytes, make_image_with};

const FILES: usize = 40;

/// An image in which the inodes of many files are all that of `0`, which has a block of data at
/// each `step`.
fn image(directory: &Path, file_bytes: usize, step: usize, options: &[&str]) -> PathBuf {
    let root = directory.join("root");
    fs::create_dir(&root).unwrap();
    for index in 0..FILES {
        fs::write(root.join(index.to_string()), bytes(usize::from(index > 0))).unwrap();
    }
    let file = File::create(root.join("0")).unwrap();
    for at in (0..file_bytes).step_by(step) {
        let piece = bytes(4096.min(file_bytes - at));
        file.write_all_at(&piece, at as u64).unwrap();
    }
    let image = directory.join("image");
    make_image_with(options, &root, &image, "16M");
    let place = |name: usize| {
        let told = oracles::debugfs(&image, &[&format!("imap /{name}")]);
        let (_, place) = told.split_once("located at block ").unwrap();
        let (block, offset) = place.trim().split_once(", offset ").unwrap();
        let offset = u64::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap();
        block.parse::<u64>().unwrap() * 4096 + offset
    };
    let file = File::options().read(true).write(true).open(&image).unwrap();
    let mut inode = [0; 256];
    file.read_exact_at(&mut inode, place(0)).unwrap();
    for index in 1..FILES {
        file.write_all_at(&inode, place(index)).unwrap();
    }
    image
}

fn listing(image: &Path) -> (WholeListing, u64) {
    let view = View::open(image).unwrap();
    let image_bytes = view.blocks() * view.block_bytes();
    (
        view.listing_of_at_most(u64::MAX, &mut |_, _| true).unwrap(),
        image_bytes,
    )
}

/// Files that were read, and bytes of them.
fn read(whole: &WholeListing) -> (usize, u64) {
    let lines = whole.listing.lines().iter();
    let read = lines.filter(|line| matches!(line.body, Body::Content(_)));
    let sizes: Vec<_> = read.filter_map(|line| line.size_bytes).collect();
    (sizes.len(), sizes.iter().sum())
}

// A bug: forty files over the same blocks were read forty times. Found by a red team.
#[test]
fn files_that_share_blocks_are_not_read_beyond_the_size_of_the_filesystem() {
    for options in [
        &[
            "-t",
            "ext4",
            "-b",
            "4096",
            "-I",
            "256",
            "-O",
            "^metadata_csum",
        ][..],
        &["-t", "ext3", "-b", "4096", "-I", "256"],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let image = image(directory.path(), 6 << 20, 4096, options);
        let (whole, image_bytes) = listing(&image);
        let (files, read_bytes) = read(&whole);
        assert!(
            files >= 1 && read_bytes <= image_bytes,
            "{files} {read_bytes}"
        );
        assert_eq!(whole.problems.len(), FILES - files);
        for problem in &whole.problems {
            let told = problem.error.to_string();
            assert!(told.contains("belong to other files as well"), "{told}");
        }
        let lines = whole.listing.lines().iter();
        let files = lines.filter(|line| line.kind == Some(Kind::Regular));
        assert_eq!(files.count(), FILES);
    }
}

#[test]
fn files_that_share_less_than_there_is_are_all_read() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["-t", "ext3", "-b", "4096", "-I", "256"];
    let image = image(directory.path(), 100_000, 4096, &options);
    let (whole, _) = listing(&image);
    assert!(whole.problems.is_empty(), "{:?}", whole.problems);
    assert_eq!(read(&whole).0, FILES);
}

#[test]
fn a_filesystem_that_is_meant_to_share_blocks_is_read_several_times_over_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let options = [
        "-t",
        "ext4",
        "-b",
        "4096",
        "-I",
        "256",
        "-O",
        "^metadata_csum",
    ];
    let image = image(directory.path(), 6 << 20, 4096, &options);
    oracles::debugfs_write(&image, &["feature shared_blocks"]);
    let (whole, image_bytes) = listing(&image);
    let (files, read_bytes) = read(&whole);
    assert!(files > 10 && files < FILES, "{files}");
    assert!(read_bytes <= 8 * image_bytes, "{read_bytes}");
}

// A bug: the second reader kept every inode's map, which is any amount of memory where inodes share
// a large one. Found by looking for what else is shared.
#[test]
fn maps_that_inodes_share_are_kept_up_to_the_size_of_the_filesystem() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["-t", "ext3", "-b", "4096", "-I", "256"];
    let image = image(directory.path(), 8 << 20, 8192, &options);
    let debugfs = oracles::required("debugfs");
    let names = read_through_debugfs(&image, &debugfs, 10_000, &Silent).unwrap();
    let records = names.names().filter_map(|(_, inode)| names.record(inode));
    let runs: Vec<_> = records.map(|record| record.blocks.len()).collect();
    let blocks = fs::metadata(&image).unwrap().len() / 4096;
    assert!(runs.iter().any(|runs| *runs >= 1024), "{runs:?}");
    assert!(runs.iter().sum::<usize>() as u64 <= blocks, "{runs:?}");
    // What it forgot it does not take for holes.
    let view = names.view(&mut |_, _| true).unwrap();
    let lines = view.listing.lines().iter();
    let read = lines.filter(|line| matches!(line.body, Body::Content(_)));
    assert!(read.count() < FILES);
    assert!(!view.problems.is_empty());
}
