//! Verification of bytes that are whole, growing, wrong and given up.

use super::*;
use crate::layers::stored::LayerProgress;
use crate::layers::verification::{Expected, Verification};
use crate::layers::{Content, Data, Origin};
use crate::oci::{DiffId, Digest, DigestHasher};
use crate::progress::{Meter, Silent};
use crate::region::FileRegion;
use crate::source::StoredBlob;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};

fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = DigestHasher::sha256();
    hasher.update(bytes);
    hasher.finish()
}

fn start(jobs: usize) -> Verifying {
    start_with(Some(DiffId(digest(b""))), jobs)
}

fn named(label: &str) -> Named {
    Named {
        label: label.to_owned(),
        diff_id: Some(DiffId(digest(b""))),
    }
}

fn start_with(diff_id: Option<DiffId>, jobs: usize) -> Verifying {
    let layers = (1..4).map(|layer| Named {
        label: format!("number {layer}"),
        diff_id: diff_id.clone(),
    });
    let jobs = NonZeroUsize::new(jobs).unwrap();
    Verifying::start("the image", layers.collect(), jobs)
}

fn check(layer: usize, which: Which, bytes: FileRegion, expected: &Digest) -> Check {
    let expected = Expected::Tar(DiffId(expected.clone()));
    let meter: Arc<dyn Meter> = Arc::new(Silent);
    let stored = StoredBlob::AtHand(bytes.clone());
    Check {
        layer,
        which,
        bytes,
        verification: Verification::new([expected]).unwrap(),
        progress: LayerProgress::new(&meter, &stored, 1),
        is_counted: false,
    }
}

fn region(bytes: &[u8]) -> FileRegion {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    FileRegion::whole(file).unwrap()
}

fn long() -> Vec<u8> {
    (0..20 << 20)
        .map(|index: u32| (index % 251) as u8)
        .collect()
}

#[test]
fn bytes_are_hashed_to_the_last_one_however_they_come_and_however_many_threads_there_are() {
    let bytes = long();
    for jobs in [1, 2, 5] {
        let verifying = start(jobs);
        verifying.add(check(0, Which::Stored, region(&bytes), &digest(&bytes)));
        verifying.add(check(1, Which::Stored, region(b""), &digest(b"")));
        let mut spool = tempfile::tempfile().unwrap();
        let grown = FileRegion::whole(spool.try_clone().unwrap()).unwrap();
        let growing = verifying.add_growing(check(1, Which::Tar, grown, &digest(&bytes)));
        for piece in bytes.chunks(300_001) {
            spool.write_all(piece).unwrap();
            growing.grow(piece.len() as u64);
        }
        growing.whole();
        verifying.finish().unwrap();
    }
}

#[test]
fn of_wrong_bytes_the_lowest_layer_is_told_with_its_name() {
    for jobs in [1, 2, 5] {
        let verifying = start(jobs);
        for layer in [2, 1, 0] {
            let expected = digest(if layer == 0 { b"right" } else { b"other" });
            verifying.add(check(layer, Which::Stored, region(b"right"), &expected));
        }
        let error = verifying.finish().unwrap_err().to_string();
        assert!(error.contains("number 2"), "{error}");
        assert!(error.contains("the image"), "{error}");
    }
}

#[test]
fn the_last_byte_counts() {
    let mut bytes = long();
    let expected = digest(&bytes);
    *bytes.last_mut().unwrap() ^= 1;
    let verifying = start(2);
    verifying.add(check(0, Which::Stored, region(&bytes), &expected));
    assert!(matches!(verifying.finish(), Err(Error::BadImage { .. })));
}

#[test]
fn what_is_given_up_is_neither_waited_for_nor_held_against_anything() {
    // Whether the wrong one has been found by then is chance.
    for round in 0..30 {
        let verifying = start(1 + round % 3);
        let right = digest(b"right");
        verifying.add(check(0, Which::Stored, region(b"right"), &right));
        drop(verifying.add_growing(check(0, Which::Tar, region(b""), &right)));
        verifying.add(check(1, Which::Stored, region(b"wrong"), &right));
        verifying.give_up_above(0);
        verifying.finish().unwrap();
    }
}

