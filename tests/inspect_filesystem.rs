//! `inspect` says of filesystems what dumpe2fs says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::{Value, json};
use support::oracles;
use support::sample::make_image_with;
use support::session::{Pressed, Ran, layerpress};

fn inspect(name: &str, more: &[&str]) -> Ran {
    layerpress(["inspect", name].iter().chain(more))
}

#[test]
fn a_filesystem_of_ours_names_the_image_it_was_made_of() {
    let pressed = Pressed::new();
    let image = inspect(&pressed.reference(), &["--json"])
        .ended_with(0)
        .json();
    let json = inspect(&pressed.image(), &["--json"]).ended_with(0).json();
    assert_eq!(json["chain_id"], image["chain_id"]);
    assert_eq!(
        (&json["kind"], &json["filesystem_type"]),
        (&json!("filesystem"), &json!("ext3"))
    );
    assert_eq!(json["journal"]["state"], "clean");
    assert_eq!(json["last_mounted"], Value::Null);
    let shown = inspect(&pressed.image(), &[])
        .ended_with(0)
        .fits_80_columns();
    let chain = format!("chain ID {}\n", image["chain_id"].as_str().unwrap());
    assert!(shown.stdout.contains(&chain), "{}", shown.stdout);
    let renamed = pressed.changed(&["ea_rm /lost+found user.layerpress.chain_id"]);
    assert_eq!(
        inspect(&renamed, &["--json"]).json()["chain_id"],
        Value::Null
    );
}

/// What dumpe2fs prints after a title.
fn dumped(superblock: &str, title: &str) -> String {
    let line = superblock.lines().find(|line| line.starts_with(title));
    let line = line.unwrap_or_else(|| panic!("{title}: {superblock}"));
    line.split_once(':').unwrap().1.trim().to_owned()
}

fn dumpe2fs(image: &Path) -> String {
    let dumped = oracles::succeed("dumpe2fs", [OsStr::new("-h"), image.as_os_str()]);
    String::from_utf8_lossy(&dumped).into_owned()
}

#[test]
fn dumpe2fs_says_the_same_of_ext2_ext3_and_ext4() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), vec![1; 100_000]).unwrap();
    let image = directory.path().join("image.img");
    for (kind, options) in [
        (
            "ext2",
            &["-t", "ext2", "-b", "1024", "-L", "some label"][..],
        ),
        ("ext3", &["-t", "ext3", "-b", "4096"]),
        ("ext4", &["-t", "ext4", "-b", "1024", "-m", "1"]),
        (
            "ext4",
            &[
                "-t",
                "ext4",
                "-b",
                "4096",
                "-O",
                "64bit,metadata_csum,inline_data,^resize_inode,meta_bg",
            ],
        ),
        ("ext4", &["-t", "ext4", "-I", "128", "-O", "bigalloc"]),
        (
            "ext4",
            &["-t", "ext4", "-O", "orphan_file,metadata_csum_seed"],
        ),
        (
            "ext4",
            &["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^has_journal"],
        ),
        ("ext2", &["-t", "ext2", "-r", "0"]),
    ] {
        let _ = fs::remove_file(&image);
        make_image_with(options, &root, &image, "64M");
        let superblock = dumpe2fs(&image);
        let json = inspect(image.to_str().unwrap(), &["--json"])
            .ended_with(0)
            .json();
        let number = |title: &str| -> u64 { dumped(&superblock, title).parse().unwrap() };
        assert_eq!(json["filesystem_type"], kind, "{options:?}");
        assert_eq!(json["blocks"]["total"], number("Block count"));
        assert_eq!(json["blocks"]["free"], number("Free blocks"));
        assert_eq!(json["blocks"]["reserved"], number("Reserved block count"));
        assert_eq!(json["block_bytes"], number("Block size"));
        assert_eq!(json["inodes"]["total"], number("Inode count"));
        assert_eq!(json["inodes"]["free"], number("Free inodes"));
        assert_eq!(json["uuid"], dumped(&superblock, "Filesystem UUID"));
        let label = dumped(&superblock, "Filesystem volume name");
        assert_eq!(json["label"], label.replace("<none>", ""));
        assert_eq!(json["state"], dumped(&superblock, "Filesystem state"));
        if !options.contains(&"-r") {
            let features: Vec<_> = json["features"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap())
                .collect();
            assert_eq!(
                features.join(" "),
                dumped(&superblock, "Filesystem features")
            );
        }
        let journal = superblock.contains("has_journal").then(|| {
            let size = dumped(&superblock, "Total journal size");
            let unit = if size.ends_with('M') {
                1 << 20
            } else {
                1 << 10
            };
            unit * size[..size.len() - 1].parse::<u64>().unwrap()
        });
        assert_eq!(
            json["journal"]["size_bytes"].as_u64(),
            journal,
            "{options:?}"
        );
        let clean = journal.map(|_| "clean");
        assert_eq!(json["journal"]["state"].as_str(), clean, "{options:?}");
        let has = |name: &str| superblock.contains(name);
        let checksums = match (has("metadata_csum"), has("uninit_bg")) {
            (true, _) => json!("metadata"),
            (_, true) => json!("group descriptors"),
            _ => Value::Null,
        };
        assert_eq!(json["checksums"], checksums, "{options:?}");
        inspect(image.to_str().unwrap(), &[])
            .ended_with(0)
            .fits_80_columns();
    }
}

