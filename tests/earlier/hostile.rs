//! An earlier filesystem that is none, that lies, or that is on its way.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use super::Versions;
use super::support::oracles::{debugfs, debugfs_write, e2fsck_clean, succeed};
use super::support::sample::make_image_with;

#[test]
fn what_is_no_filesystem_of_that_kind_is_one_error() {
    let versions = Versions::new(&[]);
    let old = versions.old();
    let sound = fs::read(&old).unwrap();
    versions.refused(&["--fs=ext4"], 5, &["old.img", "found ext3", "--fs ext3"]);
    versions.refused(&["--fs=ext2"], 5, &["found ext3", "--fs ext3"]);

    fs::remove_file(&old).unwrap();
    versions.refused(&[], 3, &["cannot open", "old.img"]);
    fs::create_dir(&old).unwrap();
    versions.refused(&[], 4, &["old.img", "found a directory"]);
    fs::remove_dir(&old).unwrap();
    succeed("mkfifo", [&old]);
    versions.refused(&[], 4, &["old.img", "a named pipe"]);
    fs::remove_file(&old).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &old).unwrap();
    versions.refused(&[], 4, &["a device without blocks"]);
    fs::remove_file(&old).unwrap();
    fs::write(&old, b"").unwrap();
    versions.refused(&[], 4, &["old.img"]);
    fs::write(&old, b"text".repeat(10_000)).unwrap();
    versions.refused(&[], 4, &["old.img"]);

    let root = versions.press.input("root");
    fs::create_dir(&root).unwrap();
    fs::remove_file(&old).unwrap();
    make_image_with(&["-t", "ext3", "-b", "1024"], &root, &old, "16M");
    versions.refused(&[], 5, &["blocks of 4096 bytes", "of 1024"]);

    // Of the last block a part will do, of which nothing is known.
    fs::write(&old, &sound[..sound.len() - 1]).unwrap();
    versions.made_like(&[]);
    fs::remove_file(versions.press.output()).unwrap();
    for length in [sound.len() - 4096, sound.len() / 2, 4096] {
        fs::write(&old, &sound[..length]).unwrap();
        versions.refused(&[], 4, &["old.img", "superblock", "that the image has"]);
    }
}

/// Holes are no work to read, but they are to hash.
#[test]
fn one_that_was_not_cleanly_unmounted_is_taken_as_it_stands_and_told() {
    for (kind, change, told) in [
        (
            "ext2",
            "set_super_value state 0",
            "no journal has what is missing",
        ),
        (
            "ext3",
            "feature needs_recovery",
            "only in its journal are not read",
        ),
    ] {
        let fs_option = format!("--fs={kind}");
        let versions = Versions::new(&[&fs_option]);
        let old = versions.old();
        let like = ["--like", old.to_str().unwrap(), &fs_option];
        let output = versions.press.output();
        let clean = versions.build(2, &output, &like);
        clean.succeeded();
        assert!(!clean.stderr.contains(told), "{}", clean.stderr);
        debugfs_write(&old, &[change]);
        fs::remove_file(&output).unwrap();
        let unclean = versions.build(2, &output, &like);
        unclean.succeeded();
        assert!(unclean.stderr.contains(told), "{kind}: {}", unclean.stderr);
        e2fsck_clean(&output);
    }
}

#[test]
fn a_file_of_sixteen_tebibytes_of_holes_is_refused_before_it_is_read() {
    let versions = Versions::new(&[]);
    let file = File::options().write(true).open(versions.old()).unwrap();
    match file.set_len((16 << 40) - 4096) {
        Ok(()) => versions.refused(&[], 4, &["old.img", "--max-bytes"]),
        // As on ext4, which has no files that long.
        Err(_) => {
            file.set_len(8 << 40).unwrap();
            versions.refused(&[], 4, &["old.img", "--max-bytes"]);
        }
    }
    // Of a length that is allowed, what stands behind the filesystem is nothing.
    file.set_len(1 << 30).unwrap();
    let built = versions.made_like(&[]);
    assert_eq!(built["like"]["layout"], "kept");
}

fn block_of(image: &std::path::Path, path: &str) -> u32 {
    let told = debugfs(image, &[&format!("blocks {path}")]);
    let mut words = told.split_whitespace();
    words.find_map(|word| word.parse().ok()).unwrap()
}

