//! The same bytes are judged alike, whether they are an image's layer or an archive as a whole.
//!
//! Both once had a decoder of their own. They had come to differ: gzip with zeros behind it was right as
//! a layer and broken as an archive, a window limit that zstd does not know was exit code 5 with a
//! sentence there and 3 with "Parameter is out of bound" here, and lz4 and bzip2 were recognised by
//! different rules. Found by comparing the two.

#[allow(dead_code)]
#[path = "layers/support.rs"]
mod layers_support;
#[allow(dead_code)]
#[path = "support/raw_tar.rs"]
mod raw_tar;

use std::io::Write;

use layerpress::error::Error;
use layerpress::limits::Limits;
use layerpress::progress::Silent;
use layerpress::source::{self, DaemonOptions, OpenOptions, Place, RegistryOptions};

use layers_support::{blob, image, listing, options, read};
use raw_tar::RawTar;

/// What the bytes are read as, or how that fails: the exit code, and the error.
type Judged = Result<Vec<String>, (u8, String)>;

fn judged(read: Result<Vec<String>, Error>) -> Judged {
    read.map_err(|error| (error.exit_code(), error.to_string()))
}

fn as_layer(stored: &[u8], tar: &[u8], limits: &Limits) -> Judged {
    let image = image(vec![blob(stored, tar)]);
    let layers = read(&image, &options(limits.clone(), 2), &Silent);
    judged(layers.map(|layers| listing(&layers)))
}

fn as_archive(stored: &[u8], limits: &Limits) -> Judged {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("archive");
    std::fs::write(&path, stored).unwrap();
    let open = OpenOptions {
        held_against: None,
        written: Vec::new(),
        reach: layerpress::pinned::Reach::default(),
        file_flags: false,
        one_file_system: false,
        or_filesystem: false,
        platform: None,
        work_dir: directory.path().to_owned(),
        limits: limits.clone(),
        registry: RegistryOptions::default(),
        daemon: DaemonOptions::default(),
    };
    let reference = format!("rootfs:{}", path.display()).parse().unwrap();
    let place = Place::of(&reference).unwrap();
    let opened = source::open(&place, &open, &Silent);
    let layers = opened.and_then(|image| read(&image, &options(limits.clone(), 2), &Silent));
    judged(layers.map(|layers| listing(&layers)))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar() -> Vec<u8> {
    RawTar::default().file("f", &[7; 70_000]).end()
}

#[track_caller]
fn taken(what: &str, stored: &[u8], tar: &[u8]) -> Vec<String> {
    let limits = Limits::default();
    let archive = as_archive(stored, &limits).unwrap();
    assert_eq!(archive, as_layer(stored, tar, &limits).unwrap(), "{what}");
    archive
}

#[track_caller]
fn refused(stored: &[u8], tar: &[u8], limits: &Limits, code: u8, words: &str) {
    for judged in [as_layer(stored, tar, limits), as_archive(stored, limits)] {
        let (found, text) = judged.unwrap_err();
        assert_eq!(found, code, "{text}");
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

#[test]
fn what_may_follow_in_a_stream_is_the_same_in_layers_and_archives() {
    let tar = tar();
    let (start, end) = tar.split_at(30_000);
    let expected = taken("plain", &tar, &tar);
    let skippable = b"\x50\x2a\x4d\x18\x02\0\0\0xx";
    for (what, stored) in [
        ("padded gzip", [gzip(&tar), vec![0; 1024]].concat()),
        ("gzip members", [gzip(start), gzip(b""), gzip(end)].concat()),
        ("zstd frames", [zstd(start, 20), zstd(end, 20)].concat()),
        (
            "skippable",
            [skippable, &zstd(&tar, 20)[..], skippable].concat(),
        ),
    ] {
        assert_eq!(taken(what, &stored, &tar), expected, "{what}");
    }
    for (name, whole) in [("gzip", gzip(&tar)), ("zstd", zstd(&tar, 20))] {
        for stored in [
            [&whole[..], b"garbage"].concat(),
            [&whole[..], b"\0\0\0\x01"].concat(),
            [&whole[..], &whole[..20]].concat(),
            whole[..whole.len() - 5].to_vec(),
            whole[..whole.len() / 2].to_vec(),
        ] {
            let expected = format!("whole {name} stream");
            refused(&stored, &tar, &Limits::default(), 4, &expected);
        }
    }
}

#[test]
fn a_zstd_window_and_its_limit_are_the_same_in_layers_and_archives() {
    let (tar, stored) = (tar(), zstd(&tar(), 24));
    for (log, code, expected) in [
        (40, 5, "--max-zstd-window-log: expected 10 to 31, found 40"),
        (9, 5, "--max-zstd-window-log: expected 10 to 31, found 9"),
        (
            23,
            4,
            "at most 2^23 bytes, found a larger one (--max-zstd-window-log",
        ),
    ] {
        let limits = Limits {
            max_zstd_window_log: log,
            ..Limits::default()
        };
        refused(&stored, &tar, &limits, code, expected);
    }
}

#[test]
fn other_compressions_are_recognised_alike_and_names_like_theirs_are_none() {
    for (stored, name) in [
        (&b"\xfd7zXZ\0\0\x04\xe6\xd6"[..], "xz"),
        (b"BZh11AY&SY\x01\x02", "bzip2"),
        (b"BZh91AY&SY\x01\x02", "bzip2"),
        (b"\x04\x22\x4d\x18\x64\x40\xa7\0\0\0", "lz4"),
        (b"\x02\x21\x4c\x18\0\0\0\0\0\0", "lz4"),
    ] {
        let expected = format!("{name} compression: expected none, gzip or zstd");
        refused(stored, stored, &Limits::default(), 5, &expected);
    }
    let tar = RawTar::default().file("BZh9.txt", b"x").end();
    assert_eq!(taken("name", &tar, &tar).len(), 1);
}

#[test]
fn a_difference_is_noticed() {
    // The judge itself, which must tell what is a layer and no archive, and two ways to fail.
    let limits = Limits::default();
    let nothing = as_layer(b"", b"", &limits);
    assert_eq!(nothing, Ok(Vec::new()));
    assert_ne!(nothing, as_archive(b"", &limits));
    let cut = &gzip(&tar())[..100];
    assert_ne!(as_archive(cut, &limits), as_archive(b"\xfd7zXZ\0", &limits));
}
