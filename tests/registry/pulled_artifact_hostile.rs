//! Artifacts that somebody made to do harm: one error, nothing left, and no more asked for and held than
//! an honest one would want.

use std::process::Command;

use serde_json::{Value, json};

use super::artifact::{
    CONFIG_TYPE, DIGEST, LENGTH, OFFSET, SEGMENT, SHA256, SIZE, TestArtifact, bytes, sha256,
};
use super::fake_registry::FakeRegistry;
use super::pull::Puller;
use super::support::archive::{digest, zstd};
use super::support::run::LAYERPRESS;

const FILE: &str = "abzcd";

/// What was asked of a registry with this artifact: blobs that are segments.
struct Asked {
    segments: usize,
}

/// Pulls an artifact to a failure in little memory.
#[track_caller]
fn fails(artifact: &TestArtifact, code: i32, words: &[&str]) -> Asked {
    fails_with(artifact, &[], code, words)
}

#[track_caller]
fn fails_with(artifact: &TestArtifact, options: &[&str], code: i32, words: &[&str]) -> Asked {
    let registry = FakeRegistry::start(&artifact.layout(), |_| None);
    let puller = Puller::new();
    let plain = puller.pull(&registry.reference(), options);
    // Four threads with a segment each, plain and stored, and the program itself.
    let mut command = Command::new("prlimit");
    command
        .arg("--as=700000000")
        .arg(LAYERPRESS)
        .args(plain.get_args());
    command.env_clear();
    command.envs(
        plain
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let ended = puller.press.run(&mut command);
    puller.has_failed(&ended, code, words);
    let asked = registry.asked();
    let config = artifact.manifest["config"]["digest"]
        .as_str()
        .unwrap_or("none")
        .to_owned();
    let is_segment = |path: &str| path.contains("/blobs/") && !path.ends_with(&config);
    let segments = asked.iter().filter(|head| is_segment(head.word(1)));
    Asked {
        segments: segments.count(),
    }
}

/// The artifact of [`FILE`], changed.
fn changed(change: impl FnOnce(&mut TestArtifact)) -> TestArtifact {
    let mut artifact = TestArtifact::of(&bytes(FILE, 0));
    change(&mut artifact);
    artifact
}

fn says(key: &str, value: impl ToString) -> impl FnOnce(&mut TestArtifact) {
    let value = value.to_string();
    move |artifact| artifact.layers()[1]["annotations"][key] = value.into()
}

#[test]
fn what_the_manifest_shows_is_refused_before_any_segment_is_asked_for() {
    let huge = u64::MAX / 4096 * 4096;
    let whole = 5 * SEGMENT;
    let other = json!({ "output": { "size_bytes": whole, "sha256": sha256(b"other") } });
    let longer =
        json!({ "output": { "size_bytes": whole + 1, "sha256": sha256(&bytes(FILE, 0)) } });
    let cases: Vec<(&str, TestArtifact, i32, &[&str])> = vec![
        (
            "overlap",
            changed(says(OFFSET, 0)),
            4,
            &["segment 2", "behind the segment before it"],
        ),
        (
            "by a block",
            changed(says(OFFSET, SEGMENT - 4096)),
            4,
            &["segment 2"],
        ),
        (
            "order",
            changed(|a| a.layers().swap(0, 1)),
            4,
            &["segment 2"],
        ),
        (
            "past the end",
            changed(says(OFFSET, whole)),
            4,
            &["segment 2", "within"],
        ),
        (
            "across the end",
            changed(says(LENGTH, 8 * SEGMENT)),
            4,
            &["segment 2", "within"],
        ),
        (
            "overflow",
            changed(says(OFFSET, huge)),
            4,
            &["segment 2", "within"],
        ),
        ("no number", changed(says(OFFSET, "-1")), 4, &[OFFSET]),
        (
            "beyond numbers",
            changed(says(LENGTH, "99999999999999999999")),
            4,
            &[LENGTH],
        ),
        ("nothing", changed(says(LENGTH, 0)), 4, &["segment 2"]),
        (
            "unaligned",
            changed(says(OFFSET, SEGMENT + 1)),
            4,
            &["segment 2", "multiple"],
        ),
        (
            "too long",
            changed(says(LENGTH, 1_u64 << 32)),
            4,
            &["segment 2"],
        ),
        ("no digest", changed(says(DIGEST, "sha256:0")), 4, &[DIGEST]),
        (
            "a weak digest",
            changed(says(DIGEST, "md5:d41d8cd98f00b204e9800998ecf8427e")),
            4,
            &["md5"],
        ),
        (
            "stored too long",
            changed(|a| a.layers()[1]["size"] = 1_u64.wrapping_shl(40).into()),
            4,
            &["segment 2", "stored"],
        ),
        (
            "stored as nothing",
            changed(|a| a.layers()[1]["size"] = 0.into()),
            4,
            &["segment 2", "stored"],
        ),
        (
            "a tar",
            changed(|a| a.layers()[1]["mediaType"] = super::support::archive::OCI_LAYER.into()),
            5,
            &["segment 2", "media type"],
        ),
        (
            "no size",
            changed(|a| a.manifest["annotations"] = json!({})),
            4,
            &[SIZE],
        ),
        (
            "smaller",
            changed(|a| a.manifest["annotations"][SIZE] = "4096".into()),
            4,
            &["within"],
        ),
        (
            "larger than any",
            changed(|a| a.manifest["annotations"][SIZE] = (1_u64 << 60).to_string().into()),
            4,
            &["at most"],
        ),
        (
            "larger than asked for",
            changed(|a| {
                let size = (1_u64 << 40) + 1;
                a.manifest["annotations"][SIZE] = size.to_string().into();
                let sha256 = a.manifest["annotations"][SHA256].clone();
                a.config(&json!({ "output": { "size_bytes": size, "sha256": sha256 } }));
            }),
            4,
            &["--max-bytes"],
        ),
        (
            "no hash",
            changed(|a| a.manifest["annotations"][SHA256] = "abc".into()),
            4,
            &[SHA256],
        ),
        (
            "another file's configuration",
            changed(|a| a.config(&other)),
            4,
            &["configuration"],
        ),
        (
            "another length's",
            changed(|a| a.config(&longer)),
            4,
            &["configuration"],
        ),
        (
            "no configuration",
            changed(|a| a.config(&json!({}))),
            4,
            &["configuration"],
        ),
        (
            "a list",
            changed(|a| a.config(&json!([]))),
            4,
            &["configuration"],
        ),
        (
            "another's type",
            changed(|a| {
                a.manifest["config"]["mediaType"] = "application/vnd.oci.empty.v1+json".into()
            }),
            5,
            &["media type", CONFIG_TYPE],
        ),
        (
            "another artifact",
            changed(|a| a.manifest["artifactType"] = "application/vnd.other".into()),
            5,
            &["vnd.other"],
        ),
        (
            "an index as well",
            changed(|a| a.manifest["manifests"] = json!([])),
            4,
            &["manifest"],
        ),
        (
            "an absent configuration",
            changed(|a| {
                let config = a.manifest["config"]["digest"].as_str().unwrap().to_owned();
                a.blobs.remove(&config);
            }),
            4,
            &["configuration"],
        ),
    ];
    for (what, artifact, code, words) in cases {
        let asked = fails(&artifact, code, words);
        assert_eq!(asked.segments, 0, "{what}");
    }
}

#[test]
fn a_segment_that_is_not_what_is_said_of_it_is_one_error_and_has_no_name() {
    let noise = bytes("x", 0);
    let stored = |artifact: &mut TestArtifact, plain: &[u8], stored: &[u8]| {
        let segment = artifact.segment(SEGMENT, plain, stored);
        artifact.layers()[1] = segment;
    };
    let right = bytes("b", 0);
    let bomb = zstd(&vec![0; 1 << 28]);
    let mut window = zstd::Encoder::new(Vec::new(), 1).unwrap();
    window.window_log(27).unwrap();
    std::io::copy(&mut &vec![0; 1 << 27][..], &mut window).unwrap();
    let window = window.finish().unwrap();
    let cases: Vec<(&str, TestArtifact, &[&str])> = vec![
        (
            "other bytes",
            changed(|a| stored(a, &right, &zstd(&noise))),
            &["segment 2 at 65536", "digest"],
        ),
        (
            "a bomb",
            changed(|a| stored(a, &right, &bomb)),
            &["segment 2", "65536 bytes, found more"],
        ),
        (
            "a bomb of a large window",
            changed(|a| stored(a, &right, &window)),
            &["segment 2", "found more"],
        ),
        (
            "less",
            changed(|a| stored(a, &right, &zstd(&right[1..]))),
            &["segment 2", "found 65535"],
        ),
        (
            "a part",
            changed(|a| stored(a, &right, &zstd(&right)[..60_000])),
            &["segment 2", "zstd"],
        ),
        (
            "no zstd",
            changed(|a| stored(a, &right, &right)),
            &["segment 2", "zstd"],
        ),
        (
            "more behind",
            changed(|a| stored(a, &right, &[&zstd(&right)[..], b"more"].concat())),
            &["segment 2", "zstd"],
        ),
        (
            "another's digest",
            changed(says(DIGEST, digest(b"other"))),
            &["segment 2", "digest"],
        ),
        (
            "at another's place",
            changed(|a| {
                let layers = a.layers();
                let (one, other) = (
                    layers[0]["annotations"].clone(),
                    layers[1]["annotations"].clone(),
                );
                layers.swap(0, 1);
                (layers[0]["annotations"], layers[1]["annotations"]) = (one, other);
            }),
            &["segment ", "digest"],
        ),
        (
            "a digest of nothing",
            changed(|a| a.layers()[1]["digest"] = digest(b"absent").into()),
            &["segment 2", "absent"],
        ),
        (
            "a wrong length",
            changed(|a| {
                let size = a.layers()[1]["size"].as_u64().unwrap();
                a.layers()[1]["size"] = (size - 1).into();
            }),
            &["segment 2", "bytes"],
        ),
    ];
    for (what, artifact, words) in cases {
        let asked = fails(&artifact, 4, words);
        // Each once, and what is wrong once more, as it might have been an accident.
        assert!(asked.segments <= 4 + 2, "{what}: {}", asked.segments);
    }
}

#[test]
fn a_file_of_another_hash_is_an_error_though_each_segment_is_right() {
    let file = bytes(FILE, 0);
    let mut lie = file.clone();
    lie[4 * SEGMENT - 1] ^= 1;
    // One is left out, one stands elsewhere, the hash is another's.
    let (mut short, mut moved, mut other) =
        (changed(|_| ()), changed(|_| ()), TestArtifact::of(&lie));
    short.layers().pop();
    moved.layers()[1]["annotations"][OFFSET] = (2 * SEGMENT).to_string().into();
    other.manifest["layers"] = TestArtifact::of(&file).manifest["layers"].clone();
    other.blobs.extend(TestArtifact::of(&file).blobs);
    for artifact in [short, moved, other] {
        let asked = fails(&artifact, 4, &["SHA-256", "each segment"]);
        assert!(asked.segments <= 4);
    }
}

#[test]
fn a_million_segments_are_no_manifest_and_as_many_as_fit_are_one_blob() {
    let mut artifact = changed(|_| ());
    // Short ones: what they say is not even read.
    let one = json!({ "digest": artifact.layers()[0]["digest"] });
    *artifact.layers() = vec![one; 1_000_000];
    let asked = fails(&artifact, 4, &["manifest", "at most 4194304 bytes"]);
    assert_eq!(asked.segments, 0);
    // All the same blob, each somewhere else.
    let block = bytes("t", 0)[..4096].to_vec();
    let count = 11_000;
    let file = block.repeat(count);
    let mut artifact = TestArtifact::of(&file);
    let one = artifact.segment(0, &block, &zstd(&block));
    let at = |index: usize| {
        let mut segment = one.clone();
        segment["annotations"][OFFSET] = (index * 4096).to_string().into();
        segment
    };
    artifact.manifest["layers"] = (0..count).map(at).collect::<Vec<Value>>().into();
    let registry = FakeRegistry::start(&artifact.layout(), |_| None);
    let puller = Puller::new();
    let summary = puller.pulls(&registry.reference(), &[], &file);
    assert_eq!(summary["registry"]["segments"], 1);
    let stored = one["digest"].as_str().unwrap();
    let asked = registry.asked();
    let asked = asked.iter().filter(|head| head.word(1).ends_with(stored));
    assert_eq!(asked.count(), 1);
}

#[test]
fn the_largest_segments_take_the_memory_of_the_threads_that_there_are() {
    // A gigabyte of zeros as sixteen segments, each of another length.
    let most = 64_usize << 20;
    let mut artifact = changed(|_| ());
    let segments: Vec<Value> = (0..16)
        .map(|index| {
            let plain = vec![0; most - index * 4096];
            artifact.segment(index * most, &plain, &zstd(&plain))
        })
        .collect();
    artifact.manifest["layers"] = segments.into();
    let sha256 = artifact.manifest["annotations"][SHA256].clone();
    let size = (16 * most).to_string();
    artifact.manifest["annotations"][SIZE] = size.into();
    artifact.config(&json!({ "output": { "size_bytes": 16 * most, "sha256": sha256 } }));
    let asked = fails_with(&artifact, &["--jobs=2"], 4, &["SHA-256"]);
    assert_eq!(asked.segments, 16);
}
