//! Every command that reads filesystem images takes damaged ones: an answer or an error, never a
//! panic and never for ever.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::oracles::{program, skip};
use support::sample::make_image;

const LAYERPRESS: &str = env!("CARGO_BIN_EXE_layerpress");

/// Differences, and everything that can be wrong with an input or the machine; not 8, which would
/// be our bug, nor 101, a panic.
const GOOD_CODES: [i32; 6] = [0, 1, 3, 4, 5, 6];

/// The same numbers on every run (xorshift).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Runs a command to its end and gives its exit code; it must end in time.
fn run(arguments: &[&str]) -> i32 {
    let started = Instant::now();
    let mut child = Command::new(LAYERPRESS)
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
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut codes = [0_u32; 7];
    for (kind, rounds) in [("ext2", 60), ("ext3", 70), ("ext4", 70)] {
        make_image(&root, &good, kind, "12M");
        let whole = fs::read(&good).unwrap();
        for _ in 0..rounds {
            let mut bytes = whole.clone();
            for _ in 0..1 + next(&mut state) % 40 {
                // Superblock, descriptors, bitmaps, inode tables and the first directories.
                let offset = 1024 + next(&mut state) % (1 << 20);
                bytes[offset as usize] ^= 1 << (next(&mut state) % 8);
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
