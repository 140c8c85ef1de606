//! A blob continues where it broke off.

use super::proxy::{Fault, Seen};
use super::pull::layers;
use super::stand::{Blob, NAME, Stand};
use super::support::archive::TestImage;

/// Tens of megabytes, so that a break is in the middle of something.
fn stand() -> Option<(Stand, Blob)> {
    let stand = Stand::of(TestImage::new(layers(11, 14)))?;
    let blob = stand.blobs[1].clone();
    assert!(blob.size_bytes > 14_000_000);
    Some((stand, blob))
}

/// How a blob was asked for: the first byte each time.
fn firsts(seen: &[Seen], blob: &Blob) -> Vec<u64> {
    seen.iter()
        .filter(|seen| seen.method == "GET" && seen.path.ends_with(&blob.digest))
        .map(|seen| match &seen.range {
            None => 0,
            Some(range) => {
                let range = range.strip_prefix("bytes=").unwrap();
                range.split('-').next().unwrap().parse().unwrap()
            }
        })
        .collect()
}

#[test]
fn each_attempt_begins_with_the_byte_after_the_last_that_came() {
    let Some((stand, blob)) = stand() else {
        return;
    };
    let on = format!("GET /v2/{NAME}/blobs/{}", blob.digest);
    stand.proxy.fault(&on, 1, Fault::CutAfter(3_000_000));
    stand.proxy.fault(&on, 1, Fault::CutAfter(0));
    stand.proxy.fault(&on, 1, Fault::CutAfter(5_000_001));
    stand.pulls(&["--retry=3"]);
    let seen = stand.proxy.seen();
    assert_eq!(firsts(&seen, &blob), [0, 3_000_000, 3_000_000, 8_000_001]);
    // Nothing else was asked for twice.
    for other in [&stand.blobs[0], &stand.blobs[2]] {
        assert_eq!(firsts(&seen, other), [0]);
    }
}

#[test]
fn progress_begins_the_counting_of_attempts_again() {
    let Some((stand, blob)) = stand() else {
        return;
    };
    // A line that breaks ten times is bad, but it gets on each time.
    let on = format!("GET /v2/{NAME}/blobs/{}", blob.digest);
    stand.proxy.fault(&on, 10, Fault::CutAfter(1_300_000));
    stand.pulls(&["--retry=2"]);
    assert_eq!(firsts(&stand.proxy.seen(), &blob).len(), 11);
}

#[test]
fn a_server_that_ignores_ranges_is_read_again_from_the_start() {
    let Some((stand, blob)) = stand() else {
        return;
    };
    let on = format!("GET /v2/{NAME}/blobs/{}", blob.digest);
    stand.proxy.fault(&on, 1, Fault::CutAfter(3_000_000));
    stand.proxy.always(&on, Fault::WithoutRange);
    stand.pulls(&["--retry=3"]);
}

#[test]
fn another_range_than_was_asked_for_is_not_taken_for_the_right_one() {
    let Some((stand, blob)) = stand() else {
        return;
    };
    let on = format!("GET /v2/{NAME}/blobs/{}", blob.digest);
    let size = blob.size_bytes;
    for range in [
        format!("bytes 0-{}/{size}", size - 1),
        format!("bytes 2999999-{}/{size}", size - 1),
        "bytes nonsense".to_owned(),
        format!("bytes 3000000-{}/{}", size, size + 1),
    ] {
        stand.puller.forget();
        stand.proxy.fault(&on, 1, Fault::CutAfter(3_000_000));
        stand
            .proxy
            .fault(&on, 1, Fault::Header("Content-Range", range));
        stand.pulls(&["--retry=3"]);
        assert_eq!(stand.proxy.faults_left(), 0);
    }
    // 416, as if the blob were shorter now.
    let gone = super::http::answer("416 Range Not Satisfiable", &[], b"");
    stand.puller.forget();
    stand.proxy.fault(&on, 1, Fault::CutAfter(3_000_000));
    stand.proxy.fault(&on, 1, Fault::Answer(gone));
    stand.pulls(&["--retry=3"]);
}

#[test]
fn wrong_bytes_before_the_break_are_found_after_it() {
    let Some((stand, blob)) = stand() else {
        return;
    };
    let on = format!("GET /v2/{NAME}/blobs/{}", blob.digest);
    stand.proxy.always(&on, Fault::WrongByte(1_000));
    let options = ["--retry=3"];
    let ended = stand
        .puller
        .fails(&stand.reference, &options, 4, &[&blob.digest]);
    // It was tried once more, from the start, and then no more.
    assert_eq!(
        firsts(&stand.proxy.seen(), &blob),
        [0, 0],
        "{}",
        ended.stderr
    );
}
