//! `diff` tells what came, went and changed between filesystems and images, and sums it up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use serde_json::{Value, json};
use support::archive::TestImage;
use support::oracles;
use support::session::{Layer, Pressed, Ran, layerpress, layers};

fn diff(a: &str, b: &str, more: &[&str]) -> Ran {
    layerpress(["diff", a, b].iter().chain(more))
}

/// A second image: a layer on top of the first's.
fn later(pressed: &Pressed) -> String {
    let [base, top] = layers();
    let change = Layer::new()
        .file("etc/.wh.gone", b"")
        .file("etc/plain", b"content of a changed file\n")
        .file("usr/bin/tool2", &[b'u'; 3000])
        .directory("usr/lib")
        .file("usr/lib/a", &[b'a'; 2000])
        .symlink("usr/bin/short", "elsewhere")
        .tar();
    let image = TestImage::new([base, top, change]);
    image.layout("2").write_directory(&pressed.at("later"));
    format!("oci:{}", pressed.path("later"))
}

#[test]
fn a_filesystem_and_its_image_are_equal_in_either_order() {
    let pressed = Pressed::new();
    let (image, reference) = (pressed.image(), pressed.reference());
    for (a, b) in [
        (&image, &reference),
        (&reference, &image),
        (&image, &image),
        (&reference, &reference),
    ] {
        let ran = diff(a, b, &[]).ended_with(0);
        assert_eq!((&*ran.stdout, &*ran.stderr), ("", ""));
        let json = diff(a, b, &["--json"]).ended_with(0).json();
        assert_eq!(
            (&json["equal"], &json["changes"]),
            (&json!(true), &json!([]))
        );
    }
}

#[test]
fn what_came_went_and_changed_is_told_with_why_and_bytes() {
    let pressed = Pressed::new();
    let later = later(&pressed);
    let built = pressed.build(&later, "later.img");
    let expected = "\
-       -17 B  /etc/gone
~        +2 B  /etc/plain  content
~              /usr/bin/short  target where-the-link-leads → elsewhere
+    +2.9 KiB  /usr/bin/tool2
+              /usr/lib/
+    +2.0 KiB  /usr/lib/a
6 entries differ: 3 added, 1 removed, 2 changed, +4.9 KiB
";
    for (a, b) in [
        (&pressed.reference(), &later),
        (&pressed.image(), &later),
        (&pressed.image(), &built),
    ] {
        let ran = diff(a, b, &[]).ended_with(1);
        let shown: String = ran
            .stdout
            .lines()
            .skip(2)
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(shown, expected);
        assert!(shown.lines().all(|line| line.chars().count() <= 80));
        assert!(ran.stdout.starts_with(&format!("--- {a}\n+++ {b}\n")));
    }
}

#[test]
fn json_names_every_field_with_both_sides() {
    let pressed = Pressed::new();
    let json = diff(&pressed.image(), &later(&pressed), &["--json"])
        .ended_with(1)
        .json();
    let changes = json["changes"].as_array().unwrap();
    let of = |path: &str| {
        changes
            .iter()
            .find(|change| change["path"] == path)
            .unwrap()
    };
    assert_eq!(
        of("/usr/bin/short"),
        &json!({
            "path": "/usr/bin/short", "change": "changed", "type": "symlink",
            "fields": [
                { "field": "size", "a": 20, "b": 9 },
                { "field": "target", "a": "where-the-link-leads", "b": "elsewhere" },
            ],
            "a_bytes": 0, "b_bytes": 0, "delta_bytes": 0,
        })
    );
    assert_eq!(of("/etc/gone")["change"], "removed");
    assert_eq!(of("/etc/gone")["delta_bytes"], -17);
    assert_eq!(of("/usr/lib/a")["change"], "added");
    let totals = json!({
        "added": 3, "removed": 1, "changed": 2,
        "a_bytes": 17 + 24, "b_bytes": 26 + 3000 + 2000, "delta_bytes": 2 + 3000 + 2000 - 17,
    });
    assert_eq!(json["totals"], totals);
    assert_eq!(json["directories"], Value::Null);
}

