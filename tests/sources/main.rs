//! Images are found wherever they are kept, by real tools' hands and by hostile ones.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod changing;
mod choosing;
mod dockerd;
mod forms;
mod go_json;
mod hostile;
mod live_tree;
mod mixed_up;
mod platforms;
mod tools;
mod tree;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use layerpress::limits::Limits;
use layerpress::oci::DigestHasher;
use layerpress::pinned::Reach;
use layerpress::progress::Silent;
use layerpress::source::{self, DaemonOptions, Image, OpenOptions, Place, RegistryOptions};
use layerpress::{Error, Result};

fn options(platform: Option<&str>) -> OpenOptions {
    OpenOptions {
        platform: platform.map(|platform| platform.parse().unwrap()),
        work_dir: std::env::temp_dir(),
        limits: Limits::default(),
        daemon: DaemonOptions::default(),
        held_against: None,
        written: Vec::new(),
        reach: Reach::default(),
        file_flags: false,
        one_file_system: false,
        or_filesystem: false,
        registry: RegistryOptions::default(),
    }
}

/// Opens an image for linux/amd64.
fn open(reference: &str) -> Result<Image> {
    open_for(reference, Some("linux/amd64"))
}

fn open_for(reference: &str, platform: Option<&str>) -> Result<Image> {
    source::open(
        &Place::of(&reference.parse()?)?,
        &options(platform),
        &Silent,
    )
}

/// Opens an image that comes through `input`, as this process's standard input: one at a time.
fn open_input(reference: &str, input: File) -> Result<Image> {
    static STANDARD_INPUT: Mutex<()> = Mutex::new(());
    let _one = STANDARD_INPUT.lock();
    rustix::stdio::dup2_stdin(input).unwrap();
    let image = open(reference);
    rustix::stdio::dup2_stdin(File::open("/dev/null").unwrap()).unwrap();
    image
}

/// A layer's uncompressed bytes, by what they begin with, after they were held against the
/// layer's digest and diff ID.
fn layer_bytes(image: &Image, index: usize) -> Vec<u8> {
    let layer = &image.layers[index];
    let mut stored = Vec::new();
    layer
        .stored
        .at_hand()
        .unwrap()
        .reader()
        .read_to_end(&mut stored)
        .unwrap();
    let check = |expected: &layerpress::oci::Digest, bytes: &[u8]| {
        let mut hasher = DigestHasher::like(expected).unwrap();
        hasher.update(bytes);
        assert_eq!(hasher.finish(), *expected);
    };
    if let Some(digest) = &layer.digest {
        check(digest, &stored);
    }
    let mut bytes = Vec::new();
    match stored[..] {
        [0x1f, 0x8b, ..] => {
            flate2::read::MultiGzDecoder::new(&stored[..])
                .read_to_end(&mut bytes)
                .unwrap();
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => bytes = zstd::decode_all(&stored[..]).unwrap(),
        _ => bytes = stored,
    }
    if let Some(diff_id) = layer.diff_id.known() {
        check(&diff_id.0, &bytes);
    }
    bytes
}

fn assert_layers(image: &Image, layers: &[Vec<u8>]) {
    let found: Vec<_> = (0..image.layers.len())
        .map(|index| layer_bytes(image, index))
        .collect();
    assert!(found == layers, "{}: the layers differ", image.reference);
}

/// The text of a failure that the image's author must mend.
fn bad(reference: &str) -> String {
    match open(reference) {
        Err(error @ Error::BadImage { .. }) => error.to_string(),
        other => panic!("{reference}: expected a bad image, found {other:?}"),
    }
}

/// The text of a refusal.
fn refused(reference: &str) -> String {
    refused_for(reference, Some("linux/amd64"))
}

fn refused_for(reference: &str, platform: Option<&str>) -> String {
    match open_for(reference, platform) {
        Err(error @ (Error::Unsupported { .. } | Error::Absent { .. })) => error.to_string(),
        other => panic!("{reference}: expected a refusal, found {other:?}"),
    }
}

fn assert_says(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "expected {expected:?} in: {text}");
    }
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    (directory, path)
}

/// Runs a program to success.
fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn at(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}