/// Whatever it says of its places, the filesystem is right, which e2fsck and three readers say, and
/// what cannot be had is placed anew.
#[test]
fn places_that_nobody_can_have_are_left() {
    for kind in ["ext2", "ext3", "ext4"] {
        let fs_option = format!("--fs={kind}");
        let versions = Versions::new(&[&fs_option]);
        let (old, output) = (versions.old(), versions.press.output());
        let sound = fs::read(&old).unwrap();
        let is_mapped_by_extents = kind == "ext4";
        let large = block_of(&old, "/lib/large");
        let many = block_of(&old, "/many");
        let first = |path: &str, block: u32| match is_mapped_by_extents {
            // Of one extent, the low half of where it begins.
            true => format!("set_inode_field {path} block[5] {block}"),
            false => format!("set_inode_field {path} block[0] {block}"),
        };
        let version = "/etc/version";
        for (what, commands, most_left_out) in [
            ("another's block", vec![first("/lib/grows", large)], 2),
            ("a directory's block", vec![first("/lib/large", many)], 3),
            ("the superblock", vec![first(version, 1)], 1),
            ("a table", vec![first(version, 20)], 1),
            ("far behind the end", vec![first(version, 0xffff_fff0)], 1),
            (
                "an inode of its own",
                vec![
                    "link <8> /etc/journal".to_owned(),
                    "link <7> /etc/resize".to_owned(),
                ],
                2,
            ),
            (
                "directories that lead back",
                vec![
                    "link / /lib/up".to_owned(),
                    "link /lib /many/lib".to_owned(),
                ],
                2,
            ),
            (
                "no root",
                vec!["set_inode_field / mode 0100644".to_owned()],
                1,
            ),
            (
                "more than there is",
                vec![format!("set_inode_field /lib/large size 0xfffffffff000")],
                2,
            ),
        ] {
            fs::write(&old, &sound).unwrap();
            let commands: Vec<_> = commands.iter().map(String::as_str).collect();
            debugfs_write(&old, &commands);
            let built = versions.made_like(&[&fs_option, "--verify"]);
            e2fsck_clean(&output);
            let left_out = built["like"]["left_out_names"].as_u64().unwrap();
            assert!(
                left_out <= most_left_out,
                "{kind}: {what}: {}",
                built["like"]
            );
            // The same once more.
            let before = fs::read(&output).unwrap();
            versions.made_like(&[&fs_option]);
            assert!(fs::read(&output).unwrap() == before, "{kind}: {what}");
        }
    }
}

/// Bytes here and there are others, as in use or as a damaged disk has them.
#[test]
fn damage_anywhere_gives_the_right_filesystem_or_one_error() {
    for kind in ["ext3", "ext4"] {
        let fs_option = format!("--fs={kind}");
        let versions = Versions::new(&[&fs_option]);
        let old = versions.old();
        let sound = fs::read(&old).unwrap();
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        let (mut made, mut refused) = (0, 0);
        for _ in 0..25 {
            let mut bent = sound.clone();
            for _ in 0..40 {
                // The metadata lies in the first blocks, and the superblock in the very first.
                let at = match next(20) {
                    0 => 1024 + next(1024),
                    _ => 4096 + next(300 * 4096),
                };
                bent[at] = next(256) as u8;
            }
            fs::write(&old, &bent).unwrap();
            let path = old.to_str().unwrap();
            let ended = versions.build(2, &versions.press.output(), &["--like", path, &fs_option]);
            match ended.code() {
                0 => made += 1,
                code => {
                    assert!([4, 5].contains(&code), "{code}: {}", ended.stderr);
                    refused += 1;
                    assert!(ended.stderr.contains("old.img"), "{}", ended.stderr);
                    assert!(versions.press.left().is_empty());
                    continue;
                }
            }
            e2fsck_clean(&versions.press.output());
            fs::remove_file(versions.press.output()).unwrap();
        }
        assert!(made > 0, "{kind}: {refused} refused");
    }
}

/// Nothing of what became free can be read in the new one.
#[test]
fn what_was_only_in_the_earlier_one_is_not_in_the_new_one() {
    let versions = Versions::new(&[]);
    let old = File::options().write(true).open(versions.old()).unwrap();
    let gone = block_of(&versions.old(), "\"/lib/new 1\"");
    old.write_all_at(b"a secret of old", u64::from(gone) * 4096)
        .unwrap();
    versions.made_like(&[]);
    let new = fs::read(versions.press.output()).unwrap();
    assert!(!new.windows(15).any(|window| window == b"a secret of old"));
}

/// Much of it is kept in little memory.
#[test]
fn a_large_one_is_read_within_little_memory() {
    let versions = Versions::new(&[]);
    let mut build = versions.press.command_within(1 << 30, "build");
    build.arg(versions.press.input("2.tar"));
    versions.press.add_directories(&mut build);
    let file = File::options().write(true).open(versions.old()).unwrap();
    file.set_len(4 << 30).unwrap();
    let ended = versions.press.run(build.arg("--like").arg(versions.old()));
    ended.succeeded();
}