#[test]
fn an_error_that_damage_may_have_caused_gives_way_to_the_damage_and_others_do_not() {
    let damaged = || {
        let verifying = start(1);
        verifying.add(check(0, Which::Stored, region(b"wrong"), &digest(b"right")));
        verifying
    };
    let said = |error: Error| {
        let said = damaged().unless_damaged::<()>(Err(error));
        said.unwrap_err().to_string()
    };
    assert!(said(Error::unsupported("a strange entry")).contains("diff ID"));
    assert!(said(Error::Tool("no mke2fs".to_owned())).contains("no mke2fs"));
    let whole = start(1);
    let said = whole.unless_damaged::<()>(Err(Error::unsupported("a strange entry")));
    assert!(said.unwrap_err().to_string().contains("a strange entry"));
}

#[test]
fn a_file_that_shrank_meanwhile_is_an_error() {
    let bytes = region(b"right");
    bytes.file.set_len(3).unwrap();
    let verifying = start(1);
    verifying.add(check(0, Which::Stored, bytes, &digest(b"right")));
    assert!(matches!(verifying.finish(), Err(Error::Io { .. })));
}

/// A spool with a file in each half, hashed or not, and what is taken of the disk for it.
struct Spooled {
    verifying: Verifying,
    file: std::fs::File,
    contents: Contents,
    halves: [Content; 2],
}

impl Spooled {
    fn new(jobs: usize) -> Self {
        let bytes = long();
        let verifying = start(jobs);
        let mut file = tempfile::tempfile().unwrap();
        let grown = FileRegion::whole(file.try_clone().unwrap()).unwrap();
        let tars = [region(b""), grown.clone()];
        let growing = verifying.add_growing(check(1, Which::Tar, grown, &digest(&bytes)));
        file.write_all(&bytes).unwrap();
        growing.grow(bytes.len() as u64);
        growing.whole();
        let half = (bytes.len() / 2) as u64;
        let content = |offset_bytes| Content {
            size_bytes: half,
            data: Data::Contiguous { offset_bytes },
        };
        Self {
            verifying,
            file,
            contents: Contents::of_layers(tars),
            halves: [content(0), content(half)],
        }
    }

    fn host_bytes(&self) -> u64 {
        self.file.metadata().unwrap().blocks() * 512
    }
}

#[test]
fn a_spools_space_is_given_back_where_all_has_been_taken_and_hashed() {
    let spooled = Spooled::new(2);
    let all = spooled.host_bytes();
    let mut giving_back = spooled.verifying.giving_back(&spooled.contents);
    let [first, second] = &spooled.halves;
    // Of a layer that has no spool nothing is counted.
    giving_back.want(Origin::Layer(0), first);
    giving_back.want(Origin::Layer(1), first);
    giving_back.want(Origin::Layer(1), second);
    while !spooled.verifying.0.board.is_hashed(0, 20 << 20) {
        std::thread::yield_now();
    }
    giving_back.taken(Origin::Layer(0), first);
    giving_back.taken(Origin::Layer(1), first);
    drop(giving_back);
    assert_eq!(spooled.host_bytes(), all / 2);
    let mut rest = vec![0; 10 << 20];
    spooled.file.read_exact_at(&mut rest, 10 << 20).unwrap();
    assert!(rest == long()[10 << 20..], "more was given back than taken");
    spooled.verifying.finish().unwrap();
}

#[test]
fn what_is_wanted_twice_is_kept_until_it_has_been_taken_twice() {
    let spooled = Spooled::new(2);
    let all = spooled.host_bytes();
    while !spooled.verifying.0.board.is_hashed(0, 20 << 20) {
        std::thread::yield_now();
    }
    for (times, left) in [(1, all), (2, all / 2)] {
        let mut giving_back = spooled.verifying.giving_back(&spooled.contents);
        giving_back.want(Origin::Layer(1), &spooled.halves[0]);
        giving_back.want(Origin::Layer(1), &spooled.halves[0]);
        for _ in 0..times {
            giving_back.taken(Origin::Layer(1), &spooled.halves[0]);
        }
        drop(giving_back);
        assert_eq!(spooled.host_bytes(), left);
    }
    spooled.verifying.finish().unwrap();
}

