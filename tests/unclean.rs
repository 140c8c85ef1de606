//! A filesystem that was not cleanly unmounted, or in which errors were found: whoever reads it says so,
//! once, with the way out, and in every list of warnings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::archive::{TestImage, layer_tar};
use support::oracles::{debugfs_write, e2fsck_clean, run, succeed};
use support::run::{Ended, Press};
use support::served;

struct Rig {
    press: Press,
    registry: String,
}

impl Rig {
    fn new(kind: &str) -> Self {
        let press = Press::new();
        let image = TestImage::new([layer_tar(&[("etc/file", b"content\n")])]);
        image.layout("1").write_directory(&press.input("layout"));
        let rig = Self {
            press,
            registry: served::serve_pushes(),
        };
        let kind = format!("--fs={kind}");
        rig.run(&[
            "build",
            "oci:{in}/layout:1",
            "-o",
            "{in}/fs.img",
            &kind,
            "--size=16M",
        ])
        .succeeded();
        rig
    }

    fn change(&self, commands: &[&str]) {
        debugfs_write(&self.press.input("fs.img"), commands);
    }

    fn run(&self, words: &[&str]) -> Ended {
        let root = self.press.root().display().to_string();
        let word = |word: &&str| {
            word.replace("{in}", &format!("{root}/in"))
                .replace("{out}", &format!("{root}/out"))
                .replace("{registry}", &format!("docker://{}", self.registry))
        };
        let words: Vec<_> = words.iter().map(word).collect();
        let mut command = self.press.command(&words[0]);
        command.args(&words[1..]).arg("--progress=plain");
        self.press.run(&mut command)
    }
}

/// Whoever reads a filesystem, with what it ends with where a journal has to be written back, and
/// whether it has a list of warnings as JSON.
const READERS: &[(&[&str], i32, bool)] = &[
    (&["ls", "{in}/fs.img"], 0, false),
    (&["cat", "{in}/fs.img", "/etc/file"], 0, false),
    (&["stat", "{in}/fs.img", "/etc"], 0, false),
    (
        &["extract", "{in}/fs.img", "/etc", "-o", "{out}/etc"],
        0,
        false,
    ),
    (&["inspect", "{in}/fs.img"], 0, true),
    (&["packages", "{in}/fs.img"], 0, true),
    (&["diff", "{in}/fs.img", "oci:{in}/layout:1"], 4, true),
    (&["verify", "{in}/fs.img", "oci:{in}/layout:1"], 4, true),
    (
        &[
            "export",
            "{in}/fs.img",
            "--platform=amd64",
            "-o",
            "oci:{out}/exported",
        ],
        4,
        true,
    ),
    (&["push", "{in}/fs.img", "{registry}/name:1"], 0, true),
    (
        &[
            "plan",
            "oci:{in}/layout:1",
            "--fs={kind}",
            "--like={in}/fs.img",
        ],
        0,
        true,
    ),
    (
        &[
            "build",
            "oci:{in}/layout:1",
            "--fs={kind}",
            "--like={in}/fs.img",
            "-o",
            "{out}/b",
        ],
        0,
        true,
    ),
];

/// Expects each reader to warn of it, once, in these words.
fn expect_warned(rig: &Rig, kind: &str, text: &str, way_out: &str) {
    let path = rig.press.input("fs.img").display().to_string();
    let way_out = format!("`{way_out} {path}`");
    for (words, code, has_json) in READERS {
        let words: Vec<_> = words
            .iter()
            .map(|word| word.replace("{kind}", kind))
            .collect();
        let mut words: Vec<_> = words.iter().map(String::as_str).collect();
        let is_refused = text.contains("journal are") && words[0] == "export";
        let ended = rig.run(&words);
        let code = if text.contains("journal are") {
            *code
        } else {
            0
        };
        assert_eq!(ended.code(), code, "{words:?} {}", ended.stderr);
        let is_told =
            |line: &&str| line.starts_with(&format!("warning: {path}: ")) && line.contains(text);
        let told: Vec<_> = ended.stderr.lines().filter(is_told).collect();
        if is_refused {
            // It is an error there.
            assert!(ended.stderr.contains(&way_out), "{}", ended.stderr);
            continue;
        }
        assert_eq!(told.len(), 1, "{words:?} {}", ended.stderr);
        assert!(told[0].contains(&way_out), "{words:?} {}", told[0]);
        if *has_json {
            words.push("--json");
            let ended = rig.run(&words);
            let document: Value = serde_json::from_str(&ended.stdout).unwrap();
            let warnings = warnings(&document);
            let told = warnings.iter().filter(|warning| warning.contains(text));
            assert_eq!(told.count(), 1, "{words:?} {document:#}");
        }
    }
}