#[test]
fn stat_sums_up_by_directory_to_the_depth_asked_for() {
    let pressed = Pressed::new();
    let later = later(&pressed);
    let stat = |more: &[&str]| {
        let ran = diff(&pressed.image(), &later, &[&["--stat"], more].concat()).ended_with(1);
        ran.stdout
            .lines()
            .skip(2)
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    assert_eq!(
        stat(&[]),
        "   added  removed  changed       bytes  directory
       -        1        1       -15 B  /etc
       1        -        -         0 B  /usr
       1        -        1    +2.9 KiB  /usr/bin
       1        -        -    +2.0 KiB  /usr/lib
6 entries differ: 3 added, 1 removed, 2 changed, +4.9 KiB
"
    );
    assert_eq!(stat(&["--depth", "0"]).lines().count(), 3);
    assert_eq!(stat(&["--depth", "1"]).lines().count(), 4);
    let json = diff(&pressed.image(), &later, &["--stat", "--json"]).json();
    assert_eq!(json["changes"], Value::Null);
    assert_eq!(json["directories"][0]["path"], "/etc");
    assert_eq!(json["directories"][0]["delta_bytes"], -15);
    diff("a", "b", &["--depth", "1"]).ended_with(2);
}

#[test]
fn attributes_links_and_modes_are_shown_with_both_values_and_can_be_ignored() {
    let pressed = Pressed::new();
    let changed = pressed.changed(&[
        "set_inode_field /etc/plain mode 0104755",
        "set_inode_field /etc/empty mtime @1700000001",
        "ea_rm /etc/marked user.mark",
        "unlink /two",
        "ln /three /two",
        "set_inode_field /null block[0] 0x0105",
    ]);
    let ran = diff(&pressed.image(), &changed, &[]).ended_with(1);
    for line in [
        "~              /etc/empty  mtime\n",
        "~              /etc/marked  user.mark \"made here\" → absent\n",
        "~              /etc/plain  mode 0644 → 4755\n",
        "~              /null  device 1:3 → 1:5\n",
        "~              /two  links same as /one → same as /four\n",
    ] {
        assert!(ran.stdout.contains(line), "{line}{}", ran.stdout);
    }
    assert!(
        ran.stdout.contains("0 added, 0 removed, 5 changed, 0 B\n"),
        "{}",
        ran.stdout
    );
    let all = "mtime,xattrs,mode,content,links";
    diff(&pressed.image(), &changed, &["--ignore", all]).ended_with(0);
    diff(
        &pressed.image(),
        &changed,
        &["--ignore", "mtime,xattrs,mode,content"],
    )
    .ended_with(1);
}

#[test]
fn lost_found_counts_only_where_it_holds_something() {
    let pressed = Pressed::new();
    let changed = pressed.changed(&["mkdir /lost+found/#77"]);
    let ran = diff(&pressed.reference(), &changed, &[]).ended_with(1);
    assert!(ran.stdout.contains("/lost+found/#77/\n"), "{}", ran.stdout);
}

#[test]
fn filesystems_of_other_types_and_block_sizes_are_compared_by_what_they_hold() {
    if !oracles::is_root() {
        return oracles::skip("mke2fs gives the root directory to whoever runs it");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("d")).unwrap();
    fs::write(root.join("d/file"), vec![b'x'; 20_000]).unwrap();
    File::create(root.join("sparse"))
        .unwrap()
        .write_all_at(b"end", 1 << 30)
        .unwrap();
    let make = |name: &str, options: &[&str]| {
        let image = directory.path().join(name);
        support::sample::make_image_with(options, &root, &image, "16M");
        image.to_str().unwrap().to_owned()
    };
    let small = make("small.img", &["-t", "ext2", "-b", "1024"]);
    let large = make("large.img", &["-t", "ext4", "-b", "4096"]);
    diff(&small, &large, &["--ignore", "mtime"]).ended_with(0);
    fs::write(root.join("d/file"), vec![b'y'; 20_000]).unwrap();
    let other = make("other.img", &["-t", "ext4", "-b", "1024"]);
    let ran = diff(&small, &other, &["--ignore", "mtime"]).ended_with(1);
    assert!(
        ran.stdout.contains("~              /d/file  content\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_cannot_be_read_is_never_called_equal() {
    let pressed = Pressed::new();
    // The inode of a file, its type gone.
    let damaged = pressed.changed(&["set_inode_field /etc/plain mode 0"]);
    let ran = diff(&pressed.image(), &damaged, &[]);
    assert!(matches!(ran.code, 1 | 4), "{}", ran.code);
    // The whole directory: its only block holds no entries any more.
    let path = pressed.copy();
    let blocks = oracles::debugfs(path.as_ref(), &["blocks /etc"]);
    let block: u64 = blocks
        .split_whitespace()
        .last()
        .unwrap()
        .parse()
        .unwrap_or_else(|_| {
            let numbers = blocks.lines().find_map(|line| line.trim().parse().ok());
            numbers.unwrap_or_else(|| panic!("{blocks}"))
        });
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff; 4096], block * 4096).unwrap();
    let ran = diff(&pressed.image(), &path, &[]).ended_with(4);
    assert!(ran.stderr.contains("/etc: unreadable: "), "{}", ran.stderr);
    diff(&pressed.image(), &pressed.path("absent"), &[]).ended_with(3);
}

// A `--debugfs` that was none made it exit code 6, though its own reader had taken debugfs' place.
#[test]
fn two_filesystems_are_compared_without_any_program() {
    let pressed = Pressed::new();
    let image = pressed.image();
    let changed = pressed.changed(&["sif /etc/plain mode 0100600"]);
    let without = ["--debugfs", "/nonexistent/debugfs", "-v"];
    for (other, code) in [(&image, 0), (&changed, 1)] {
        let ran = diff(&image, other, &without).ended_with(code);
        assert!(!ran.stderr.contains("+ "), "{}", ran.stderr);
    }
    // Programs that are run are told.
    let verified = layerpress(["verify", &image, &pressed.reference(), "-v"]).ended_with(0);
    assert!(verified.stderr.contains("debugfs"), "{}", verified.stderr);
}
