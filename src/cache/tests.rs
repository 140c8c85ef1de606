use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::error::Error;
use crate::oci::DigestHasher;

pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    DigestHasher::sha256().of(bytes)
}

/// Waits until nobody else has the lock.
pub(super) fn lock(cache: &Cache, digest: &Digest) -> BlobLock {
    loop {
        match cache.try_lock(digest).unwrap() {
            Some(lock) => return lock,
            None => std::thread::yield_now(),
        }
    }
}

/// A file for a blob as where files cannot be without a name.
pub(super) fn hidden(cache: &Cache, digest: &Digest) -> PartialBlob {
    let directory = cache.root.make_child(PARTIAL).unwrap();
    PartialBlob::create_hidden(directory, digest).unwrap()
}

struct Fixture {
    directory: tempfile::TempDir,
    cache: Cache,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache")).unwrap();
        Self { directory, cache }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.cache.path().join(below)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path(&format!("blobs/sha256/{}", digest.digest()))
    }

    fn store(&self, bytes: &[u8]) -> Digest {
        let digest = digest_of(bytes);
        self.insert(&digest, bytes).unwrap();
        digest
    }

    fn insert(&self, digest: &Digest, bytes: &[u8]) -> crate::error::Result<()> {
        let mut partial = self.cache.partial(digest).unwrap();
        partial.write_all(bytes).unwrap();
        self.cache.insert(partial)
    }

    fn text(&self, digest: &Digest) -> Option<String> {
        let mut file = self.cache.find(digest).unwrap()?;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        Some(text)
    }

    /// Makes a blob's last use this long ago.
    fn age(&self, digest: &Digest, seconds: u64) {
        let file = fs::File::open(self.blob_path(digest)).unwrap();
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
    }
}

fn names(directory: PathBuf) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_was_inserted_is_found_and_what_was_discarded_is_not() {
    let fixture = Fixture::new();
    let digest = digest_of(b"blob");
    assert_eq!(fixture.text(&digest), None);
    assert_eq!(fixture.store(b"blob"), digest);
    assert_eq!(fixture.text(&digest).as_deref(), Some("blob"));
    // A second time it takes the place of the first, which whoever reads it keeps.
    fs::write(fixture.blob_path(&digest), "damaged").unwrap();
    let mut open = fixture.cache.find(&digest).unwrap().unwrap();
    fixture.store(b"blob");
    assert_eq!(fixture.text(&digest).as_deref(), Some("blob"));
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "damaged");
    fixture.cache.discard(&digest).unwrap();
    fixture.cache.discard(&digest).unwrap();
    assert_eq!(fixture.text(&digest), None);
    assert!(names(fixture.path("partial")).is_empty());
}

#[test]
fn bytes_of_another_digest_never_get_the_name() {
    let fixture = Fixture::new();
    let digest = digest_of(b"blob");
    for wrong in [&b""[..], b"blo", b"blobs", b"bl0b"] {
        let error = fixture.insert(&digest, wrong).unwrap_err();
        assert!(matches!(error, Error::BadImage { .. }));
        let text = error.to_string();
        assert!(text.contains(&digest.to_string()) && text.contains(&digest_of(wrong).to_string()));
        assert_eq!(fixture.text(&digest), None);
    }
    assert!(names(fixture.path("partial")).is_empty());
}

#[test]
fn every_algorithm_that_can_be_computed_is_kept_and_others_are_refused() {
    let fixture = Fixture::new();
    for text in [
        // printf '' | sha384sum, sha512sum
        "sha384:38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
        "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    ] {
        let digest: Digest = text.parse().unwrap();
        fixture.insert(&digest, b"").unwrap();
        assert_eq!(fixture.text(&digest).as_deref(), Some(""));
    }
    assert_eq!(fixture.cache.contents().unwrap().blobs.len(), 2);
    let other: Digest = "blake3:af1349b9f5f9a1a6a0404dea36dcc949".parse().unwrap();
    assert!(fixture.cache.partial(&other).is_err());
    assert!(fixture.cache.find(&other).unwrap().is_none());
}

