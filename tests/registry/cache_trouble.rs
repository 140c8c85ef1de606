//! A cache that is not this user's alone, or that cannot be used: the usual one is done without, one
//! that was named is an error.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pull::layers;
use super::stand::Stand;
use super::support::archive::TestImage;
use super::support::oracles::{is_root, skip};

const UNTRUSTED: &str = "only this user and root may write";

fn stand() -> Option<Stand> {
    Stand::of(TestImage::new(layers(31, 2)))
}

/// Builds with the usual cache and expects the right image; gives what was said.
#[track_caller]
fn said(stand: &Stand) -> String {
    let words = ["build", &stand.reference, "--size=fit", "--progress=plain"];
    let mut command = stand.puller.command(&words);
    stand.puller.press.add_directories(&mut command);
    let ended = stand.puller.press.run(&mut command);
    assert!(stand.puller.take_output(&ended) == stand.expected);
    ended.stderr
}

#[track_caller]
fn warned_once(said: &str, words: &[&str]) {
    let warnings: Vec<_> = said
        .lines()
        .filter(|line| line.contains("nothing is kept for the next time"))
        .collect();
    assert_eq!(warnings.len(), 1, "{said}");
    for word in words {
        assert!(warnings[0].contains(word), "{word} in {warnings:?}");
    }
}

fn usual(stand: &Stand) -> PathBuf {
    stand.puller.home().join(".cache/layerpress")
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Bug: with `sudo -E` or a mounted home root used the cache of another user, who changed a blob
/// after it was verified, and got other bytes into an image pinned by its digest. Found by attack.
#[test]
fn a_cache_that_others_may_write_is_done_without_and_an_error_where_it_was_named() {
    let Some(stand) = stand() else {
        return;
    };
    let cache = usual(&stand);
    fs::create_dir_all(&cache).unwrap();
    for (place, mode) in [(cache.clone(), 0o777), (stand.puller.home(), 0o757)] {
        set(&place, mode);
        warned_once(&said(&stand), &[UNTRUSTED, "may be written by everybody"]);
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
        let words = ["build", &stand.reference, "--size=fit", "--cache-dir"];
        let mut named = stand.puller.command(&words);
        named.arg(&cache);
        stand.puller.press.add_directories(&mut named);
        let ended = stand.puller.press.run(&mut named);
        stand
            .puller
            .has_failed(&ended, 5, &[UNTRUSTED, "--cache-dir"]);
        set(&place, 0o755);
    }
    // Nothing is made in a place of others either.
    fs::remove_dir_all(stand.puller.home().join(".cache")).unwrap();
    set(&stand.puller.home(), 0o777);
    warned_once(&said(&stand), &[UNTRUSTED]);
    assert!(!stand.puller.home().join(".cache").exists());
    set(&stand.puller.home(), 0o755);
    assert!(!said(&stand).contains("nothing is kept"));
    if !is_root() {
        skip("only root gives files away");
        return;
    }
    chown(stand.puller.home(), Some(65534), None).unwrap();
    warned_once(&said(&stand), &["belongs to the user 65534"]);
    chown(stand.puller.home(), Some(0), None).unwrap();
    // One blob of another's is pulled again, and is root's then.
    let blob = &stand.blobs[1].digest;
    let path = cache.join(format!("blobs/{}", blob.replace(':', "/")));
    chown(&path, Some(65534), None).unwrap();
    stand.proxy.seen();
    assert!(!said(&stand).contains("nothing is kept"));
    let seen = stand.proxy.seen();
    let again = seen.iter().filter(|seen| seen.path.contains(blob)).count();
    assert_eq!(again, 1);
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(&path).unwrap().uid(), 0);
}

/// Bug: trouble in the usual cache after it had been opened ended the build.
#[test]
fn a_usual_cache_that_breaks_on_the_way_is_given_up_and_the_build_goes_on() {
    let Some(stand) = stand() else {
        return;
    };
    let cache = usual(&stand);
    for broken in ["partial", "locks", "blobs", "blobs/sha256"] {
        let _ = fs::remove_dir_all(&cache);
        assert!(!said(&stand).contains("nothing is kept"));
        let path = cache.join(broken);
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "no directory").unwrap();
        // So that there is something to do.
        let _ = fs::remove_dir_all(cache.join("blobs/sha256"));
        warned_once(&said(&stand), &[broken]);
    }
}

#[test]
fn a_cache_on_a_full_disk_is_given_up_in_the_middle_of_a_blob() {
    struct Mounted(PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
    if !is_root() {
        skip("only root mounts a small disk");
        return;
    }
    let Some(stand) = stand() else {
        return;
    };
    let cache = usual(&stand);
    fs::create_dir_all(&cache).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m,mode=700", "none"])
        .arg(&cache)
        .status()
        .unwrap();
    assert!(mounted.success());
    let _mounted = Mounted(cache.clone());
    warned_once(&said(&stand), &["cannot write to the cache", "space"]);
    // The same in one that was named is an error.
    let words = ["build", &stand.reference, "--size=fit", "--cache-dir"];
    let mut named = stand.puller.command(&words);
    named.arg(&cache);
    stand.puller.press.add_directories(&mut named);
    let ended = stand.puller.press.run(&mut named);
    ended.failed(3, &["cannot write to the cache", "--no-cache"]);
}
