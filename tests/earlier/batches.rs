//! Many images, each like its own earlier filesystem: what is up to date is left, and none is read that
//! another replaces.

use std::fs;

use serde_json::Value;

use super::support::run::Ended;
use super::{Versions, sha256};

fn batch(versions: &Versions, lines: &[String], options: &[&str]) -> Ended {
    let press = &versions.press;
    let list = press.root().join("list");
    fs::write(&list, lines.join("\n")).unwrap();
    let mut build = press.command("build");
    build.arg("--list").arg(&list).arg("--json");
    build.arg("--work-dir").arg(press.root().join("work"));
    press.run(build.args(["--progress=none"]).args(options))
}

fn states(ended: &Ended) -> Vec<String> {
    let mut lines: Vec<Value> = ended
        .succeeded()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.sort_by_key(|line| line["index"].as_u64());
    let states = lines.iter().map(|line| line["state"].as_str().unwrap());
    states.map(str::to_owned).collect()
}

fn line(versions: &Versions, version: usize, output: &str, options: &str) -> String {
    let image = versions.press.input(&format!("{version}.tar"));
    let output = versions.press.root().join("out").join(output);
    format!("{}\t{}\t{options}", image.display(), output.display())
}

#[test]
fn what_is_up_to_date_depends_on_the_bytes_of_the_earlier_filesystem() {
    let versions = Versions::new(&[]);
    let old = versions.old();
    let like = format!("--like {}", old.display());
    let lines = [
        line(&versions, 2, "a.img", &like),
        line(&versions, 2, "b.img", ""),
    ];
    assert_eq!(states(&batch(&versions, &lines, &[])), ["built"; 2]);
    let a = versions.press.root().join("out/a.img");
    let first = sha256(&a);
    assert_eq!(states(&batch(&versions, &lines, &[])), ["up_to_date"; 2]);
    // Its place and its times are nothing to it.
    let moved = versions.press.input("moved.img");
    fs::rename(&old, &moved).unwrap();
    let elsewhere = format!("--like {}", moved.display());
    let lines = [line(&versions, 2, "a.img", &elsewhere), lines[1].clone()];
    assert_eq!(states(&batch(&versions, &lines, &[])), ["up_to_date"; 2]);
    // Another one, none, or one that is not there is.
    versions.made(2, &moved, &["--size=64M"]);
    assert_eq!(
        states(&batch(&versions, &lines, &[])),
        ["built", "up_to_date"]
    );
    assert_ne!(sha256(&a), first);
    let lines = [line(&versions, 2, "a.img", ""), lines[1].clone()];
    assert_eq!(
        states(&batch(&versions, &lines, &[])),
        ["built", "up_to_date"]
    );
    let lines = [
        line(&versions, 2, "a.img", "--like absent"),
        lines[1].clone(),
    ];
    let ended = batch(&versions, &lines, &[]);
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
}

#[test]
fn an_output_that_is_like_itself_is_up_to_date_until_the_image_changes() {
    let versions = Versions::new(&[]);
    let output = versions.press.root().join("out/a.img");
    fs::copy(versions.old(), &output).unwrap();
    let like = format!("--like {}", output.display());
    let lines = [line(&versions, 2, "a.img", &like)];
    assert_eq!(states(&batch(&versions, &lines, &[])), ["built"]);
    let before = fs::read(&output).unwrap();
    assert_eq!(states(&batch(&versions, &lines, &[])), ["up_to_date"]);
    assert_eq!(
        states(&batch(&versions, &lines, &["--check-outputs"])),
        ["up_to_date"]
    );
    // What is said to be so is.
    assert_eq!(states(&batch(&versions, &lines, &["--force"])), ["built"]);
    assert!(fs::read(&output).unwrap() == before);
    let lines = [line(&versions, 1, "a.img", &like)];
    assert_eq!(states(&batch(&versions, &lines, &[])), ["built"]);
}

#[test]
fn words_of_the_image_are_filled_in_for_each() {
    let versions = Versions::new(&[]);
    fs::copy(versions.old(), versions.press.input("name-tag.old")).unwrap();
    let like = format!(
        "--like={}/{{name}}-{{tag}}.old",
        versions.press.root().join("in").display()
    );
    let lines = [
        line(&versions, 2, "a.img", ""),
        line(&versions, 1, "b.img", ""),
    ];
    assert_eq!(states(&batch(&versions, &lines, &[&like])), ["built"; 2]);
    let manifest = versions.press.root().join("out/a.img.manifest.json");
    let told: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    assert_eq!(told["like"]["sha256"], sha256(&versions.old()));
}

/// Which of the two would be read is chance.
#[test]
fn what_one_is_like_is_not_what_another_writes() {
    let versions = Versions::new(&[]);
    let out = versions.press.root().join("out");
    for name in ["a.img", "name.img"] {
        fs::copy(versions.old(), out.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("a.img", out.join("link")).unwrap();
    let like = |name: &str| format!("--like {}", out.join(name).display());
    for lines in [
        [
            line(&versions, 2, "a.img", ""),
            line(&versions, 1, "b.img", &like("a.img")),
        ],
        [
            line(&versions, 2, "b.img", &like("a.img")),
            line(&versions, 1, "a.img", ""),
        ],
        [
            line(&versions, 2, "a.img", &like("a.img")),
            line(&versions, 1, "b.img", &like("a.img")),
        ],
        [
            line(&versions, 2, "b.img", &like("link")),
            line(&versions, 1, "a.img", ""),
        ],
        [
            line(&versions, 2, "name.img", ""),
            line(&versions, 1, "b.img", &like("{name}.img")),
        ],
        [
            line(&versions, 2, "b.img", &like("{name}.img")),
            line(&versions, 1, "{name}.img", ""),
        ],
    ] {
        let ended = batch(&versions, &lines, &[]);
        assert_eq!(ended.code(), 5, "{lines:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("other than what is read"),
            "{}",
            ended.stderr
        );
        assert!(!out.join("b.img").exists());
    }
}