#[test]
fn a_blob_can_be_read_while_it_is_written_and_leaves_nothing_when_it_is_dropped() {
    let fixture = Fixture::new();
    let mut partial = fixture.cache.partial(&digest_of(b"one two")).unwrap();
    partial.write_all(b"one").unwrap();
    let mut reader = partial.reader().unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    partial.write_all(b" two").unwrap();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two");
    assert_eq!(partial.written_bytes(), 7);
    // Who reads cannot change what was hashed.
    assert!(reader.write_all(b"x").is_err());
    drop(partial);
    assert!(names(fixture.path("partial")).is_empty());
    assert!(names(fixture.path("blobs")).is_empty());
}

#[test]
fn a_cache_is_for_its_owner_and_tagged_as_a_cache() {
    let fixture = Fixture::new();
    let digest = fixture.store(b"x");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for directory in ["", "blobs", "blobs/sha256", "partial"] {
        assert_eq!(mode(fixture.path(directory)), 0o700, "{directory}");
    }
    assert_eq!(mode(fixture.blob_path(&digest)), 0o600);
    let tag = fs::read_to_string(fixture.path("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
}

#[test]
fn a_directory_with_other_things_in_it_is_no_cache() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lost+found")).unwrap();
    Cache::open(directory.path()).unwrap();
    fs::remove_file(directory.path().join("CACHEDIR.TAG")).unwrap();
    fs::write(directory.path().join("letter"), "dear").unwrap();
    for error in [
        Cache::open(directory.path()).map(drop).unwrap_err(),
        Cache::open_existing(directory.path())
            .map(drop)
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unsupported { .. }));
        assert!(error.to_string().contains("--cache-dir"), "{error}");
    }
    assert_eq!(names(directory.path().to_owned()), ["letter", "lost+found"]);
    let absent = directory.path().join("absent");
    assert!(Cache::open_existing(&absent).unwrap().is_none());
    assert!(!absent.exists());
    let error = Cache::open(&directory.path().join("letter")).map(drop);
    assert!(matches!(error, Err(Error::Io { .. })));
}

#[test]
fn links_and_special_files_are_never_followed() {
    let fixture = Fixture::new();
    let outside = fixture.directory.path().join("outside");
    fs::write(&outside, "secret").unwrap();
    let digest = fixture.store(b"blob");
    let path = fixture.blob_path(&digest);
    let put: [(&str, &dyn Fn()); 3] = [
        ("a link", &|| symlink(&outside, &path).unwrap()),
        ("a FIFO", &|| {
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        }),
        ("a directory", &|| fs::create_dir(&path).unwrap()),
    ];
    for (what, put) in put {
        fs::remove_file(&path).unwrap();
        put();
        assert!(fixture.cache.find(&digest).unwrap().is_none(), "{what}");
        let contents = fixture.cache.contents().unwrap();
        assert_eq!(
            (contents.blobs, contents.foreign),
            (vec![], vec![path.clone()])
        );
        let pruned = fixture.cache.prune(PruneOptions::default()).unwrap();
        assert_eq!(pruned.left.foreign, std::slice::from_ref(&path));
        assert!(fs::symlink_metadata(&path).is_ok());
        if what == "a directory" {
            let error = fixture.insert(&digest, b"blob").unwrap_err().to_string();
            assert!(error.contains(digest.digest()), "{error}");
            assert!(fixture.cache.discard(&digest).is_err());
        } else {
            fixture.store(b"blob");
            assert_eq!(fixture.text(&digest).as_deref(), Some("blob"));
        }
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "secret");
    assert!(names(fixture.path("partial")).is_empty());
}