/// Writes into a copy of an image and tells what `inspect` says of its journal.
fn journal_after(image: &Path, at: u64, bytes: &[u8]) -> (Value, String) {
    let copy = image.with_extension("copy");
    fs::copy(image, &copy).unwrap();
    let file = File::options().write(true).open(&copy).unwrap();
    file.write_all_at(bytes, at).unwrap();
    let name = copy.to_str().unwrap();
    let shown = inspect(name, &[]).ended_with(0).fits_80_columns().stdout;
    let line = shown.lines().find(|line| line.starts_with("journal"));
    let json = inspect(name, &["--json"]).ended_with(0).json();
    (json["journal"].clone(), line.unwrap().to_owned())
}

/// "unreadable, clean" stood there.
#[test]
fn a_journal_that_is_none_is_never_called_clean() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let image = directory.path().join("image.img");
    for kind in ["ext3", "ext4"] {
        let _ = fs::remove_file(&image);
        make_image_with(&["-t", kind, "-b", "4096"], &root, &image, "64M");
        let asked = |request: &str| {
            let command = ["-R", request].map(OsStr::new);
            let said = oracles::succeed("debugfs", [command[0], command[1], image.as_os_str()]);
            String::from_utf8(said).unwrap()
        };
        let first: u64 = asked("bmap <8> 0").trim().parse().unwrap();
        // "Inode 8 is part of block group 0", then where.
        let place = asked("imap <8>");
        let place = place.split("located at block ").nth(1).unwrap();
        let (block, offset) = place.split_once(", offset ").unwrap();
        let offset = u64::from_str_radix(offset.trim().trim_start_matches("0x"), 16);
        let inode = block.trim().parse::<u64>().unwrap() * 4096 + offset.unwrap();
        // The root's own group descriptor: inodes are nowhere.
        let table = 4096 + 8;
        let of_table = match kind {
            "ext4" => "expected the checksum of its descriptor",
            _ => "expected one of 16384 blocks",
        };
        for (at, bytes, has_size, why) in [
            (first * 4096, &[0; 4][..], true, "expected its superblock"),
            (inode, &[0; 2], true, "expected a regular file"),
            (inode + 4, &[1], true, "whole blocks"),
            (inode + 0x28, &[0; 60], true, "inode 8: "),
            (table, &[0xff; 4], false, of_table),
        ] {
            let (journal, line) = journal_after(&image, at, bytes);
            assert_eq!(journal["state"], "unreadable", "{kind} {why}");
            assert!(
                journal["damage"].as_str().unwrap().contains(why),
                "{journal}"
            );
            assert_eq!(journal["size_bytes"].is_u64(), has_size, "{kind} {why}");
            assert!(
                line.contains("unreadable: ") && !line.contains("clean"),
                "{line}"
            );
        }
        // What is not damaged, and what is elsewhere.
        let (journal, line) = journal_after(&image, 0, &[0]);
        assert_eq!(
            (&journal["state"], &journal["damage"]),
            (&json!("clean"), &Value::Null)
        );
        assert!(line.ends_with("4 MiB, clean"), "{line}");
        let (journal, line) = journal_after(&image, 1024 + 0xe0, &[0; 4]);
        assert_eq!(journal["state"], "on another device");
        assert!(line.ends_with("  on another device"), "{line}");
    }
}

