//! What became of the wish: in the summary, the plan and the manifest.

use std::fs;

use serde_json::Value;

use super::support::archive::{TestImage, layer_tar};
use super::support::oracles::{debugfs, e2fsck_clean};
use super::{Versions, sha256};

const KINDS: [&str; 3] = ["ext2", "ext3", "ext4"];

fn blocks_of(image: &std::path::Path, path: &str) -> String {
    debugfs(image, &[&format!("blocks /{path}")])
}

#[test]
fn what_stays_is_told_alike_in_the_summary_the_plan_and_the_manifest_and_is_so() {
    for kind in KINDS {
        let fs_option = format!("--fs={kind}");
        let versions = Versions::new(&[&fs_option]);
        let (press, old) = (&versions.press, versions.old());
        let manifest = press.root().join("tmp/manifest");
        let manifest_option = format!("--manifest={}", manifest.display());
        let built = versions.made_like(&[&fs_option, "--verify", &manifest_option]);
        let like = &built["like"];
        assert_eq!(like["sha256"], sha256(&old), "{kind}");
        assert_eq!(like["path"], old.to_str().unwrap());
        assert_eq!(like["layout"], "kept", "{kind}: {like}");
        assert_eq!(like["fresh_because"], Value::Null);
        assert_eq!(like["left_out_names"], 0);
        // All but `etc/version`'s longer brother, the new file and the directory that names it stay.
        let inodes = |what: &str| like[what]["inodes"].as_u64().unwrap();
        assert!(inodes("kept") > 120, "{kind}: {like}");
        assert_eq!(
            (inodes("new"), like["resized_inodes"].as_u64()),
            (1, Some(1))
        );

        let output = press.output();
        for path in ["lib/large", "etc/version", "many", "lib/target"] {
            assert_eq!(
                blocks_of(&old, path),
                blocks_of(&output, path),
                "{kind}: {path}"
            );
        }
        assert_ne!(
            blocks_of(&old, "lib/grows"),
            blocks_of(&output, "lib/grows")
        );
        assert_eq!(
            fs::metadata(&old).unwrap().len(),
            fs::metadata(&output).unwrap().len()
        );

        let mut plan = press.command("plan");
        plan.arg(press.input("2.tar")).arg("--json").arg(&fs_option);
        let planned = press.run(plan.arg("--like").arg(&old));
        let planned: Value = serde_json::from_str(planned.succeeded()).unwrap();
        assert_eq!(planned["like"], *like, "{kind}");
        assert_eq!(planned["advice"], Value::Null);

        let told: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        let mut expected = like.clone();
        for of_a_plan in ["path", "in_place_blocks", "fresh_in_place_blocks"] {
            expected.as_object_mut().unwrap().remove(of_a_plan);
        }
        assert_eq!(told["like"], expected, "{kind}");

        let ended = versions.build(2, &output, &["--like", old.to_str().unwrap(), &fs_option]);
        let table = ended.succeeded();
        let row = table
            .lines()
            .find(|line| line.trim_start().starts_with("like "));
        assert!(row.is_some_and(|row| row.contains("old.img")), "{table}");
        assert!(table.contains("1 new ("), "{table}");
    }
}

/// The next version takes the place of the one before, week after week.
#[test]
fn an_output_that_is_laid_out_like_itself_is_read_before_it_is_replaced() {
    let versions = Versions::new(&[]);
    let (press, output) = (&versions.press, versions.press.output());
    versions.made_like(&[]);
    let apart = fs::read(&output).unwrap();
    fs::copy(versions.old(), &output).unwrap();
    let path = output.to_str().unwrap();
    let before = sha256(&output);
    let built = versions.made(2, &output, &["--like", path]);
    assert_eq!(built["like"]["sha256"], before);
    assert!(fs::read(&output).unwrap() == apart);
    // Once more, and nothing moves.
    let built = versions.made(2, &output, &["--like", path, "--like-strict"]);
    assert!(fs::read(&output).unwrap() == apart, "{}", built["like"]);
    assert_eq!(built["like"]["moved"]["inodes"], 0);
    assert_eq!(press.left(), ["out/fs.img"]);
    // Nor may anything else be written over it.
    let manifest = format!("--manifest={}", versions.old().display());
    versions.made(2, &output, &["--like", path]);
    fs::remove_file(&output).unwrap();
    versions.refused(&[&manifest], 5, &["laid out like", "the same file"]);
}

#[test]
fn the_first_of_outputs_that_are_laid_out_like_themselves_is_like_none() {
    let versions = Versions::new(&[]);
    let output = versions.press.output();
    let path = output.to_str().unwrap();
    let refused = |options: [&str; 3], words: &[&str]| {
        let options = options.map(std::ffi::OsStr::new);
        versions.build(2, &output, &options).failed(3, words);
    };
    refused(["--like", path, "--like-strict"], &["--like", path]);
    let built = versions.made(2, &output, &["--like", path]);
    assert!(built["like"].is_null(), "{}", built["like"]);
    let built = versions.made(2, &output, &["--like", path]);
    assert_eq!(built["like"]["moved"]["inodes"], 0);
    // Another that is not there is an error.
    refused(["--like", "/nothing", "--quiet"], &["--like", "/nothing"]);
}

