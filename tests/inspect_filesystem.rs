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
    let chain = format!("chain  {}\n", image["chain_id"].as_str().unwrap());
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
        inspect(image.to_str().unwrap(), &[])
            .ended_with(0)
            .fits_80_columns();
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
    let image = pressed.copy();
    let mounted = oracles::Mounted::read_write(Path::new(&image));
    fs::write(mounted.mount_point().join("new"), b"x").unwrap();
    oracles::succeed(
        "sync",
        ["-f".into(), mounted.mount_point().into_os_string()],
    );
    let json = inspect(&image, &["--json"]).ended_with(0).json();
    assert_eq!(json["journal"]["state"], "needs recovery");
    let place = mounted.mount_point();
    drop(mounted);
    let json = inspect(&image, &["--json"]).ended_with(0).json();
    assert_eq!(json["journal"]["state"], "clean");
    assert_eq!(json["last_mounted_on"], place.to_str().unwrap());
    assert_eq!(json["mounts_since_check"], 1);
    let at = json["last_mounted"].as_str().unwrap();
    let date = oracles::succeed("date", ["-u", "-d", at, "+%s"]);
    let dumped = dumped(&dumpe2fs(Path::new(&image)), "Last mount time");
    let expected = oracles::succeed("date", ["-d", &dumped, "+%s"]);
    assert_eq!(date, expected);
    inspect(&image, &[]).fits_80_columns();
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