#[test]
fn what_others_are_still_to_read_is_given_back_by_the_last_of_them_also_when_all_is_verified() {
    let spooled = Spooled::new(2);
    let all = spooled.host_bytes();
    let other = spooled.contents.clone();
    spooled.verifying.clone().finish().unwrap();
    let take = |left| {
        let mut giving_back = spooled.verifying.giving_back(&spooled.contents);
        giving_back.want(Origin::Layer(1), &spooled.halves[0]);
        giving_back.taken(Origin::Layer(1), &spooled.halves[0]);
        drop(giving_back);
        assert_eq!(spooled.host_bytes(), left);
    };
    take(all);
    drop(other);
    take(all / 2);
}

#[test]
fn whoever_asks_is_told_what_is_wrong() {
    let verifying = start(2);
    verifying.add(check(0, Which::Stored, region(b"wrong"), &digest(b"right")));
    let said = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..3)
            .map(|_| verifying.clone())
            .map(|verifying| scope.spawn(|| verifying.finish().unwrap_err().to_string()))
            .collect();
        asking
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(
        said.iter()
            .all(|one| one == &said[0] && one.contains("diff ID"))
    );
}

#[test]
fn nothing_is_given_back_before_it_has_been_hashed() {
    // With one job, nobody hashes before the end.
    let spooled = Spooled::new(1);
    let all = spooled.host_bytes();
    let mut giving_back = spooled.verifying.giving_back(&spooled.contents);
    for half in &spooled.halves {
        giving_back.want(Origin::Layer(1), half);
        giving_back.taken(Origin::Layer(1), half);
    }
    drop(giving_back);
    assert_eq!(spooled.host_bytes(), all);
    spooled.verifying.finish().unwrap();
}

/// As many threads as jobs were started: a million of them with `--jobs 1000000`.
#[test]
fn there_are_no_more_threads_than_digests() {
    let jobs = NonZeroUsize::new(1_000_000).unwrap();
    let verifying = Verifying::start("image", vec![named("a"), named("b")], jobs);
    // Who finishes computes the fourth.
    assert_eq!(verifying.0.take_threads().len(), 3);
    verifying.finish().unwrap();
    let verifying = Verifying::start("image", Vec::new(), jobs);
    assert!(verifying.0.take_threads().is_empty());
    verifying.finish().unwrap();
}

/// Checks that find what three layers hash to, the last of which is of these bytes and the others of
/// none.
fn finding(jobs: usize, last: &FileRegion) -> Verifying {
    let verifying = start_with(None, jobs);
    for (layer, bytes) in [(2, last.clone()), (0, region(b"")), (1, region(b""))] {
        verifying.add(Check {
            verification: Verification::finding_diff_id(None).unwrap(),
            ..check(layer, Which::Stored, bytes, &digest(b""))
        });
    }
    verifying
}

#[test]
fn what_nobody_has_stated_is_waited_for_with_one_thread_and_with_many_and_told_to_all_who_ask() {
    let bytes = long();
    let of = |bytes: &[u8]| DiffId(digest(bytes));
    let expected = [of(b""), of(b""), of(&bytes)];
    for jobs in [1, 2, 5] {
        let verifying = finding(jobs, &region(&bytes));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert_eq!(verifying.diff_ids().unwrap(), expected));
            }
        });
        assert_eq!(verifying.diff_ids().unwrap(), expected, "again");
        verifying.finish().unwrap();
    }
}

#[test]
fn what_cannot_be_hashed_has_no_diff_id() {
    let mut cut = region(b"five!");
    cut.length_bytes = 6;
    for jobs in [1, 2] {
        let error = finding(jobs, &cut).diff_ids().unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        let error = start_with(None, jobs).diff_ids().unwrap_err();
        assert!(matches!(error, Error::Mismatch(_)), "nobody reads it");
    }
}

#[test]
fn a_file_without_a_diff_id_must_stay_as_it_is() {
    let bytes = region(b"before");
    for is_changed in [false, true] {
        let verifying = finding(2, &bytes);
        verifying.watch(Unchanged::since_now(&bytes.file).unwrap());
        verifying.diff_ids().unwrap();
        if is_changed {
            bytes.file.write_all_at(b"after!", 0).unwrap();
            // However coarse the host's clock is.
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
            bytes.file.set_modified(later).unwrap();
        }
        for outcome in [verifying.diff_ids().map(drop), verifying.finish()] {
            assert_eq!(outcome.is_err(), is_changed, "{outcome:?}");
            if let Err(error) = outcome {
                let error = error.to_string();
                assert_eq!(error, "cannot read the image: changed while it was read");
            }
        }
    }
}
