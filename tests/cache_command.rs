//! `layerpress cache`: what it lists, what it removes, where it looks.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use layerpress::cache::Cache;
use layerpress::oci::{Digest, DigestHasher};
use support::archive::{gzip, layer_tar};
use support::run::{Ended, Press};

fn store(cache: &Cache, bytes: &[u8], age_seconds: u64) -> Digest {
    let mut hasher = DigestHasher::sha256();
    hasher.update(bytes);
    let digest = hasher.finish();
    let mut partial = cache.partial(&digest).unwrap();
    partial.write_all(bytes).unwrap();
    cache.insert(partial).unwrap();
    let path = blob_path(cache.path(), &digest);
    let time = SystemTime::now() - Duration::from_secs(age_seconds);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
    digest
}

fn blob_path(cache: &Path, digest: &Digest) -> PathBuf {
    cache.join("blobs/sha256").join(digest.digest())
}

/// Three blobs, the oldest first, of 25, 2048 and 10 bytes or so.
fn filled(press: &Press) -> (PathBuf, [Digest; 3]) {
    let path = press.input("cache");
    let cache = Cache::open(&path).unwrap();
    let digests = [
        store(&cache, b"{\"config\":{},\"layers\":[]}", 40 * 86_400),
        store(&cache, &layer_tar(&[("a", b"x")]), 2 * 86_400),
        store(&cache, &gzip(&layer_tar(&[("b", b"y")])), 60),
    ];
    (path, digests)
}

fn cache(press: &Press, directory: &Path, arguments: &[&str]) -> Ended {
    let mut command = press.command("cache");
    command.args(arguments).arg("--cache-dir").arg(directory);
    press.run(&mut command)
}

fn json(ended: &Ended) -> serde_json::Value {
    serde_json::from_str(ended.succeeded()).unwrap()
}

#[test]
fn ls_lists_blobs_with_the_last_used_first_and_their_sum() {
    let press = Press::new();
    let (path, digests) = filled(&press);
    let ended = cache(&press, &path, &["ls"]);
    let lines: Vec<_> = ended.succeeded().lines().collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    let header: Vec<_> = lines[0]
        .split("  ")
        .filter(|cell| !cell.is_empty())
        .collect();
    assert_eq!(header.len(), 4, "{header:?}");
    for (line, (digest, kind)) in lines[1..4].iter().zip([
        (&digests[2], "layer (gzip)"),
        (&digests[1], "layer (tar)"),
        (&digests[0], "manifest"),
    ]) {
        assert!(
            line.starts_with(&digest.digest()[..12]) && line.contains(kind),
            "{line}"
        );
        assert!(line.len() <= 80 && line.ends_with('Z'), "{line}");
    }
    assert!(
        lines[4].starts_with("3 blobs, ") && lines[4].contains("/cache"),
        "{}",
        lines[4]
    );
    let ended = cache(&press, &path, &["ls", "--no-trunc"]);
    assert!(ended.succeeded().contains(&digests[1].to_string()));

    let told = json(&cache(&press, &path, &["ls", "--json"]));
    let blobs = told["blobs"].as_array().unwrap();
    assert_eq!(blobs[0]["digest"], digests[2].to_string());
    assert_eq!(blobs[2]["size_bytes"], 25);
    let sum: u64 = blobs
        .iter()
        .map(|blob| blob["size_bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(told["total_bytes"], sum);
}

#[test]
fn prune_removes_everything_or_what_the_options_leave_out() {
    for (options, left) in [
        (&[][..], 0),
        (&["--older-than", "30d"], 2),
        (&["--older-than", "1d12h"], 1),
        (&["--older-than", "1s"], 0),
        (&["--keep", "1G"], 3),
        (&["--keep", "1K"], 1),
        (&["--keep", "0"], 0),
    ] {
        let press = Press::new();
        let (path, digests) = filled(&press);
        let total = json(&cache(&press, &path, &["ls", "--json"]))["total_bytes"]
            .as_u64()
            .unwrap();
        let told = json(&cache(
            &press,
            &path,
            &[&["prune", "--json"], options].concat(),
        ));
        assert_eq!(
            told["removed"].as_array().unwrap().len(),
            3 - left,
            "{options:?}"
        );
        assert_eq!(told["left_blobs"], left);
        let freed = told["freed_bytes"].as_u64().unwrap();
        assert_eq!(told["left_bytes"].as_u64().unwrap() + freed, total);
        // Of three the last used ones stay.
        for (index, digest) in digests.iter().enumerate() {
            assert_eq!(
                blob_path(&path, digest).exists(),
                index >= 3 - left,
                "{options:?}"
            );
        }
    }
}

#[test]
fn prune_says_what_it_freed_and_what_it_left_alone() {
    let press = Press::new();
    let (path, _) = filled(&press);
    fs::create_dir_all(path.join("locks")).unwrap();
    fs::write(path.join("locks/sha256-0"), "").unwrap();
    fs::write(path.join("blobs/sha256/note"), "mine").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path.join("blobs/md5")).unwrap();
    let ended = cache(&press, &path, &["prune"]);
    let told = ended.succeeded();
    assert!(
        told.starts_with("3 blobs and 1 stale file removed, "),
        "{told}"
    );
    assert!(told.contains(" freed; 0 blobs, 0 B left in "), "{told}");
    let warnings: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, name) in warnings.iter().zip(["blobs/md5", "blobs/sha256/note"]) {
        assert!(
            warning.starts_with("warning: ") && warning.contains(name),
            "{warning}"
        );
    }
    assert!(path.join("blobs/sha256/note").exists() && path.join("blobs/md5").is_symlink());
    let ended = cache(&press, &path, &["prune", "-q"]);
    assert_eq!((ended.succeeded(), ended.stderr.as_str()), ("", ""));
}