#[test]
fn directories_that_are_links_are_not_used() {
    let fixture = Fixture::new();
    let digest = fixture.store(b"blob");
    for name in ["blobs/sha256", "blobs"] {
        let elsewhere = fixture.directory.path().join("elsewhere");
        fs::rename(fixture.path(name), &elsewhere).unwrap();
        symlink(&elsewhere, fixture.path(name)).unwrap();
        let error = fixture.cache.find(&digest).unwrap_err().to_string();
        assert!(
            error.contains("expected a directory of the cache"),
            "{error}"
        );
        assert!(fixture.cache.contents().is_err());
        assert!(fixture.cache.prune(PruneOptions::default()).is_err());
        assert!(fixture.insert(&digest, b"blob").is_err());
        fs::remove_file(fixture.path(name)).unwrap();
        fs::rename(&elsewhere, fixture.path(name)).unwrap();
    }
    assert_eq!(fixture.text(&digest).as_deref(), Some("blob"));
    // The cache as a whole may be elsewhere.
    let link = fixture.directory.path().join("link");
    symlink(fixture.cache.path(), &link).unwrap();
    assert!(Cache::open(&link).unwrap().find(&digest).unwrap().is_some());
}

#[test]
fn names_that_are_no_digests_are_foreign_and_stay() {
    let fixture = Fixture::new();
    fixture.store(b"blob");
    fs::create_dir(fixture.path("blobs/md5")).unwrap();
    let upper = digest_of(b"x").digest().to_uppercase();
    for name in ["index.json", &upper, "..."] {
        fs::write(fixture.path("blobs/sha256").join(name), "x").unwrap();
    }
    let pruned = fixture.cache.prune(PruneOptions::default()).unwrap();
    assert_eq!((pruned.removed.len(), pruned.left.foreign.len()), (1, 4));
    assert_eq!(names(fixture.path("blobs/sha256")).len(), 3);
    assert!(fixture.path("blobs/md5").exists());
}

#[test]
fn contents_tell_sizes_and_kinds() {
    let fixture = Fixture::new();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut tar::Header::new_gnu(), "empty", &b""[..])
        .unwrap();
    let tar = tar.into_inner().unwrap();
    let zstd = |plain: &[u8]| zstd::encode_all(plain, 1).unwrap();
    let blobs = [
        (
            &b"{\"schemaVersion\":2,\"manifests\":[]}"[..],
            BlobKind::Index,
        ),
        (b"{\"config\":{},\"layers\":[]}", BlobKind::Manifest),
        (
            b"\n {\"architecture\":\"amd64\",\"rootfs\":{}}",
            BlobKind::Config,
        ),
        (b"\x1f\x8b\x08", BlobKind::GzipLayer),
        (b"\x28\xb5\x2f\xfd", BlobKind::ZstdLayer),
        (&zstd(&tar), BlobKind::ZstdLayer),
        (&zstd(&[0; 10240]), BlobKind::ZstdLayer),
        (&zstd(&[1; 4096]), BlobKind::Segment),
        (
            &zstd(&[&[0; 1024][..], &[1; 3072]].concat()),
            BlobKind::Segment,
        ),
        (b"{\"schema\":\"x\",\"output\":{}}", BlobKind::Config),
        (&tar, BlobKind::TarLayer),
        (&tar[..261], BlobKind::Unknown),
        (b"{\"layers\":", BlobKind::Unknown),
        (b"{}", BlobKind::Unknown),
        (b"", BlobKind::Unknown),
    ];
    for (bytes, kind) in blobs {
        let digest = fixture.store(bytes);
        let contents = fixture.cache.contents().unwrap();
        let found = contents.blobs.iter().find(|blob| blob.digest == digest);
        let found = found.unwrap();
        assert_eq!((found.kind, found.size_bytes), (kind, bytes.len() as u64));
    }
    let total: usize = blobs.iter().map(|(bytes, _)| bytes.len()).sum();
    assert_eq!(
        fixture.cache.contents().unwrap().total_bytes(),
        total as u64
    );
}

