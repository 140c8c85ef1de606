//! Whether a cache holds only what its names say.

use std::fs;
use std::path::Path;

use super::support::archive::digest;

/// Everything in a cache that is not what it should be, a line for each: blobs of another digest
/// than their names', and files that are neither blobs nor belong there.
pub fn wrong_in(cache: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    if cache.exists() {
        look(cache, cache, &mut wrong);
    }
    wrong
}

fn look(cache: &Path, directory: &Path, wrong: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = path.strip_prefix(cache).unwrap().display().to_string();
        if entry.file_type().unwrap().is_dir() {
            look(cache, &path, wrong);
        } else if let Some(digits) = name.strip_prefix("blobs/sha256/") {
            let found = digest(&fs::read(&path).unwrap());
            if found != format!("sha256:{digits}") {
                wrong.push(format!("{name}: {found}"));
            }
        } else if name != "CACHEDIR.TAG" && !is_lock(&name) {
            wrong.push(format!("{name}: not a blob"));
        }
    }
}

/// Locks are files that stay; they hold nothing.
fn is_lock(name: &str) -> bool {
    name.starts_with("locks/")
}

/// How many blobs a cache has.
pub fn blob_count(cache: &Path) -> usize {
    fs::read_dir(cache.join("blobs/sha256")).map_or(0, Iterator::count)
}

#[test]
fn a_wrong_blob_and_a_stray_file_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path();
    let blobs = cache.join("blobs/sha256");
    let blob = |bytes: &[u8]| blobs.join(&digest(bytes)["sha256:".len()..]);
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blob(b"one"), "one").unwrap();
    fs::write(cache.join("CACHEDIR.TAG"), "").unwrap();
    assert!(wrong_in(cache).is_empty());
    fs::write(blob(b"two"), "tw").unwrap();
    fs::write(blobs.join("not-a-digest"), "x").unwrap();
    fs::write(cache.join(".half.partial"), "x").unwrap();
    assert_eq!(wrong_in(cache).len(), 3, "{:?}", wrong_in(cache));
    assert_eq!(blob_count(cache), 3);
    assert!(wrong_in(&cache.join("absent")).is_empty());
}
