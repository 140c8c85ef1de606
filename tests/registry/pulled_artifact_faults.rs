//! A registry that does wrong while a filesystem is pulled.

use std::time::Duration;

use super::artifact::{TestArtifact, bytes};
use super::http::answer;
use super::proxy::{Fault, Proxy};
use super::pull::{Puller, noise};
use super::push::Repository;
use super::registry_server::Registry;
use super::support::archive::zstd;
use super::support::oracles::{is_root, skip, succeed};

const NAME: &str = "disk";

struct Bad {
    _registry: Registry,
    proxy: Proxy,
    puller: Puller,
    reference: String,
    file: Vec<u8>,
    /// One blob of three megabytes, and where it is.
    big: String,
}

/// A file whose first segment is three megabytes of noise.
fn bad() -> Option<Bad> {
    let registry = Registry::plain()?;
    let big = noise(5, 3 << 20);
    let file = [&big[..], &bytes("abc", 0)].concat();
    let mut artifact = TestArtifact::of(&file);
    let first = artifact.segment(0, &big, &zstd(&big));
    let on = first["digest"].as_str().unwrap().to_owned();
    artifact.layers().splice(..48, [first]);
    let repository = Repository::new(registry.address, NAME);
    repository.push(&artifact.layout(), "1");
    let proxy = Proxy::before(registry.address);
    Some(Bad {
        reference: repository.at(proxy.address(), "1"),
        _registry: registry,
        proxy,
        puller: Puller::new(),
        file,
        big: format!("GET /v2/{NAME}/blobs/{on}"),
    })
}

#[test]
fn what_breaks_off_is_continued_and_what_passes_is_waited_for() {
    let Some(bad) = bad() else {
        return;
    };
    let passing = answer("503 Service Unavailable", &[("Retry-After", "0")], b"");
    let size = bad.file.len();
    for (times, fault) in [
        (2, Fault::CutAfter(1_200_000)),
        (1, Fault::CutAfter(0)),
        (1, Fault::WithoutRange),
        (2, Fault::Answer(passing)),
        (1, Fault::Answer(Vec::new())),
        (1, Fault::Slow(6 << 20)),
        (1, Fault::Late(Duration::from_millis(300))),
        (2, Fault::OldHttpCutAfter(1_000_000)),
        (1, Fault::WrongByte(2_000_000)),
        (1, Fault::Shorter(5)),
        (1, Fault::Longer(5)),
    ] {
        bad.puller.forget();
        bad.proxy.mend();
        bad.proxy.fault(&bad.big, times, fault.clone());
        let options = ["--retry=3"];
        let summary = bad.puller.pulls(&bad.reference, &options, &bad.file);
        assert_eq!(bad.proxy.faults_left(), 0, "{fault:?}");
        assert_eq!(summary["registry"]["segment_bytes"], size);
    }
    // Another part than was asked for.
    let lie = format!("bytes 0-{}/{size}", size - 1);
    bad.puller.forget();
    bad.proxy.mend();
    bad.proxy.fault(&bad.big, 1, Fault::CutAfter(1_500_000));
    bad.proxy
        .fault(&bad.big, 1, Fault::Header("Content-Range", lie));
    bad.puller.pulls(&bad.reference, &["--retry=3"], &bad.file);
    assert_eq!(bad.proxy.faults_left(), 0);
}

#[test]
fn a_blob_that_breaks_off_begins_again_with_the_byte_that_is_missing() {
    let Some(bad) = bad() else {
        return;
    };
    bad.proxy.fault(&bad.big, 1, Fault::CutAfter(1_300_000));
    bad.puller.pulls(&bad.reference, &["--retry=3"], &bad.file);
    let digest = bad.big.rsplit('/').next().unwrap();
    let asked = bad.proxy.seen().into_iter();
    let ranges: Vec<_> = asked
        .filter(|seen| seen.method == "GET" && seen.path.ends_with(digest))
        .map(|seen| seen.range)
        .collect();
    assert_eq!(ranges, [None, Some("bytes=1300000-".to_owned())]);
}

#[test]
fn what_does_not_pass_is_one_error_and_what_came_is_kept() {
    let Some(bad) = bad() else {
        return;
    };
    for (fault, code, word) in [
        (
            Fault::Answer(answer("404 Not Found", &[], b"")),
            4,
            "absent",
        ),
        (Fault::Answer(answer("403 Forbidden", &[], b"")), 3, "403"),
        (Fault::Answer(answer("500 No", &[], b"")), 9, "500"),
        (Fault::SilentAfter(100), 9, "--timeout"),
        (Fault::WrongByte(2_000_000), 4, "digest"),
        (Fault::Shorter(1), 4, "bytes"),
        (Fault::Endless, 4, "bytes"),
    ] {
        bad.puller.forget();
        bad.proxy.mend();
        bad.proxy.always(&bad.big, fault.clone());
        // Long enough where silence is not what is tested.
        let timeout = match fault {
            Fault::SilentAfter(_) => "--timeout=1",
            _ => "--timeout=30",
        };
        let options = ["--retry=1", timeout, "--jobs=1"];
        let puller = &bad.puller;
        puller.does_not_pull(&bad.reference, &options, code, &[word]);
    }
    // What came of other segments is kept.
    bad.proxy.mend();
    bad.puller.forget();
    bad.proxy.always(&bad.big, Fault::CutAfter(2_500_000));
    let options = ["--retry=0", "--jobs=2"];
    bad.puller
        .does_not_pull(&bad.reference, &options, 9, &["broke off"]);
    bad.proxy.mend();
    bad.puller.pulls(&bad.reference, &[], &bad.file);
}

#[test]
fn a_full_disk_is_told_with_what_is_needed_and_leaves_what_was_there() {
    if !is_root() {
        skip("not root: mounting a small disk needs it");
        return;
    }
    let Some(bad) = bad() else {
        return;
    };
    let press = &bad.puller.press;
    let out = press.root().join("out");
    let at = out.to_str().unwrap();
    succeed("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", at]);
    let full = press.run(&mut bad.puller.pull(&bad.reference, &[]));
    std::fs::write(press.output(), "before").unwrap();
    let again = press.run(&mut bad.puller.pull(&bad.reference, &["--sha256"]));
    let before = std::fs::read_to_string(press.output());
    let left = press.left();
    succeed("umount", [at]);
    let words = ["No space left on device", "needed", "free"];
    bad.puller.has_failed(&full, 3, &words);
    again.failed(3, &words);
    assert_eq!(before.unwrap(), "before");
    assert_eq!(left, ["out/fs.img"]);
}
