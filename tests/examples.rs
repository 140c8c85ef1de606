//! The example programs do what they say, in few lines and with the names at the crate's root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use support::oracles;
use support::session::layerpress;

const NAMES: [&str; 3] = ["build", "list", "extract"];

/// Runs an example, which `cargo test` builds before the tests run; what it printed.
fn example(name: &str, arguments: &[&str]) -> Vec<u8> {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap();
    let program = program.join("examples").join(name);
    let source = Path::new("examples").join(format!("{name}.rs"));
    assert!(
        made(&program) >= made(Path::new("src")).max(made(&source)),
        "{} is missing or old: cargo build --examples",
        program.display()
    );
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{name}: {said}");
    output.stdout
}

/// When a file, or the newest one in a folder, was written; what is missing never was.
fn made(path: &Path) -> SystemTime {
    match fs::read_dir(path) {
        Ok(entries) => {
            let times = entries.map(|entry| made(&entry.unwrap().path()));
            times.max().unwrap_or(SystemTime::UNIX_EPOCH)
        }
        Err(_) => fs::metadata(path).map_or(SystemTime::UNIX_EPOCH, |m| m.modified().unwrap()),
    }
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

    let lines = |said: Vec<u8>| -> BTreeSet<String> {
        let said = String::from_utf8(said).unwrap();
        said.lines().map(str::to_owned).collect()
    };
    let (of_image, of_filesystem) = (
        lines(example("list", &[])),
        lines(example("list", &[&ours])),
    );
    assert_eq!(of_image.len(), 579);
    let only = of_image.symmetric_difference(&of_filesystem);
    // With `lost+found` the root has one directory more.
    let only: BTreeSet<_> = only.map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(only.into_iter().collect::<Vec<_>>(), ["/", "/lost+found"]);

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
    // Beside them stand folders of what is no program of the library's.
    let names = fs::read_dir("examples").unwrap();
    let names = names.map(|entry| entry.unwrap().path());
    let found = names.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    assert_eq!(found.count(), NAMES.len(), "an example that is not run");
}

/// Whether a path leads through a module of the crate.
fn below_the_root(text: &str) -> bool {
    text.split(';').any(|statement| {
        let parts = statement.split_once("layerpress::");
        parts.is_some_and(|(_, path)| path.contains("::"))
    })
}
