//! The example programs do what they say, in few lines and with the names at the crate's root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use support::oracles;
use support::session::layerpress;

const NAMES: [&str; 3] = ["build", "list", "extract"];

/// Runs an example as its first line says; what it printed.
fn example(name: &str, arguments: &[&str]) -> Vec<u8> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--locked", "--offline", "--example", name]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo.arg("--").args(arguments).stdin(Stdio::null());
    let output = cargo.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{name}: {said}");
    output.stdout
}

#[test]
fn the_examples_press_list_and_take_out_the_bundled_image() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (ours, theirs) = (path("ours.img"), path("theirs.img"));

    let said = example("build", &["fixtures/busybox.tar", &ours]);
    let expected = format!("{ours}: 579 entries\n");
    assert_eq!(String::from_utf8(said).unwrap(), expected);
    let image = "fixtures/busybox.tar";
    layerpress(["build", image, "-o", &theirs, "--label", "example", "-q"]).ended_with(0);
    assert!(fs::read(&ours).unwrap() == fs::read(&theirs).unwrap());
    oracles::e2fsck_clean(Path::new(&ours));

    let of_image = String::from_utf8(example("list", &[])).unwrap();
    let of_filesystem = String::from_utf8(example("list", &[&ours])).unwrap();
    assert_eq!(of_image.lines().count(), 579);
    let is_ours = |line: &&str| !line.starts_with("lost+found ");
    let of_filesystem: Vec<_> = of_filesystem.lines().filter(is_ours).collect();
    assert_eq!(of_image.lines().collect::<Vec<_>>(), of_filesystem);

    let tar = path("etc.tar");
    fs::write(&tar, example("extract", &[&ours, "etc"])).unwrap();
    let names = oracles::succeed("tar", ["-tf", &tar]);
    let names = String::from_utf8(names).unwrap();
    assert!(names.lines().any(|name| name == "passwd"), "{names}");
}

#[test]
fn each_example_is_short_and_needs_no_name_below_the_root() {
    for name in NAMES {
        let text = fs::read_to_string(format!("examples/{name}.rs")).unwrap();
        assert!(text.lines().count() < 25, "{name}");
        assert!(!below_the_root(&text), "{name}");
    }
    // The checker must find what is below.
    assert!(below_the_root("use layerpress::source::Reference;"));
    assert!(below_the_root(
        "use layerpress::{Error, source::Reference};"
    ));
    let found = fs::read_dir("examples").unwrap().count();
    assert_eq!(found, NAMES.len(), "an example that is not run");
}

/// Whether a path leads through a module of the crate.
fn below_the_root(text: &str) -> bool {
    text.split(';').any(|statement| {
        let parts = statement.split_once("layerpress::");
        parts.is_some_and(|(_, path)| path.contains("::"))
    })
}
