//! What no reader can read is counted, in text and in JSON, and never called equal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use support::oracles;
use support::sample::make_image_with;
use support::session::{Pressed, layerpress};

fn overwrite(image: &str, block: u64, blocks: usize) {
    let file = File::options().write(true).open(image).unwrap();
    file.write_all_at(&vec![0xff; blocks * 4096], block * 4096)
        .unwrap();
}

/// The block that debugfs tells last.
fn last_block(image: &str, command: &str) -> u64 {
    let told = oracles::debugfs(image.as_ref(), &[command]);
    let numbers = told.split_whitespace().rev();
    let mut numbers = numbers.filter_map(|word| word.parse().ok());
    numbers.next().unwrap_or_else(|| panic!("{told}"))
}

// A bug: `verify` listed hundreds of entries as unreadable and summed up "0 changed", in JSON too,
// and `inspect` called the same image clean. Found by damaging an image's group descriptors.
#[test]
fn a_filesystem_that_nobody_can_read_is_summed_up_as_unreadable() {
    let pressed = Pressed::new();
    let image = pressed.copy();
    overwrite(&image, 1, 3);
    let ran = layerpress(["verify", &image, &pressed.reference()]).ended_with(1);
    let sum = "different: 0 missing, 0 extra, 0 changed, 16 unreadable of 16 entries\n";
    assert!(ran.stdout.ends_with(sum), "{}", ran.stdout);
    for reader in ["layerpress", "debugfs", "ext4-view"] {
        let told = format!("{reader} could not read /: ");
        assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    }
    let json = layerpress(["verify", "--json", &image, &pressed.reference()]);
    let json = json.ended_with(1).json();
    assert_eq!(
        (&json["unreadable"], &json["changed"]),
        (&16.into(), &0.into())
    );
    assert_eq!(json["differences"].as_array().unwrap().len(), 16);
    assert_eq!(json["differences"][0]["difference"], "unreadable");
    layerpress(["diff", &image, &pressed.reference()]).ended_with(4);

    let shown = layerpress(["inspect", &image]).ended_with(0);
    assert!(
        shown
            .stdout
            .contains("state      damaged, though the superblock says clean: "),
        "{}",
        shown.stdout
    );
    let json = layerpress(["inspect", "--json", &image]).json();
    assert!(json["damage"].is_string() && json["state"] == "clean");
    let shown = layerpress(["inspect", &pressed.image()]).ended_with(0);
    let line = "state      clean, says the superblock; not checked\n";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
}

#[test]
fn a_directory_that_nobody_can_list_is_unreadable_even_where_nothing_is_expected_in_it() {
    let pressed = Pressed::new();
    let image = pressed.copy();
    let block = last_block(&image, "blocks /lost+found");
    overwrite(&image, block, 1);
    for more in [&[][..], &["--ignore", "content"]] {
        let arguments = ["verify", "--json", &image, &pressed.reference()];
        let json = layerpress(arguments.iter().chain(more));
        let json = json.ended_with(1).json();
        assert_eq!(json["unreadable"], 1, "{json:#}");
        assert_eq!(json["differences"][0]["path"], "/lost+found");
        assert_eq!(json["differences"][0]["seen_by"], serde_json::json!([]));
    }
    let json = layerpress(["diff", "--json", &image, &pressed.image()]);
    let json = json.ended_with(4).json();
    assert_eq!(json["equal"], false);
    assert_eq!(json["unreadable"][0]["side"], "a");
    assert_eq!(json["unreadable"][0]["path"], "/lost+found");
}

#[test]
fn attributes_that_nobody_can_read_are_unreadable_and_not_absent() {
    let pressed = Pressed::new();
    // A file without attributes, and a block of them that is none.
    let image = pressed.changed(&["set_inode_field /etc/plain file_acl 1"]);
    let json = layerpress(["verify", "--json", &image, &pressed.reference()]);
    let json = json.ended_with(1).json();
    assert_eq!(json["unreadable"], 1, "{json:#}");
    let differences = json["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{json:#}");
    assert_eq!(differences[0]["path"], "/etc/plain");
    assert_eq!(differences[0]["fields"][0]["field"], "xattrs");
    layerpress(["diff", &image, &pressed.reference()]).ended_with(4);
}

// debugfs leaves an extent tree out of the map that it cannot read: a file of holes it is not.
#[test]
fn a_file_whose_extents_are_damaged_does_not_equal_zeros() {
    if !oracles::is_root() {
        return oracles::skip("mke2fs gives the root directory to whoever runs it");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    let file = File::create(root.join("zeros")).unwrap();
    // Data that mke2fs does not take for holes, in more extents than an inode has room for.
    for piece in 0..100 {
        file.write_all_at(b"x", piece * 8192).unwrap();
    }
    let image = directory.path().join("image");
    make_image_with(&["-t", "ext4", "-b", "4096"], &root, &image, "16M");
    let image = image.to_str().unwrap();
    for piece in 0..100 {
        file.write_all_at(b"\0", piece * 8192).unwrap();
    }
    let reference = format!("rootfs:{}", root.display());
    let verify = |image: &str| {
        let options = ["verify", "--json", "--ignore", "mtime"];
        let ran = layerpress(options.iter().chain(&[image, &*reference]));
        ran.ended_with(1).json()
    };
    assert_eq!(verify(image)["changed"], 1);
    let tree = oracles::debugfs(Path::new(image), &["stat /zeros"]);
    let (_, block) = tree.split_once("(ETB0):").unwrap();
    let block: u64 = block.split(',').next().unwrap().trim().parse().unwrap();
    overwrite(image, block, 1);
    let json = verify(image);
    assert_eq!(
        (&json["unreadable"], &json["changed"]),
        (&1.into(), &0.into()),
        "{json:#}"
    );
}
