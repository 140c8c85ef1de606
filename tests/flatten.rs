//! Flattening shows what the changesets say, and what real engines make of them.
//!
//! The corpus in `fixtures/changesets` is the promise. Each case is held against our flattening,
//! against `umoci unpack`, dockerd with overlay2 and containerd with overlayfs; where an engine shows something else
//! the case says why, and it is an error when it does not differ any more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use layerpress::progress::Silent;
use layerpress::tree::{FlattenOptions, Tree, flatten};
use support::changeset::{
    Case, DEFAULT_TIME, Expected, Item, ItemKind, Layer, Listing, changesets,
    containerd::Containerd, corpus, docker::Docker, umoci,
};
use support::oracles::{is_root_with, skip};

fn options() -> FlattenOptions {
    FlattenOptions {
        default_time: DEFAULT_TIME,
        ..FlattenOptions::default()
    }
}

fn flattened(layers: &[Layer]) -> Result<(Tree, Listing), String> {
    let (changesets, contents) = changesets(layers);
    let tree = flatten(changesets, &options(), &Silent).map_err(|error| error.to_string())?;
    let listing = Listing::of_tree(&tree, &contents);
    Ok((tree, listing))
}

#[test]
fn every_case_of_the_corpus_shows_what_it_expects() {
    let mut failures = String::new();
    let cases = corpus();
    for case in &cases {
        let shown = flattened(&case.layers);
        let failure = match (&case.expected, shown) {
            (Expected::Error(words), Err(error)) if error.contains(words) => continue,
            (Expected::Error(_), Err(error)) => format!("  refused with: {error}\n"),
            (Expected::Error(_), Ok(_)) => "  expected an error, found none\n".to_owned(),
            (Expected::Listing(_), Err(error)) => format!("  refused with: {error}\n"),
            (Expected::Listing(items), Ok((tree, listing))) => {
                let expected = Listing::of_items(items);
                let listing = listing.without_root_unless_in(&expected);
                let mut failure = expected.difference(&listing, ["expected", "flatten"]);
                let warnings: Vec<_> = tree.warnings.lines().collect();
                match &case.warning {
                    None if warnings.is_empty() => {}
                    Some(words) if warnings.iter().any(|line| line.contains(words)) => {}
                    _ => failure.push_str(&format!("  warnings: {warnings:?}\n")),
                }
                failure
            }
        };
        if !failure.is_empty() {
            failures.push_str(&format!("{}\n{failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(cases.len() >= 60, "only {} cases found", cases.len());
}

/// Holds what an engine makes of each case against what the case expects, or, where the case
/// says that the engine differs, against that.
fn judge(
    engine: &str,
    version: u32,
    unpack: impl Fn(&[Layer], &std::path::Path) -> Result<Listing, String>,
) {
    let mut failures = String::new();
    let mut judged = 0;
    for case in corpus() {
        if case.layers.iter().any(|layer| !layer.whiteouts) {
            // A flat root filesystem is no image to an engine.
            continue;
        }
        judged += 1;
        let work = tempfile::tempdir().unwrap();
        let clock_from = now();
        let shown = unpack(&case.layers, work.path());
        let difference = difference(&case, engine, shown, clock_from);
        match (case.why_differs(engine, version), difference.is_empty()) {
            (None, true) | (Some(_), false) => {}
            (None, false) => failures.push_str(&format!("{}\n{difference}", case.name)),
            (Some(why), true) => failures.push_str(&format!(
                "{}\n  {engine} shows just the same, but is said to differ: {why}\n",
                case.name
            )),
        }
    }
    println!("{engine} judged {judged} cases");
    assert!(failures.is_empty(), "\n{failures}");
}

fn difference(
    case: &Case,
    engine: &str,
    shown: Result<Listing, String>,
    clock_from: i64,
) -> String {
    match (&case.expected, shown) {
        (Expected::Error(_), Err(_)) => String::new(),
        (Expected::Error(_), Ok(listing)) => format!("  {engine} shows {:?}\n", listing.0.keys()),
        (Expected::Listing(_), Err(error)) => format!("  {engine} refuses: {error}\n"),
        (Expected::Listing(items), Ok(listing)) => {
            let expected = Listing::of_items(items);
            let listing = listing
                .without_root_unless_in(&expected)
                .with_times_from(&expected, clock_from);
            expected.difference(&listing, ["expected", engine])
        }
    }
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs() as i64
}

#[test]
fn umoci_shows_the_same_or_the_case_says_why_not() {
    if is_root_with(&["umoci"]) {
        judge("umoci", 0, umoci::unpack);
    }
}

#[test]
fn docker_shows_the_same_or_the_case_says_why_not() {
    if !is_root_with(&["dockerd", "docker"]) {
        return;
    }
    match Docker::start() {
        Ok(docker) => {
            let version = docker.run(&["version", "--format={{.Server.Version}}"]);
            let version = version.unwrap();
            let major = version.split('.').next().unwrap().parse().unwrap();
            judge("docker", major, |layers, work| docker.unpack(layers, work));
        }
        Err(reason) => skip(&reason),
    }
}

#[test]
fn containerd_shows_the_same_or_the_case_says_why_not() {
    if !is_root_with(&["containerd", "ctr"]) {
        return;
    }
    match Containerd::start() {
        Ok(containerd) => judge("containerd", 0, |layers, work| {
            containerd.unpack(layers, work)
        }),
        Err(reason) => skip(&reason),
    }
}

#[test]
fn the_comparison_sees_every_attribute() {
    let mut item = Item::new(b"f", ItemKind::File(b"x".to_vec()));
    item.xattrs.insert(b"user.a".to_vec(), b"1".to_vec());
    let listing = Listing::of_items(std::slice::from_ref(&item));
    type Change = fn(&mut Item);
    let changes: [Change; 9] = [
        |item| item.path = b"g".to_vec(),
        |item| item.kind = ItemKind::File(b"y".to_vec()),
        |item| item.kind = ItemKind::Link(b"e".to_vec()),
        |item| item.mode = 0o4644,
        |item| item.uid = 1,
        |item| item.gid = 1,
        |item| item.mtime.nanoseconds = 1,
        |item| drop(item.xattrs.insert(b"user.a".to_vec(), Vec::new())),
        |item| item.xattrs.clear(),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut changed = item.clone();
        change(&mut changed);
        let changed = Listing::of_items(&[changed]).with_times_from(&listing, 0);
        assert_ne!(
            listing.difference(&changed, ["one", "other"]),
            "",
            "change {index}"
        );
    }
    assert_eq!(listing.difference(&listing.clone(), ["one", "other"]), "");
}
