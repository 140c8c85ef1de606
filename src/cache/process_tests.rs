//! Several processes, and processes that are killed. The processes are this test program, told
//! through its environment what to do.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::tests::{digest_of, hidden, lock};
use super::*;

const BLOBS: u32 = 12;

/// Blob `number`: its bytes differ from others' in content and length.
fn blob(number: u32) -> Vec<u8> {
    let length = 1 + (number * 37_777) % 200_000;
    let byte = |index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8 ^ number as u8;
    (0..length).map(byte).collect()
}

fn is_right(file: &mut fs::File, digest: &Digest) -> bool {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    digest_of(&bytes) == *digest
}

/// What a build does for a blob: looks, verifies, and fetches what is not there or wrong. Says
/// whether it had to be fetched.
fn obtain(cache: &Cache, number: u32, is_hidden: bool) -> bool {
    let bytes = blob(number);
    let digest = digest_of(&bytes);
    let _lock = lock(cache, &digest);
    if let Some(mut file) = cache.find(&digest).unwrap() {
        if is_right(&mut file, &digest) {
            return false;
        }
        cache.discard(&digest).unwrap();
    }
    let mut partial = if is_hidden {
        hidden(cache, &digest)
    } else {
        cache.partial(&digest).unwrap()
    };
    for chunk in bytes.chunks(1000) {
        partial.write_all(chunk).unwrap();
    }
    cache.insert(partial).unwrap();
    true
}

const DIRECTORY: &str = "TEST_CACHE_DIRECTORY";
const DEED: &str = "TEST_CACHE_DEED";

/// Not a test of its own: what the processes do that the tests start.
#[test]
#[ignore = "the other tests of this module start it, as processes"]
fn process() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let cache = Cache::open(Path::new(&directory)).unwrap();
    let deed = std::env::var(DEED).unwrap();
    match deed.as_str() {
        "once" => {
            let fetched = (0..BLOBS).filter(|number| obtain(&cache, *number, false));
            println!("\nfetched {}", fetched.count());
        }
        "for ever" | "for ever, hidden" => {
            for number in (0..BLOBS).cycle() {
                obtain(&cache, number, deed != "for ever");
                cache.discard(&digest_of(&blob(number))).unwrap();
                obtain(&cache, number, deed != "for ever");
            }
        }
        "hold a lock" => {
            let _lock = lock(&cache, &digest_of(b"held"));
            println!("\nheld");
            std::thread::sleep(Duration::from_secs(600));
        }
        other => panic!("{other}"),
    }
}

/// A process, killed when a test fails.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(directory: &Path, deed: &str) -> Started {
    let started = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            "cache::process_tests::process",
        ])
        .env(DIRECTORY, directory)
        .env(DEED, deed)
        .stdout(Stdio::piped())
        .spawn();
    Started(started.unwrap())
}

/// Lets a process come to its end, and gives how many blobs it had to fetch.
fn fetched(mut started: Started) -> u32 {
    let mut text = String::new();
    let mut stdout = started.0.stdout.take().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    assert!(started.0.wait().unwrap().success(), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("fetched "));
    line.unwrap().parse().unwrap()
}

/// Expects that every blob is what its name says, and gives how many there are.
fn check(cache: &Cache) -> usize {
    let contents = cache.contents().unwrap();
    assert!(contents.foreign.is_empty(), "{:?}", contents.foreign);
    for found in &contents.blobs {
        let mut file = cache.find(&found.digest).unwrap().unwrap();
        assert!(is_right(&mut file, &found.digest), "{}", found.digest);
    }
    contents.blobs.len()
}

fn files_in(path: &Path) -> usize {
    fs::read_dir(path).map_or(0, |entries| entries.count())
}

