//! `diff --packages`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::run::{Ended, Press};
use crate::support::session::Layer;

/// A root filesystem's tar with these packages of dpkg.
fn tar(press: &Press, name: &str, packages: &[&str]) -> PathBuf {
    let stanzas = packages.iter().map(|package| {
        let words: Vec<_> = package.split(' ').collect();
        format!(
            "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: {}\n\n",
            words[0], words[1], words[2]
        )
    });
    let status: String = stanzas.collect();
    let layer = Layer::new().file("var/lib/dpkg/status", status.as_bytes());
    let path = press.input(name);
    fs::write(&path, layer.tar()).unwrap();
    path
}

fn diff(press: &Press, names: [&str; 2], options: &[&str]) -> Ended {
    let mut diff = press.command("diff");
    diff.arg("--packages")
        .args(options)
        .current_dir(press.input(""));
    diff.args(names.map(|name| format!("rootfs:{name}")));
    press.run(&mut diff)
}

#[test]
fn versions_are_told_from_old_to_new_with_the_exit_code_of_diff() {
    let press = Press::new();
    tar(
        &press,
        "a",
        &[
            "gone 1 all",
            "libc6 2.36-9 amd64",
            "same 1 all",
            "tool 1 all",
        ],
    );
    tar(
        &press,
        "b",
        &[
            "come 3 all",
            "libc6 2.36-10 amd64",
            "same 1 all",
            "tool 1 amd64",
        ],
    );
    let told = diff(&press, ["a", "b"], &["-q"]);
    assert_eq!(told.code(), 1);
    assert_eq!(
        told.stdout,
        "--- rootfs:a\n\
         +++ rootfs:b\n\
         + come   3                 all\n\
         - gone   1                 all\n\
         ~ libc6  2.36-9 → 2.36-10  amd64\n\
         ~ tool   1                 all → amd64\n\
         4 packages differ: 1 added, 1 removed, 2 changed\n"
    );
    let equal = diff(&press, ["a", "a"], &["-q"]);
    assert_eq!((equal.code(), &*equal.stdout), (0, ""));
    let json: Value = serde_json::from_str(&diff(&press, ["a", "b"], &["--json"]).stdout).unwrap();
    assert_eq!(json["equal"], false);
    assert_eq!(json["changes"][2]["a_version"], "2.36-9");
    assert_eq!(json["changes"][2]["b_version"], "2.36-10");
    assert_eq!(json["changes"][0]["a_version"], Value::Null);
    assert_eq!(json["totals"]["changed"], 2);
}

/// Two without any list are equal, and that there is none is told of both.
#[test]
fn no_lists_are_equal_and_told() {
    let press = Press::new();
    for name in ["a", "b"] {
        fs::write(press.input(name), Layer::new().file("x", b"").tar()).unwrap();
    }
    let told = diff(&press, ["a", "b"], &[]);
    assert_eq!(told.code(), 0);
    assert_eq!(
        told.stderr
            .matches("no list of packages is known here")
            .count(),
        2
    );
    let wrong = diff(&press, ["a", "b"], &["--stat"]);
    assert_eq!(wrong.code(), 2, "{}", wrong.stderr);
}

/// What was not read may differ: that is no equality.
#[test]
fn lists_that_were_not_read_are_not_called_equal() {
    let press = Press::new();
    let status = b"Package: a\nStatus: install ok installed\nVersion: 1\n\n";
    for (name, path, bytes) in [
        ("rpm", "var/lib/rpm/rpmdb.sqlite", &b"SQLite format 3\0"[..]),
        ("updates", "var/lib/dpkg/updates/0001", b"Package: b\n"),
        ("nameless", "lib/apk/db/installed", b"V:1\n"),
    ] {
        let layer = Layer::new()
            .file("var/lib/dpkg/status", status)
            .file(path, bytes);
        fs::write(press.input(name), layer.tar()).unwrap();
        let told = diff(&press, [name, name], &["--json"]);
        assert_eq!(told.code(), 4, "{name}");
        let says = "nothing differs, but not all lists of packages were read";
        assert!(told.stderr.contains(says), "{}", told.stderr);
        let json: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(json["equal"], false, "{name}");
        // What does differ, differs all the same.
        tar(&press, "other", &["a 2 all"]);
        assert_eq!(diff(&press, [name, "other"], &[]).code(), 1, "{name}");
    }
}
