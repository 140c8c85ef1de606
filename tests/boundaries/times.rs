//! The filesystem's own time: one for superblock, `lost+found` and directories without entries.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

use layerpress::listing::Listing;

use super::support::oracles::{debugfs, is_root, kernel_listing, run, skip};
use super::support::rootfs::{Rootfs, file};
use super::support::run::Press;
use super::support::tarball::tar_bytes;

const EARLIEST: i64 = -(1 << 31);
const LATEST: i64 = 10_737_418_239;
const SUPERBLOCK: &str = "time of the filesystem clamped to what its superblock holds";
const INODES: &str = "time clamped to what inodes hold";

fn built(seconds: i64) -> (Press, String) {
    // No entry for the root, nor for its directory.
    let tar = tar_bytes(&Rootfs {
        items: vec![file("implied/file", *b"x")],
    });
    let press = Press::with_layers([tar]);
    let mut command = press.build();
    command.arg(format!("--source-date-epoch={seconds}"));
    let ended = press.run(&mut command);
    assert!(ended.status.success(), "{seconds}: {}", ended.stderr);
    (press, ended.stderr)
}

/// As `date` writes it for debugfs to be held against.
fn date(seconds: i64) -> String {
    let mut command = Command::new("date");
    command.args(["-u", "-d", &format!("@{seconds}"), "+%a %b %e %H:%M:%S %Y"]);
    let output = command.env("LC_ALL", "C").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The seconds of a line of debugfs' `stat`, ` mtime: 0xLOW:EXTRA -- DATE`: by its numbers, for 1.47.2
/// has another date behind those from 2038 on.
fn seconds_in(line: &str) -> i64 {
    let (_, numbers) = line.split_once(": 0x").unwrap();
    let word = |at: usize| u32::from_str_radix(&numbers[at..at + 8], 16).unwrap();
    i64::from(word(0).cast_signed()) + (i64::from(word(9) & 3) << 32)
}

fn seconds_of(listing: &Listing, path: &str) -> i64 {
    listing
        .find(path.as_bytes())
        .unwrap()
        .mtime
        .unwrap()
        .seconds
}

/// Bug: superblock and `lost+found` were moved to 1 to 2^31 - 1 without a word, so that an epoch of
/// 4294967295 gave a root of 2106 and a superblock of 2038. Found by trying every claim of the README.
#[test]
fn superblock_and_inodes_have_the_time_asked_for_or_a_warning_says_not() {
    for (asked, inodes, superblock, told) in [
        (1, 1, 1, &[][..]),
        (1_700_000_000, 1_700_000_000, 1_700_000_000, &[]),
        (2_147_483_648, 2_147_483_648, 2_147_483_648, &[]),
        (4_294_967_295, 4_294_967_295, 4_294_967_295, &[]),
        (1 << 33, 1 << 33, 1 << 33, &[]),
        (LATEST, LATEST, LATEST, &[]),
        (LATEST + 1, LATEST, LATEST, &[INODES, SUPERBLOCK]),
        (-5, -5, 1, &[SUPERBLOCK]),
        (EARLIEST, EARLIEST, 1, &[SUPERBLOCK]),
        (EARLIEST - 1, EARLIEST, 1, &[INODES, SUPERBLOCK]),
    ] {
        let (press, said) = built(asked);
        for words in [INODES, SUPERBLOCK] {
            assert_eq!(
                said.contains(words),
                told.contains(&words),
                "{asked}: {said}"
            );
        }
        let image = press.output();
        let mut bytes = [0; 1024];
        let file = File::open(&image).unwrap();
        file.read_exact_at(&mut bytes, 1024).unwrap();
        // s_wtime, s_lastcheck and s_mkfs_time with their high bytes.
        for (low, high) in [(0x30, 0x274), (0x40, 0x277), (0x108, 0x276)] {
            let word: [u8; 4] = bytes[low..low + 4].try_into().unwrap();
            let found = i64::from(bytes[high]) << 32 | i64::from(u32::from_le_bytes(word));
            assert_eq!(found, superblock, "{asked}: {low:#x}");
        }
        // Root, an implied directory, mke2fs' lost+found, the journal.
        for inode in ["<2>", "/implied", "/lost+found", "<8>"] {
            let stat = debugfs(&image, &[&format!("stat {inode}")]);
            for field in [" mtime:", " ctime:", " atime:", "crtime:"] {
                let line = stat.lines().find(|line| line.contains(field)).unwrap();
                assert_eq!(seconds_in(line), inodes, "{asked}: {inode}: {line}");
            }
        }
        if !is_root() {
            skip("only root mounts");
            continue;
        }
        let listing = kernel_listing(&image);
        for path in ["", "implied", "lost+found"] {
            assert_eq!(seconds_of(&listing, path), inodes, "{asked}: {path}");
        }
    }
}

#[test]
fn the_second_0_is_kept_by_directories_and_is_1_in_what_mke2fs_makes() {
    let (press, said) = built(0);
    assert!(said.contains(SUPERBLOCK), "{said}");
    let image = press.output();
    for (inode, seconds) in [("<2>", 0), ("/implied", 0), ("/lost+found", 1), ("<8>", 1)] {
        let stat = debugfs(&image, &[&format!("stat {inode}")]);
        assert!(stat.contains(&date(seconds)), "{inode}: {stat}");
    }
}

/// The latest time that is written is the last that e2fsck believes: one second later it takes for
/// one before 1970.
#[test]
fn e2fsck_believes_the_latest_time_and_not_the_next_second() {
    assert_eq!(date(LATEST), "Mon Apr  4 16:10:39 2310");
    let (press, _) = built(1_700_000_000);
    let image = press.output();
    for (seconds, is_believed) in [(LATEST, true), (LATEST + 1, false)] {
        let command = format!("set_inode_field /implied/file mtime @{seconds}");
        super::support::oracles::debugfs_write(&image, &[&command]);
        let image = image.to_str().unwrap();
        let output = run("e2fsck", ["-fn", image]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(!said.contains("likely pre-1970"), is_believed, "{said}");
    }
}