#[test]
fn a_cache_that_is_not_there_is_empty_and_is_not_made() {
    let press = Press::new();
    let path = press.input("absent");
    let ended = cache(&press, &path, &["ls"]);
    assert!(
        ended.succeeded().starts_with("0 blobs, 0 B in "),
        "{}",
        ended.stdout
    );
    assert_eq!(
        json(&cache(&press, &path, &["prune", "--json"]))["removed"],
        serde_json::json!([])
    );
    assert!(!path.exists());
}

#[test]
fn the_cache_is_where_the_xdg_specification_says() {
    let press = Press::new();
    let (home, caches) = (press.input("home"), press.input("caches"));
    let path_told = |configure: &dyn Fn(&mut Command)| {
        let mut command = press.command("cache");
        command
            .args(["ls", "--json"])
            .env_remove("XDG_CACHE_HOME")
            .env("HOME", &home);
        configure(&mut command);
        json(&press.run(&mut command))["path"]
            .as_str()
            .map(PathBuf::from)
            .unwrap()
    };
    assert_eq!(path_told(&|_| ()), home.join(".cache/layerpress"));
    let with = |value: &Path| {
        let value = value.to_owned();
        path_told(&move |command| {
            command.env("XDG_CACHE_HOME", &value);
        })
    };
    assert_eq!(with(&caches), caches.join("layerpress"));
    for ignored in ["", "relative"] {
        assert_eq!(with(Path::new(ignored)), home.join(".cache/layerpress"));
    }
}

#[test]
fn what_is_no_cache_is_refused_and_stays_as_it_is() {
    let press = Press::new();
    fs::write(press.input("letter"), "dear").unwrap();
    let directory = press.input("");
    for command in ["ls", "prune"] {
        let ended = cache(&press, &directory, &[command]);
        ended.failed(
            5,
            &["expected an empty directory or a cache", "--cache-dir"],
        );
        let ended = cache(&press, &press.input("letter"), &[command]);
        ended.failed(3, &["letter", "Not a directory"]);
    }
    assert_eq!(fs::read_to_string(press.input("letter")).unwrap(), "dear");
    let (path, _) = filled(&press);
    fs::remove_dir_all(path.join("blobs/sha256")).unwrap();
    std::os::unix::fs::symlink(press.input(""), path.join("blobs/sha256")).unwrap();
    for command in ["ls", "prune"] {
        let ended = cache(&press, &path, &[command]);
        ended.failed(3, &["blobs/sha256", "expected a directory of the cache"]);
    }
    assert!(press.input("letter").exists());
}

#[test]
fn options_that_contradict_each_other_or_are_none_are_refused() {
    let press = Press::new();
    let (path, _) = filled(&press);
    for (options, word) in [
        (
            &["--keep", "1G", "--older-than", "1d"][..],
            "cannot be used with",
        ),
        (&["--keep", "lots"], "is not a size"),
        (&["--older-than", "7"], "is not a duration"),
        (&["--older-than", "7 days"], "is not a duration"),
    ] {
        let ended = cache(&press, &path, &[&["prune"], options].concat());
        assert_eq!(ended.code(), 2);
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    assert_eq!(
        json(&cache(&press, &path, &["ls", "--json"]))["blobs"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}
