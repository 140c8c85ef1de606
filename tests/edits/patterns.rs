//! Patterns leave out what git ignores by them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::support::changeset::{Item, ItemKind, Layer};
use super::support::oracles::skip;
use super::{edited, edits};

/// Names that patterns stumble over; each stands in each of the directories once, and those that end
/// with a slash are directories.
const NAMES: [&[u8]; 24] = [
    b"a",
    b"b",
    b"ab",
    b"abc",
    b"a*",
    b"{a}",
    b"{a,b}",
    b"{",
    b"-",
    b"]",
    b"[",
    b"\xff",
    b"a\xfe",
    b"\xc3\xa9",
    b"a b",
    b"a ",
    b"!",
    b"!a",
    b"#a",
    b"\\",
    b"a\\",
    b"^",
    b"a\n",
    b"A",
];

fn tree() -> Vec<Item> {
    let mut items = Vec::new();
    for directory in [&b""[..], b"d/", b"d/a/", b"d/b/d/", b"ab/"] {
        for name in NAMES {
            items.push(Item::new(
                &[directory, name].concat(),
                ItemKind::File(Vec::new()),
            ));
        }
    }
    // A directory takes a file's place.
    let directories = [
        &b"d"[..],
        b"d/a",
        b"d/b",
        b"d/b/d",
        b"ab",
        b"d/a/abc",
        b"d/b/d/a",
    ];
    let is_directory = |item: &Item| directories.contains(&&*item.path);
    items.retain(|item| !is_directory(item));
    items.extend(directories.map(|path| Item::new(path, ItemKind::Directory)));
    items
}

fn pattern() -> impl Strategy<Value = String> {
    let token = select(vec![
        "a",
        "b",
        "d",
        "ab",
        "*",
        "*",
        "**",
        "***",
        "?",
        "/",
        "/",
        "/**/",
        "**/",
        "[ab]",
        "[!a]",
        "[^b/]",
        "[a-c]",
        "[[:alpha:]]",
        "[[:punct:]]",
        "[![:alnum:]]",
        "\\*",
        "\\a",
        "{",
        "}",
        ",",
        "{a,b}",
        "!",
        "^",
        "#",
        " ",
        "\\ ",
        "é",
        "[é]",
        "[à-é]",
        "[!é]",
        "[]a]",
        "[a-]",
        "[!-]",
        "[]-]",
        "[!^]",
        "[^!]",
        "[\\]]",
        "[\\\\]",
        "[a-\\c]",
        "[--0]",
        "[!-~]",
        "[[:alpha:]-z]",
        "[[:x]",
        "-",
        "]",
        ".",
    ]);
    let prefix = select(vec!["", "", "", "!", "/", "!/", "d/", "**/", "\\!", "\\#"]);
    let suffix = select(vec!["", "", "", "/", "/**", "/*", " ", "\\ "]);
    (prefix, prop::collection::vec(token, 1..4), suffix)
        .prop_map(|(prefix, tokens, suffix)| format!("{prefix}{}{suffix}", tokens.concat()))
}

/// git compares what stands before the first special character for itself, and so takes the stars of
/// `a**/b` for a component of their own, which gitignore(5) says they are not.
fn is_misread_by_git(pattern: &str) -> bool {
    let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
    let bare = pattern.strip_prefix('/').unwrap_or(pattern);
    let special = bare.find(['*', '?', '[', '\\']);
    special.is_some_and(|at| at > 0 && bare[at..].starts_with("**") && !bare[..at].ends_with('/'))
}

/// What git ignores of paths by patterns.
fn ignored(repository: &Path, patterns: &[String], paths: &[&[u8]]) -> BTreeSet<Vec<u8>> {
    let text = patterns.join("\n") + "\n";
    std::fs::write(repository.join(".git/info/exclude"), text).unwrap();
    let mut git = Command::new("git")
        .args([
            "-c",
            "core.excludesFile=/dev/null",
            "check-ignore",
            "--no-index",
            "-z",
            "--stdin",
        ])
        .current_dir(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin
        .take()
        .unwrap()
        .write_all(&paths.join(&0))
        .unwrap();
    let output = git.wait_with_output().unwrap();
    // 1: none is.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let found = output.stdout.split(|byte| *byte == 0);
    found
        .filter(|path| !path.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

#[test]
fn what_is_left_out_is_what_git_ignores_by_the_same_patterns() {
    let repository = tempfile::tempdir().unwrap();
    let init = Command::new("git")
        .args(["init", "-q"])
        .arg(repository.path())
        .status();
    if !init.is_ok_and(|status| status.success()) {
        return skip("git is not installed");
    }
    let mut items = tree();
    items.sort_by(|one, other| one.path.cmp(&other.path));
    for item in &items {
        let path = repository.path().join(OsStr::from_bytes(&item.path));
        match item.kind {
            ItemKind::Directory => std::fs::create_dir_all(path).unwrap(),
            _ => {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }
        }
    }
    let paths: Vec<_> = items.iter().map(|item| &*item.path).collect();
    let layer = Layer {
        whiteouts: false,
        items: items.clone(),
    };
    let mut runner = TestRunner::deterministic();
    let (mut held, mut refused, mut with_some) = (0, 0, 0);
    while held < 800 {
        let strategy = prop::collection::vec(pattern(), 1..4);
        let patterns = strategy.new_tree(&mut runner).unwrap().current();
        if patterns.iter().any(|pattern| is_misread_by_git(pattern)) {
            continue;
        }
        let Ok(edited) = edited(
            std::slice::from_ref(&layer),
            &edits(json!({"exclude": patterns})),
        ) else {
            refused += 1;
            continue;
        };
        held += 1;
        let left: BTreeSet<_> = edited.listing.0.keys().cloned().collect();
        let ours: BTreeSet<_> = paths
            .iter()
            .filter(|path| !left.contains(**path))
            .map(|path| path.to_vec())
            .collect();
        let gits = ignored(repository.path(), &patterns, &paths);
        with_some += usize::from(!gits.is_empty());
        let shown = |names: &BTreeSet<Vec<u8>>, others: &BTreeSet<Vec<u8>>| -> Vec<String> {
            names
                .difference(others)
                .map(|name| layerpress::error::escape_path(name))
                .collect()
        };
        assert!(
            ours == gits,
            "{patterns:?}\nonly ours: {:?}\nonly git's: {:?}",
            shown(&ours, &gits),
            shown(&gits, &ours)
        );
    }
    // Neither may be most of it.
    assert!(refused < held, "{refused} of {held} refused");
    assert!(
        with_some * 3 > held,
        "{with_some} of {held} leave something out"
    );
}
