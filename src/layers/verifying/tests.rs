//! Verification of bytes that are whole, growing, wrong and given up.

use super::*;
use crate::layers::layer_progress::LayerProgress;
use crate::layers::verification::{Expected, Verification};
use crate::oci::{DiffId, Digest, DigestHasher};
use crate::progress::{Meter, Silent};
use crate::region::FileRegion;
use crate::source::StoredBlob;
use std::io::Write;

fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = DigestHasher::sha256();
    hasher.update(bytes);
    hasher.finish()
}

fn start(jobs: usize) -> Verifying {
    let labels = (1..4).map(|layer| format!("number {layer}")).collect();
    Verifying::start("the image", labels, NonZeroUsize::new(jobs).unwrap())
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