#[test]
fn the_same_filesystem_in_a_size_that_was_given_is_itself_once_more() {
    let versions = Versions::new(&["--fs=ext4"]);
    let output = versions.press.output();
    let built = versions.made_like(&["--fs=ext4", "--size=64M"]);
    assert_eq!(built["like"]["layout"], "fresh");
    let why = built["like"]["fresh_because"].as_str().unwrap();
    assert!(why.contains("another size"), "{why}");
    let before = fs::read(&output).unwrap();
    let options = [
        "--like",
        output.to_str().unwrap(),
        "--fs=ext4",
        "--size=64M",
    ];
    versions.made(2, &output, &options);
    assert!(fs::read(&output).unwrap() == before);
}

#[test]
fn a_strict_wish_that_cannot_be_fulfilled_is_an_error_that_says_who_must_act() {
    let versions = Versions::new(&[]);
    versions.refused(
        &["--like-strict", "--size=64M"],
        5,
        &["--like-strict", "another size"],
    );
    versions.refused(&["--like-strict", "--journal=8M"], 5, &["--like-strict"]);
    versions.refused(&["--like-strict", "--free-inodes=9"], 5, &["--like-strict"]);
    // What was given wins otherwise.
    let built = versions.made_like(&["--size=64M"]);
    assert_eq!(built["filesystem_bytes"], 64 << 20);
    fs::remove_file(versions.press.output()).unwrap();
    // As small as the first version can be there is no room for the second.
    versions.made(1, &versions.old(), &["--size=fit"]);
    let put = versions.press.input("large");
    fs::write(&put, vec![1; 8 << 20]).unwrap();
    let add = format!("--add={}:large", put.display());
    versions.refused(
        &["--like-strict", &add],
        7,
        &["old.img", "blocks", "without --like-strict"],
    );
    let built = versions.made_like(&[&add]);
    assert_eq!(built["like"]["layout"], "fresh");
    e2fsck_clean(&versions.press.output());
    // Without another there is nothing to be like.
    let ended = versions.build(2, &versions.press.output(), &["--like-strict"]);
    ended.failed(2, &["--like-strict", "--like OLD"]);
}

/// A tree of dm-verity behind the filesystem is no part of what a new one is like, and of its file.
#[test]
fn a_tree_of_verity_behind_it_changes_nothing_but_the_sum() {
    let versions = Versions::new(&[]);
    versions.made_like(&[]);
    let plain = fs::read(versions.press.output()).unwrap();
    versions.made(1, &versions.old(), &["--verity"]);
    let built = versions.made_like(&[]);
    assert!(fs::read(versions.press.output()).unwrap() == plain);
    assert_eq!(built["like"]["sha256"], sha256(&versions.old()));
}

/// Plans the second version like the first, which are images of these files.
fn planned(files: [&[(&str, usize)]; 2]) -> Value {
    let versions = Versions::new(&[]);
    for (number, files) in (1..).zip(files) {
        let files: Vec<_> = files
            .iter()
            .map(|(name, blocks)| (*name, vec![b'x'; 4096 * blocks]))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(name, bytes)| (*name, &bytes[..]))
            .collect();
        let image = TestImage::new([layer_tar(&files)]);
        let archive = image.classic_archive(&["name:tag"]);
        archive.write_tar(&versions.press.input(&format!("{number}.tar")));
    }
    versions.made(1, &versions.old(), &["--size=32M"]);
    let mut plan = versions.press.command("plan");
    plan.arg(versions.press.input("2.tar")).arg("--like");
    let planned = versions.press.run(plan.arg(versions.old()).arg("--json"));
    let planned: Value = serde_json::from_str(planned.succeeded()).unwrap();
    assert_eq!(planned["like"]["layout"], "kept");
    let mut plan = versions.press.command("plan");
    plan.arg(versions.press.input("2.tar")).arg("--like");
    let table = versions.press.run(plan.arg(versions.old()));
    assert_eq!(
        table.succeeded().contains("advice"),
        !planned["advice"].is_null(),
        "{}",
        table.stdout
    );
    planned
}

#[test]
fn a_plan_advises_a_fresh_build_by_what_it_gives_and_takes_and_not_by_what_is_new() {
    let names: Vec<_> = (0..60)
        .flat_map(|index| [format!("{index:02}-stays"), format!("{index:02}-goes")])
        .collect();
    let named = |index: usize| &*names[index];
    let all: Vec<_> = (0..120).map(|index| (named(index), 2)).collect();
    let stays: Vec<_> = all.iter().copied().step_by(2).collect();
    // Mostly added: nothing of what was there moves.
    let added = [&all[..], &[("more", 2000), ("most", 1500)]].concat();
    let told = planned([&all, &added]);
    assert!(told["like"]["new"]["blocks"].as_u64() > told["like"]["kept"]["blocks"].as_u64());
    assert_eq!(told["advice"], Value::Null);
    // A tiny change.
    let tiny = [&all[..119], &[("more", 1)]].concat();
    assert_eq!(planned([&all, &tiny])["advice"], Value::Null);
    // Mostly moved, and all of it: a fresh layout changes no less.
    let renamed: Vec<_> = names.iter().map(|name| format!("{name}-anew")).collect();
    let renamed: Vec<_> = renamed.iter().map(|name| (&**name, 2)).collect();
    assert_eq!(planned([&all, &renamed])["advice"], Value::Null);
    // Mostly rewritten: what is written anew lies in the gaps between what stays.
    let rewritten = [&stays[..], &[("rewritten", 700)]].concat();
    let told = planned([&all, &rewritten]);
    let advice = told["advice"].as_str().unwrap();
    for words in [
        "a build without --like pays",
        "runs of blocks",
        "blocks that would differ",
    ] {
        assert!(advice.contains(words), "{advice}");
    }
}
