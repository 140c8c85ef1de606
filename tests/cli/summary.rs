//! What is told of a finished build.

use std::fs;
use std::process::Command;

use super::support::oracles::succeed;
use super::{build, dumped, dumped_number, json, number, press};

const NAMES: [&str; 44] = [
    "schema",
    "reference",
    "image_name",
    "image_id",
    "manifest_digest",
    "chain_id",
    "platform",
    "created",
    "layer_count",
    "entries",
    "content_bytes",
    "output",
    "output_bytes",
    "output_host_bytes",
    "filesystem_type",
    "filesystem_bytes",
    "size_rule",
    "disk_usage_bytes",
    "used_bytes",
    "available_bytes",
    "available_note",
    "free_bytes",
    "reserved_bytes",
    "for_root_bytes",
    "kept_by_kernel_bytes",
    "inodes",
    "free_inodes",
    "journal_bytes",
    "uuid",
    "label",
    "sha256",
    "files",
    "size_note",
    "verity",
    "compressed",
    "edits_digest",
    "recipe_digest",
    "left_out_entries",
    "like",
    "left_out_bytes",
    "proofs",
    "versions",
    "warnings",
    "seconds",
];

#[test]
fn the_json_summary_has_all_names_and_the_numbers_of_dumpe2fs() {
    let press = press();
    let ended = build(
        &press,
        &[
            "--json",
            "--label=x",
            "--size=100M",
            "--progress=none",
            "--sha256",
        ],
    );
    let summary = json(ended.succeeded());
    let mut names: Vec<_> = summary
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    let mut expected = NAMES;
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (name, field, unit) in [
        ("/filesystem_bytes", "Block count", 4096),
        ("/reserved_bytes", "Reserved block count", 4096),
        ("/inodes", "Inode count", 1),
        ("/free_inodes", "Free inodes", 1),
    ] {
        let found = dumped_number(&press, field) * unit;
        assert_eq!(number(&summary, name), found, "{name}");
    }
    assert_eq!(summary["uuid"], dumped(&press, "Filesystem UUID"));
    assert_eq!(summary["label"], "x");
    let free = (dumped_number(&press, "Free blocks") * 4096)
        .saturating_sub(number(&summary, "/reserved_bytes"));
    assert_eq!(number(&summary, "/available_bytes"), free);
    assert_eq!(number(&summary, "/free_bytes"), free);
    assert_eq!(summary["layer_count"], 2);
    // The root, etc, passwd, group and text.
    assert_eq!(summary["entries"], 5);
    assert_eq!(summary["content_bytes"], 22 + 10 + 5);
    let path = press.output();
    let hash = String::from_utf8(succeed("sha256sum", [&path])).unwrap();
    assert_eq!(summary["sha256"], hash[..64]);
    assert_eq!(number(&summary, "/output_bytes"), 100 << 20);
    let du = String::from_utf8(succeed("du", ["-B1", path.to_str().unwrap()])).unwrap();
    let du: u64 = du.split_whitespace().next().unwrap().parse().unwrap();
    // The host's own map of the file is made when the file is written to the disk.
    let map_bytes = 64 << 10;
    assert!(number(&summary, "/output_host_bytes").abs_diff(du) <= map_bytes);
    assert_eq!(ended.stderr, "");
}

#[test]
fn the_table_has_the_same_and_fits_on_eighty_columns() {
    let press = press();
    let ended = build(&press, &["--size=100M", "--label=mine", "--sha256"]);
    let table = ended.succeeded();
    let hash = String::from_utf8(succeed("sha256sum", [press.output()])).unwrap();
    for text in [
        &hash[..64],
        "5 entries, 37 B from 2 layers",
        "100 MiB",
        "mine",
        &dumped(&press, "Filesystem UUID"),
        "linux/amd64",
    ] {
        assert!(table.contains(text), "no {text}: {table}");
    }
    for line in table.lines().filter(|line| !line.contains('/')) {
        assert!(line.len() <= 80, "{line}");
    }
}

#[test]
fn the_output_is_hashed_only_where_that_is_asked_for() {
    let press = press();
    let ended = build(&press, &["--json"]);
    assert!(json(ended.succeeded())["sha256"].is_null());
    assert!(!ended.stderr.contains("computed"), "{}", ended.stderr);
    assert_eq!(press.left(), ["out/fs.img"]);
    let table = build(&press, &[]);
    let has_hash = |line: &str| line.starts_with("sha256 ");
    assert!(!table.succeeded().lines().any(has_hash));
}

#[test]
fn the_checksum_file_is_what_sha256sum_reads() {
    let press = press();
    build(&press, &["--sha256"]).succeeded();
    assert_eq!(press.left(), ["out/fs.img", "out/fs.img.sha256"]);
    let check = || {
        Command::new("sha256sum")
            .args(["--check", "--strict", "--status", "fs.img.sha256"])
            .current_dir(press.root().join("out"))
            .status()
            .unwrap()
            .success()
    };
    assert!(check());
    let mut bytes = fs::read(press.output()).unwrap();
    bytes[5000] ^= 1;
    fs::write(press.output(), bytes).unwrap();
    assert!(!check());
}

#[test]
fn a_verified_build_says_what_it_compared() {
    let press = press();
    let ended = build(&press, &["--verify", "--progress=plain"]);
    ended.succeeded();
    assert!(
        ended.stderr.contains("read the filesystem back: "),
        "{}",
        ended.stderr
    );
}
