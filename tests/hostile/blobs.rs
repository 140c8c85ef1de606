//! Blobs that are not what the image says, and compressed streams that are broken.

use serde_json::json;

use super::support::archive::{Compression, Files, TestImage, gzip, layer_tar, zstd};
use super::support::run::Press;
use super::{built, refused};

const BAD_IMAGE: i32 = 4;
const UNSUPPORTED: i32 = 5;

fn layer() -> Vec<u8> {
    let noise: Vec<u8> = (0..60_000_u32).map(|n| (n * n / 7) as u8).collect();
    layer_tar(&[("a", &noise), ("b", b"text")])
}

/// A layout whose only layer's blob is `stored`, truthfully described.
fn storing(stored: Vec<u8>, media_type: &str, tar: &[u8]) -> Press {
    let image = TestImage::new([tar.to_vec()]);
    let mut files = Files::default();
    let mut manifest = image.manifest(&mut files);
    manifest["layers"] = json!([files.blob(media_type, stored)]);
    let manifest = files.blob(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().into_bytes(),
    );
    files.index(&[manifest]);
    let press = Press::new();
    files.write_directory(&press.image());
    press
}

fn gzipped(stored: Vec<u8>) -> Press {
    storing(
        stored,
        "application/vnd.oci.image.layer.v1.tar+gzip",
        &layer(),
    )
}

#[track_caller]
fn refused_blob(press: &Press, words: &[&str]) {
    let words = [&["layer 1 of 1 sha256:"], words].concat();
    refused(press, &[], BAD_IMAGE, &words);
}

#[test]
fn a_blob_that_is_not_what_its_digest_says_is_refused() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let image = TestImage {
            compression,
            ..TestImage::new([layer()])
        };
        let mut files = Files::default();
        let manifest = image.manifest(&mut files);
        let blob = files.of(&manifest["layers"][0]);
        let middle = blob.len() / 2;
        blob[middle] ^= 1;
        let descriptor = files.blob(
            "application/vnd.oci.image.manifest.v1+json",
            manifest.to_string().into_bytes(),
        );
        files.index(&[descriptor]);
        let press = Press::new();
        files.write_directory(&press.image());
        refused_blob(&press, &["expected", "found", "sha256:"]);
    }
}

#[test]
fn a_layer_that_is_not_what_its_diff_id_says_is_refused_compressed_or_not() {
    let other = layer_tar(&[("other", b"")]);
    for (stored, media_type) in [
        (other.clone(), "application/vnd.oci.image.layer.v1.tar"),
        (gzip(&other), "application/vnd.oci.image.layer.v1.tar+gzip"),
        (zstd(&other), "application/vnd.oci.image.layer.v1.tar+zstd"),
    ] {
        refused_blob(
            &storing(stored, media_type, &layer()),
            &["expected", "found"],
        );
    }
}

#[test]
fn truncated_and_trailing_bytes_are_refused_in_every_compression() {
    let tar = layer();
    for (whole, media_type) in [
        (gzip(&tar), "application/vnd.oci.image.layer.v1.tar+gzip"),
        (zstd(&tar), "application/vnd.oci.image.layer.v1.tar+zstd"),
    ] {
        for length in [
            1,
            5,
            11,
            20,
            whole.len() / 2,
            whole.len() - 9,
            whole.len() - 1,
        ] {
            let press = storing(whole[..length].to_vec(), media_type, &tar);
            refused_blob(&press, &["expected"]);
        }
        let trailing = [&whole[..], b"garbage after the end"].concat();
        refused_blob(&storing(trailing, media_type, &tar), &["expected"]);
    }
}

#[test]
fn members_frames_and_padding_that_are_in_order_are_read() {
    let tar = layer();
    let (one, two) = tar.split_at(1000);
    let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";
    for stored in [
        [gzip(one), gzip(two)].concat(),
        [gzip(one), gzip(b""), gzip(two), vec![0; 700]].concat(),
        [zstd(one), skippable.to_vec(), zstd(two)].concat(),
        [skippable.to_vec(), zstd(&tar)].concat(),
    ] {
        built(&gzipped(stored), &[]);
    }
    // The media type lies; the bytes do not.
    built(&gzipped(tar), &[]);
}

#[test]
fn other_compressions_and_encrypted_layers_are_refused_by_name() {
    let xz = gzipped(b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46".to_vec());
    refused(&xz, &[], UNSUPPORTED, &["layer 1 of 1", "xz", "gzip"]);
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let encrypted = storing(gzip(&layer()), media_type, &layer());
    refused(&encrypted, &[], UNSUPPORTED, &["encrypted"]);
}

#[test]
fn what_is_not_there_is_named() {
    let image = TestImage::new([layer()]);
    let mut files = image.layout("v1");
    let blobs: Vec<_> = files
        .0
        .keys()
        .filter(|name| name.starts_with("blobs/"))
        .cloned()
        .collect();
    for blob in blobs {
        let bytes = files.0.remove(&blob).unwrap();
        let press = Press::new();
        files.write_directory(&press.image());
        refused(&press, &[], BAD_IMAGE, &[&blob[blob.len() - 64..]]);
        files.0.insert(blob, bytes);
    }
    let mut archive = image.classic_archive(&["test:1"]);
    let layer = archive
        .0
        .keys()
        .find(|name| name.ends_with("layer.tar"))
        .cloned()
        .unwrap();
    archive.0.remove(&layer);
    let press = Press::new();
    archive.write_tar(&press.image());
    refused(&press, &[], BAD_IMAGE, &[&layer]);
}

#[test]
fn a_digest_is_no_path() {
    for digest in [
        "sha256:../../../../etc/passwd",
        "../etc:passwd",
        "sha256:",
        "sha256:AB",
        // None at all, which leads nowhere.
        "",
    ] {
        let mut files = TestImage::new([layer()]).layout("v1");
        let mut index: serde_json::Value = serde_json::from_slice(&files.0["index.json"]).unwrap();
        index["manifests"][0]["digest"] = json!(digest);
        files.put_json("index.json", &index);
        let press = Press::new();
        files.write_directory(&press.image());
        let told = if digest.is_empty() {
            "save.tar: no image: "
        } else {
            "save.tar: index.json: "
        };
        refused(&press, &[], BAD_IMAGE, &[told]);
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let press = Press::new();
    for bytes in [&b""[..], b"hello", &[0; 300], &[0xff; 100_000], b"{}"] {
        std::fs::write(press.image(), bytes).unwrap();
        let ended = super::build(&press, &[]);
        assert!(
            [BAD_IMAGE, UNSUPPORTED].contains(&ended.code()),
            "{}",
            ended.stderr
        );
        ended.failed(ended.code(), &["save.tar"]);
        assert!(press.left().is_empty());
    }
}
