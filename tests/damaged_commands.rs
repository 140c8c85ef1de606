//! Every command that reads filesystem images takes damaged ones: an answer or an error, never a
//! panic and never for ever.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::damage::Numbers;
use support::oracles::{program, skip};
use support::sample::{make_image, make_image_with};

const LAYERPRESS: &str = env!("CARGO_BIN_EXE_layerpress");

/// Differences, and everything that can be wrong with an input or the machine; not 8, which would
/// be our bug, nor 101, a panic.
const GOOD_CODES: [i32; 6] = [0, 1, 3, 4, 5, 6];

/// Runs a command to its end and gives its exit code; it must end in time.
fn run(arguments: &[&str]) -> i32 {
    let started = Instant::now();
    let mut child = crate::support::run::without_defaults(LAYERPRESS)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{arguments:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn fill(root: &Path) {
    for directory in 0..6 {
        let inner = root.join(format!("directory-{directory}/inner"));
        fs::create_dir_all(&inner).unwrap();
        for file in 0..40 {
            fs::write(inner.join(format!("file-{file}")), vec![b'x'; file * 700]).unwrap();
        }
        fs::hard_link(inner.join("file-1"), inner.join("link")).unwrap();
    }
    fs::write(root.join("large"), vec![b'y'; 300_000]).unwrap();
}

/// Made by mke2fs in every type and block size, filesystems equal the tree they were made from.
#[test]
fn filesystems_of_another_maker_are_verified_and_compared() {
    if program("debugfs").is_none() || program("mke2fs").is_none() {
        return skip("e2fsprogs is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let image = directory.path().join("image.img");
    let reference = format!("rootfs:{}", root.display());
    for kind in ["ext2", "ext3", "ext4"] {
        for block_size in ["1024", "4096"] {
            make_image_with(&["-t", kind, "-b", block_size], &root, &image, "24M");
            let image = image.to_str().unwrap();
            // mke2fs cuts times to seconds.
            let verify = ["verify", "-q", "--ignore=mtime", image, &reference];
            assert_eq!(run(&verify), 0, "{kind} {block_size}");
            assert_eq!(run(&["diff", "-q", image, image]), 0, "{kind} {block_size}");
            fs::write(root.join("added"), "").unwrap();
            assert_eq!(run(&verify), 1, "{kind} {block_size}");
            fs::remove_file(root.join("added")).unwrap();
        }
    }
}

#[test]
fn two_hundred_damaged_images_are_verified_and_compared_without_a_panic() {
    if program("debugfs").is_none() || program("mke2fs").is_none() {
        return skip("e2fsprogs is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fill(&root);
    let (good, damaged) = (
        directory.path().join("good.img"),
        directory.path().join("damaged.img"),
    );
    let [good_path, damaged_path] = [&good, &damaged].map(|path| path.to_str().unwrap());
    let reference = format!("rootfs:{}", root.display());
    let mut numbers = Numbers(1);
    let mut codes = [0_u32; 7];
    for (kind, rounds) in [("ext2", 60), ("ext3", 70), ("ext4", 70)] {
        make_image(&root, &good, kind, "12M");
        let whole = fs::read(&good).unwrap();
        for _ in 0..rounds {
            let mut bytes = whole.clone();
            for _ in 0..1 + numbers.below(40) {
                // Superblock, descriptors, bitmaps, inode tables and the first directories.
                let offset = 1024 + numbers.below(1 << 20);
                bytes[offset as usize] ^= 1 << numbers.below(8);
            }
            fs::write(&damaged, &bytes).unwrap();
            for arguments in [
                &["diff", "-q", good_path, damaged_path][..],
                &["verify", "-q", damaged_path, &reference],
                &["inspect", "-q", damaged_path],
            ] {
                let code = run(arguments);
                assert!(
                    GOOD_CODES.contains(&code),
                    "{kind}: {arguments:?} ended with {code}"
                );
                codes[code as usize] += 1;
            }
        }
    }
    println!("exit codes 0 to 6: {codes:?}");
    // Damage that nobody notices would make this a test of nothing.
    assert!(codes[1] > 50 && codes[4] > 5, "{codes:?}");
}