/// A filesystem with 64bit is refused where its descriptors have fewer than 64 bytes or more than
/// the kernel takes: it was read with 32, and the bound was told as 32 to 1024.
#[test]
fn descriptors_of_a_64bit_filesystem_have_64_to_1024_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let image = directory.path().join("image.img");
    make_image_with(
        &["-t", "ext4", "-b", "4096", "-O", "64bit"],
        &root,
        &image,
        "64M",
    );
    let name = image.to_str().unwrap();
    let file = File::options().write(true).open(&image).unwrap();
    layerpress(["ls", name]).ended_with(0);
    for size in [0_u16, 32, 63, 65, 96, 2048, 4096] {
        file.write_all_at(&size.to_le_bytes(), 1024 + 0xfe).unwrap();
        let refused = layerpress(["ls", name]).ended_with(4);
        let text = format!(
            "expected group descriptors of 64 to 1024 bytes, a power of two, found {size}\n"
        );
        assert!(refused.stderr.ends_with(&text), "{}", refused.stderr);
        let damage = inspect(name, &["--json"]).ended_with(0).json()["damage"].clone();
        assert!(
            damage.as_str().unwrap().contains(text.trim_end()),
            "{damage}"
        );
    }
    for size in [64_u16, 128, 1024] {
        file.write_all_at(&size.to_le_bytes(), 1024 + 0xfe).unwrap();
        let read = layerpress(["ls", name]);
        assert!(
            !read.stderr.contains("group descriptors"),
            "{}",
            read.stderr
        );
    }
}