#[test]
fn after_a_kill_at_any_moment_every_blob_is_what_its_name_says_and_the_next_run_succeeds() {
    for deed in ["for ever", "for ever, hidden"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        let cache = Cache::open(&path).unwrap();
        let (mut most, mut unfinished) = (0, 0);
        for round in 0..50_u64 {
            let mut child = start(&path, deed);
            // Spread over some milliseconds around its start and the first inserts.
            std::thread::sleep(Duration::from_micros(round * 7919 % 50 * 400));
            child.0.kill().unwrap();
            assert_eq!(child.0.wait().unwrap().signal(), Some(9));
            most = most.max(check(&cache));
            let partial = files_in(&path.join(PARTIAL));
            // What has no name leaves nothing, and at most two files have one at a time.
            assert!(partial <= 1 || deed != "for ever");
            unfinished += partial;
            if round % 10 == 9 {
                let pruned = cache.prune(PruneOptions::default()).unwrap();
                assert!(pruned.left.blobs.is_empty());
                for name in [PARTIAL, LOCKS] {
                    assert_eq!(files_in(&path.join(name)), 0, "{name}");
                }
                assert_eq!(fetched(start(&path, "once")), BLOBS);
                assert_eq!(fetched(start(&path, "once")), 0);
                assert_eq!(check(&cache), BLOBS as usize);
            }
        }
        eprintln!("{deed}: up to {most} blobs, {unfinished} unfinished ones were left");
        assert!(most > 0);
    }
}

#[test]
fn processes_at_once_fetch_each_blob_once() {
    for processes in [2, 4, 8] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        let started: Vec<_> = (0..processes).map(|_| start(&path, "once")).collect();
        let total: u32 = started.into_iter().map(fetched).sum();
        assert_eq!(total, BLOBS, "{processes} processes");
        assert_eq!(check(&Cache::open(&path).unwrap()), BLOBS as usize);
        for name in [PARTIAL, LOCKS] {
            assert_eq!(files_in(&path.join(name)), 0, "{name}");
        }
    }
}

#[test]
fn prunes_beside_processes_that_fetch_disturb_none_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache");
    let cache = Cache::open(&path).unwrap();
    let mut started: Vec<_> = (0..4).map(|_| start(&path, "once")).collect();
    let mut forever = start(&path, "for ever, hidden");
    let mut removed = 0;
    while started
        .iter_mut()
        .any(|child| child.0.try_wait().unwrap().is_none())
    {
        removed += cache.prune(PruneOptions::default()).unwrap().removed.len();
    }
    assert!(
        forever.0.try_wait().unwrap().is_none(),
        "it ended by itself"
    );
    forever.0.kill().unwrap();
    forever.0.wait().unwrap();
    eprintln!("{removed} blobs were removed meanwhile");
    for child in started {
        fetched(child);
    }
    check(&cache);
    cache.prune(PruneOptions::default()).unwrap();
    for name in [PARTIAL, LOCKS, "blobs/sha256"] {
        assert_eq!(files_in(&path.join(name)), 0, "{name}");
    }
}

#[test]
fn damaged_blobs_are_fetched_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache");
    assert_eq!(fetched(start(&path, "once")), BLOBS);
    for (number, damage) in [(1, &b""[..]), (2, b"other"), (3, &[0; 300_000])] {
        let name = digest_of(&blob(number)).digest().to_owned();
        fs::write(path.join("blobs/sha256").join(name), damage).unwrap();
    }
    assert_eq!(fetched(start(&path, "once")), 3);
    assert_eq!(fetched(start(&path, "once")), 0);
}

#[test]
fn a_lock_ends_with_the_process_that_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let mut holder = start(directory.path(), "hold a lock");
    let mut lines = BufReader::new(holder.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    let digest = digest_of(b"held");
    assert!(cache.try_lock(&digest).unwrap().is_none());
    // A prune does not take it for stale.
    cache.prune(PruneOptions::default()).unwrap();
    assert!(cache.try_lock(&digest).unwrap().is_none());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| drop(lock(&cache, &digest)));
        holder.0.kill().unwrap();
        holder.0.wait().unwrap();
        waiting.join().unwrap();
    });
    assert_eq!(files_in(&directory.path().join(LOCKS)), 0);
}