#[test]
fn the_least_recently_used_go_first() {
    let kept = |options: PruneOptions, find_oldest: bool| {
        let fixture = Fixture::new();
        let digests = ["a", "bb", "ccc"].map(|text| fixture.store(text.as_bytes()));
        for (digest, seconds) in digests.iter().zip([3000, 2000, 1000]) {
            fixture.age(digest, seconds);
        }
        if find_oldest {
            fixture.text(&digests[0]);
        }
        let pruned = fixture.cache.prune(options).unwrap();
        let left = fixture.cache.contents().unwrap();
        assert_eq!(left.total_bytes(), pruned.left.total_bytes());
        assert_eq!(left.total_bytes() + pruned.freed_bytes(), 6);
        let mut sizes: Vec<_> = left.blobs.iter().map(|blob| blob.size_bytes).collect();
        sizes.sort_unstable();
        sizes
    };
    let keep = |bytes| PruneOptions {
        keep_bytes: Some(bytes),
        used_since: None,
    };
    assert_eq!(kept(keep(6), false), [1, 2, 3]);
    assert_eq!(kept(keep(5), false), [2, 3]);
    assert_eq!(kept(keep(4), false), [3]);
    assert_eq!(kept(keep(2), false), [0; 0]);
    assert_eq!(kept(keep(4), true), [1, 3]);
    assert_eq!(kept(PruneOptions::default(), false), [0; 0]);
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let since = |seconds: i64| PruneOptions {
        keep_bytes: None,
        used_since: Some(crate::units::Timestamp::from_seconds(
            now.cast_signed() - seconds,
        )),
    };
    assert_eq!(kept(since(2500), false), [2, 3]);
    assert_eq!(kept(since(500), false), [0; 0]);
    assert_eq!(kept(since(1500), true), [1, 3]);
}

#[test]
fn stale_files_are_removed_and_those_in_use_are_not() {
    let fixture = Fixture::new();
    let (one, other) = (digest_of(b"one"), digest_of(b"other"));
    let lock = lock(&fixture.cache, &one);
    assert!(fixture.cache.try_lock(&one).unwrap().is_none());
    let stale = fixture
        .path("locks")
        .join(format!("sha256-{}", other.digest()));
    fs::write(&stale, "").unwrap();
    let mut partial = hidden(&fixture.cache, &other);
    partial.write_all(b"other").unwrap();
    fs::write(fixture.path("partial/1-1"), "left").unwrap();
    let pruned = fixture.cache.prune(PruneOptions::default()).unwrap();
    assert_eq!((pruned.stale_files, pruned.stale_bytes), (2, 4));
    assert_eq!(names(fixture.path("locks")).len(), 1);
    assert_eq!(names(fixture.path("partial")).len(), 1);
    fixture.cache.insert(partial).unwrap();
    drop(lock);
    assert!(names(fixture.path("locks")).is_empty());
    assert!(names(fixture.path("partial")).is_empty());
    assert_eq!(fixture.text(&other).as_deref(), Some("other"));
    let metadata = fs::metadata(fixture.blob_path(&other)).unwrap();
    assert_eq!(metadata.nlink(), 1);
}

#[test]
fn hidden_partial_blobs_do_what_unnamed_ones_do() {
    let fixture = Fixture::new();
    let digest = digest_of(b"blob");
    let create = || hidden(&fixture.cache, &digest);
    drop(create());
    for _ in 0..2 {
        let mut partial = create();
        assert_eq!(names(fixture.path("partial")).len(), 1);
        partial.write_all(b"blob").unwrap();
        let mut text = String::new();
        partial.reader().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "blob");
        fixture.cache.insert(partial).unwrap();
        assert_eq!(fixture.text(&digest).as_deref(), Some("blob"));
    }
    let mut wrong = create();
    wrong.write_all(b"other").unwrap();
    assert!(fixture.cache.insert(wrong).is_err());
    assert!(names(fixture.path("partial")).is_empty());
}

#[test]
fn one_thread_after_another_has_the_lock_also_beside_prunes() {
    let fixture = Fixture::new();
    let digest = digest_of(b"blob");
    let holders = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let _lock = lock(&fixture.cache, &digest);
                    let before = holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(before, 0);
                    std::thread::yield_now();
                    holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                fixture.cache.prune(PruneOptions::default()).unwrap();
            }
        });
    });
    assert!(names(fixture.path("locks")).is_empty());
}
