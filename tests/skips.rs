//! A test that does not run is seen: it says so, and fails where none may be left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::oracles::{program, skip};
use support::run::output_of;

#[test]
#[ignore = "run by another test"]
fn one_that_is_skipped() {
    skip("on purpose");
}

#[test]
#[ignore = "run by another test"]
fn one_without_its_program() {
    assert!(program("no-such-program").is_none());
}

/// How a test of this file ends, and what it says, where so much is required.
fn ended(test: &str, required: Option<&str>) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]);
    command.env_remove("LAYERPRESS_REQUIRE");
    command.envs(required.map(|value| ("LAYERPRESS_REQUIRE", value)));
    let output = output_of(&mut command);
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("running 1 test"), "{told}");
    (output.status.success(), told)
}

#[test]
fn a_skipped_test_says_so_and_fails_where_all_are_required() {
    for (test, reason) in [
        ("one_that_is_skipped", "on purpose"),
        (
            "one_without_its_program",
            "no-such-program is not installed",
        ),
    ] {
        for (required, passes) in [
            (None, true),
            (Some(""), true),
            (Some("all"), false),
            (Some("some"), false),
        ] {
            let (passed, told) = ended(test, required);
            assert_eq!(passed, passes, "{test} {required:?}: {told}");
            assert_eq!(
                told.contains(reason),
                required != Some("some"),
                "{required:?}: {told}"
            );
        }
    }
}

/// Files of Rust below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Whether a line tells of a skip by itself.
fn tells_of_a_skip(line: &str) -> bool {
    let prints = line.contains("println!(\"") || line.contains("print!(\"");
    prints
        && ["skipped", "not run", "is not installed"]
            .iter()
            .any(|words| line.contains(words))
}

#[test]
fn every_skip_comes_by_the_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = Vec::new();
    for path in [sources(&root.join("tests")), sources(&root.join("src"))].concat() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        // What tries the checker, below, is no skip.
        let lines = text.split("let tried = ").next().unwrap().lines();
        let lines = lines.filter(|line| tells_of_a_skip(line));
        places.extend(lines.map(|_| name.clone()));
    }
    assert_eq!(places, ["tests/support/skip.rs"]);
    let tried = [
        (r#"  eprintln!("skipped: {reason}");"#, true),
        (r#"println!("not run: no root");"#, true),
        (r#"skip("mke2fs is not installed");"#, false),
    ];
    for (line, is_one) in tried {
        assert_eq!(tells_of_a_skip(line), is_one, "{line}");
    }
}