#[test]
fn every_feature_has_the_name_that_dumpe2fs_gives_it() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image.img");
    fs::create_dir(directory.path().join("root")).unwrap();
    make_image_with(
        &["-t", "ext2"],
        &directory.path().join("root"),
        &image,
        "8M",
    );
    let file = File::options().read(true).write(true).open(&image).unwrap();
    let mut compared = 0;
    for offset in [0x5c, 0x60, 0x64] {
        let mut word = [0; 4];
        file.read_exact_at(&mut word, 1024 + offset).unwrap();
        for bit in 0..32 {
            let features = u32::from_le_bytes(word) | 1 << bit;
            file.write_all_at(&features.to_le_bytes(), 1024 + offset)
                .unwrap();
            let dumped_text = oracles::run(
                "dumpe2fs",
                [OsStr::new("-f"), OsStr::new("-h"), image.as_os_str()],
            );
            let dumped_text = String::from_utf8_lossy(&dumped_text.stdout).into_owned();
            let json = inspect(image.to_str().unwrap(), &["--json"])
                .ended_with(0)
                .json();
            if dumped_text.contains("Filesystem features:") {
                let names: Vec<_> = json["features"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap())
                    .collect();
                assert_eq!(names.join(" "), dumped(&dumped_text, "Filesystem features"));
                compared += 1;
            }
        }
        file.write_all_at(&word, 1024 + offset).unwrap();
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn a_filesystem_that_was_mounted_says_when_and_where_and_needs_recovery_while_it_is() {
    if !oracles::is_root() {
        return oracles::skip("only root mounts");
    }
    let pressed = Pressed::new();
    let ours = [
        &["--fs", "ext3"][..],
        &["--fs", "ext2"],
        &["--fs", "ext4"],
        &["--fs", "ext4", "--journal", "none"],
    ];
    let image = pressed.path("kind.img");
    for options in ours {
        let build = ["build", &pressed.reference(), "-o", &image, "-q"];
        layerpress(build.iter().chain(options)).ended_with(0);
        tells_of_a_mount(&image);
    }
    let root = pressed.at("root");
    fs::create_dir(&root).unwrap();
    for features in [
        "orphan_file",
        "metadata_csum_seed",
        "^metadata_csum,uninit_bg",
    ] {
        fs::remove_file(&image).unwrap();
        let options = ["-t", "ext4", "-O", features];
        make_image_with(&options, &root, Path::new(&image), "64M");
        tells_of_a_mount(&image);
    }
}

/// Mounts an image for writing and looks at it before and after the end of that.
fn tells_of_a_mount(image: &str) {
    let mounted = oracles::Mounted::read_write(Path::new(image));
    fs::write(mounted.mount_point().join("new"), b"x").unwrap();
    oracles::succeed(
        "sync",
        ["-f".into(), mounted.mount_point().into_os_string()],
    );
    let json = inspect(image, &["--json"]).ended_with(0).json();
    let has_journal = json["features"].to_string().contains("has_journal");
    let state = |state: &str| match has_journal {
        true => json!(state),
        false => Value::Null,
    };
    assert_eq!(json["journal"]["state"], state("needs recovery"), "{json}");
    let place = mounted.mount_point();
    drop(mounted);
    let json = inspect(image, &["--json"]).ended_with(0).json();
    assert_eq!(json["journal"]["state"], state("clean"), "{json}");
    assert_eq!(
        (&json["state"], &json["damage"]),
        (&json!("clean"), &Value::Null)
    );
    assert_eq!(json["last_mounted_on"], place.to_str().unwrap());
    assert_eq!(json["mounts_since_check"], 1);
    let superblock = dumpe2fs(Path::new(image));
    let at = json["last_mounted"].as_str().unwrap();
    let date = oracles::succeed("date", ["-u", "-d", at, "+%s"]);
    let expected = oracles::succeed(
        "date",
        ["-d", &dumped(&superblock, "Last mount time"), "+%s"],
    );
    assert_eq!(date, expected);
    let features = json["features"].as_array().unwrap();
    let features: Vec<_> = features.iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(
        features.join(" "),
        dumped(&superblock, "Filesystem features")
    );
    inspect(image, &[]).fits_80_columns();
}

#[test]
fn damaged_and_cut_filesystems_are_described_without_a_panic() {
    let pressed = Pressed::new();
    let whole = fs::read(pressed.image()).unwrap();
    let copy = pressed.path("damaged.img");
    fs::write(&copy, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(
        inspect(&copy, &["--json"]).ended_with(0).json()["truncated"],
        true
    );
    fs::write(&copy, &whole[..1500]).unwrap();
    inspect(&copy, &[]).ended_with(4);
    fs::write(&copy, &whole[..2048]).unwrap();
    inspect(&copy, &[]).ended_with(0);
    // Each word of the superblock and of the first group's descriptor, as large as it gets.
    for offset in (1024..1024 + 0x180).chain(4096..4096 + 32).step_by(4) {
        let mut damaged = whole[..1 << 16].to_vec();
        damaged[offset..offset + 4].fill(0xff);
        fs::write(&copy, damaged).unwrap();
        let ran = inspect(&copy, &[]);
        assert!(
            matches!(ran.code, 0 | 4 | 5),
            "{offset:#x}: {} {}",
            ran.code,
            ran.stderr
        );
    }
    inspect(&pressed.path("absent"), &[]).ended_with(3);
}
