//! Options, each held against what dumpe2fs finds in the output.

use std::fs;

use super::support::oracles::e2fsck_clean;
use super::support::terminal::on_terminal;
use super::{build, dumped, dumped_number, json, number, plan, press};

const MIB: u64 = 1 << 20;

#[test]
fn sizes_are_what_their_rule_says() {
    let press = press();
    let size = |option: &str| {
        let ended = build(&press, &["--json", "-q", option]);
        let summary = json(ended.succeeded());
        e2fsck_clean(&press.output());
        let file = fs::metadata(press.output()).unwrap().len();
        assert_eq!(number(&summary, "/output_bytes"), file);
        (file, number(&summary, "/available_bytes"))
    };
    let (fit, free_of_fit) = size("--size=fit");
    assert!(size("--size=107%").0 >= fit);
    for exact in ["20M", "20MiB", "20480K", "20971520"] {
        assert_eq!(size(&format!("--size={exact}")).0, 20 * MIB);
    }
    assert_eq!(size("--size=1G").0, 1 << 30);
    let (roomy, free) = size("--size=+50M");
    assert!((50 * MIB..52 * MIB).contains(&free), "{free}");
    assert!(roomy > fit && free > free_of_fit);
}

#[test]
fn names_are_as_given() {
    let press = press();
    let uuid = "01234567-89ab-cdef-0123-456789ABCDEF";
    build(
        &press,
        &[
            "--label",
            "sixteen letters!",
            "--uuid",
            uuid,
            "--hash-seed",
            uuid,
        ],
    )
    .succeeded();
    assert_eq!(dumped(&press, "Filesystem volume name"), "sixteen letters!");
    assert_eq!(dumped(&press, "Filesystem UUID"), uuid.to_lowercase());
    assert_eq!(dumped(&press, "Directory Hash Seed"), uuid.to_lowercase());
}

#[test]
fn the_journal_and_the_free_inodes_are_as_given() {
    let press = press();
    let ended = build(
        &press,
        &["--json", "-q", "--journal=8M", "--free-inodes=5000"],
    );
    assert_eq!(number(&json(ended.succeeded()), "/journal_bytes"), 8 * MIB);
    assert_eq!(dumped(&press, "Total journal size"), "8M");
    assert!(dumped_number(&press, "Free inodes") >= 5000);
    e2fsck_clean(&press.output());
}

#[test]
fn the_time_comes_from_the_option_or_the_environment_or_the_image() {
    let press = press();
    let write_time = || dumped(&press, "Last write time");
    build(&press, &[]).succeeded();
    let of_image = write_time();
    assert!(of_image.contains("2024"), "{of_image}");
    build(&press, &["--source-date-epoch=86400"]).succeeded();
    let given = write_time();
    assert!(given.contains("1970"), "{given}");
    let mut command = press.build();
    command.env("SOURCE_DATE_EPOCH", "86400");
    press.run(&mut command).succeeded();
    assert_eq!(write_time(), given);
    let mut command = press.build();
    command.env("SOURCE_DATE_EPOCH", "yesterday");
    assert_eq!(press.run(&mut command).code(), 2);
}

#[test]
fn the_plan_is_what_the_build_makes_and_leaves_no_file() {
    let press = press();
    for options in [
        &[][..],
        &["--size=fit"],
        &["--size=150M", "--journal=16M"],
        &["--size=+10M", "--free-inodes=3000"],
    ] {
        let ended = plan(&press, &[options, &["--json", "-q"]].concat());
        let planned = json(ended.succeeded());
        assert!(press.left().is_empty(), "{:?}", press.left());
        build(&press, options).succeeded();
        for (planned_path, field) in [
            ("/filesystem_blocks", "Block count"),
            ("/blocks/free", "Free blocks"),
            ("/blocks/reserved", "Reserved block count"),
            ("/inodes/total", "Inode count"),
            ("/inodes/free", "Free inodes"),
        ] {
            let made = dumped_number(&press, field);
            assert_eq!(number(&planned, planned_path), made, "{options:?} {field}");
        }
        assert_eq!(planned["uuid"], dumped(&press, "Filesystem UUID"));
        let file = fs::metadata(press.output()).unwrap().len();
        assert_eq!(number(&planned, "/output_bytes"), file);
        // All blocks have a use.
        let by_use = planned["blocks"].as_object().unwrap();
        let sum: u64 = by_use
            .iter()
            .filter(|(name, _)| *name != "reserved")
            .map(|(_, blocks)| blocks.as_u64().unwrap())
            .sum();
        assert_eq!(sum, number(&planned, "/filesystem_blocks"));
        fs::remove_file(press.output()).unwrap();
    }
}

#[test]
fn the_plans_table_has_the_same_numbers() {
    let press = press();
    let planned = json(plan(&press, &["--json", "-q"]).succeeded());
    let ended = plan(&press, &[]);
    let table = ended.succeeded();
    for path in [
        "/blocks/data",
        "/blocks/journal",
        "/blocks/free",
        "/inodes/free",
    ] {
        let digits = number(&planned, path).to_string();
        assert!(
            table.replace(',', "").contains(&digits),
            "{path} {digits}: {table}"
        );
    }
    let image = press.image();
    let shown = on_terminal(80, ["plan", image.to_str().unwrap(), "-q"]);
    let mut lines = shown.iter().flat_map(|shown| shown.lines());
    assert!(
        lines.all(|line| line.len() <= 80 || line.contains("save.tar") || line.contains("sha256:")),
        "{shown:?}"
    );
}

#[test]
fn a_window_that_zstd_does_not_know_is_a_wrong_command_line() {
    let press = press();
    for window in ["9", "32", "-1", "x"] {
        let ended = build(&press, &[&format!("--max-zstd-window-log={window}")]);
        assert_eq!(ended.code(), 2, "{window}");
        assert!(
            ended.stderr.contains("--max-zstd-window-log"),
            "{}",
            ended.stderr
        );
    }
    for window in ["10", "31"] {
        build(&press, &[&format!("--max-zstd-window-log={window}")]).succeeded();
    }
}