/// The lists of warnings of a document, those of its sides included.
fn warnings(document: &Value) -> Vec<String> {
    match document {
        Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| match (&**key, value) {
                ("warnings", Value::Array(all)) => all
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                _ => warnings(value),
            })
            .collect(),
        Value::Array(all) => all.iter().flat_map(warnings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn of_a_clean_filesystem_nobody_warns() {
    for kind in ["ext2", "ext3"] {
        let rig = Rig::new(kind);
        for (words, ..) in READERS {
            let words: Vec<_> = words
                .iter()
                .map(|word| word.replace("{kind}", kind))
                .collect();
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let ended = rig.run(&words);
            ended.succeeded();
            assert!(
                !ended.stderr.contains("cleanly"),
                "{words:?} {}",
                ended.stderr
            );
        }
    }
}

/// `verify` and `push` said nothing of one without a journal, and the list of `export` and `build` had
/// nothing of it.
#[test]
fn whoever_reads_one_without_a_journal_that_was_not_unmounted_says_so_and_the_way_out_is_one() {
    let rig = Rig::new("ext2");
    rig.change(&["set_super_value state 0"]);
    expect_warned(&rig, "ext2", "no journal has what is missing", "e2fsck -fy");
    let image = rig.press.input("fs.img");
    run("e2fsck", ["-fy", image.to_str().unwrap()]);
    e2fsck_clean(&image);
    let ended = rig.run(&["verify", "{in}/fs.img", "oci:{in}/layout:1"]);
    ended.succeeded();
    assert!(!ended.stderr.contains("cleanly"), "{}", ended.stderr);
}

#[test]
fn whoever_reads_one_in_which_errors_were_found_says_so() {
    let rig = Rig::new("ext3");
    rig.change(&["set_super_value state 3"]);
    expect_warned(
        &rig,
        "ext3",
        "errors were found in it and not mended",
        "e2fsck -fy",
    );
}

#[test]
fn whoever_reads_one_whose_journal_has_to_be_written_back_says_so() {
    let rig = Rig::new("ext3");
    rig.change(&["feature needs_recovery"]);
    expect_warned(&rig, "ext3", "only in its journal are", "e2fsck -fp");
    let pushed = rig.run(&["push", "{in}/fs.img", "{registry}/name:2", "--json"]);
    let document: Value = serde_json::from_str(pushed.succeeded()).unwrap();
    assert_eq!(document["needs_recovery"], true);
    assert_eq!(document["state"], "clean");
}

/// It was pushed without a word.
#[test]
fn a_push_tells_of_a_journal_that_stays_behind() {
    let rig = Rig::new("ext2");
    let image = rig.press.input("fs.img");
    // A filesystem with its journal there has no inode for one.
    rig.change(&["feature has_journal", "set_super_value journal_inum 0"]);
    let told = format!(
        "{}: its journal is on another device and is not pushed",
        image.display()
    );
    let pushed = rig.run(&["push", "{in}/fs.img", "{registry}/name:1"]);
    pushed.succeeded();
    assert!(pushed.stderr.contains(&told), "{}", pushed.stderr);
    assert!(
        pushed.stderr.contains("`tune2fs -f -O ^has_journal "),
        "{}",
        pushed.stderr
    );
    let pushed = rig.run(&["push", "{in}/fs.img", "{registry}/name:1", "--json"]);
    let document: Value = serde_json::from_str(pushed.succeeded()).unwrap();
    assert_eq!(warnings(&document).len(), 1, "{document:#}");
    // It does without.
    succeed(
        "tune2fs",
        ["-f", "-O", "^has_journal", image.to_str().unwrap()],
    );
    let pushed = rig.run(&["push", "{in}/fs.img", "{registry}/name:2"]);
    assert!(!pushed.stderr.contains("journal"), "{}", pushed.stderr);
}
