//! What `build --manifest` writes follows its schema.

use std::fs;

use serde_json::{Value, json};

use super::validator::Validator;
use crate::support::archive::TestImage;
use crate::support::run::Press;
use crate::support::session::layers;

pub const SCHEMA: &str = "layerpress.manifest.v1";

/// What a build with these options writes.
fn manifest(press: &Press, options: &[&str]) -> Value {
    let path = press.root().join("out/manifest.json");
    let mut build = press.build();
    build.arg("--manifest").arg(&path).args(options);
    press.run(&mut build).succeeded();
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_manifest_follows_its_schema_whatever_it_was_made_of() {
    let validator = Validator::new();
    let press = Press::with_layers(layers());
    for options in [
        &[][..],
        &["--verity", "--verity-salt=00ff", "--label=root"],
        &["--fs=ext2", "--no-fsck", "--size=+64M"],
        &["--fs=ext4", "--journal=16M", "--verify", "--sha256"],
        &[
            "--mkdir=/app:0700",
            "--source-date-epoch=-5",
            "--file-flags",
        ],
    ] {
        let document = manifest(&press, options);
        assert_eq!(document["schema"], SCHEMA);
        assert_eq!(validator.errors(&document), [""; 0], "{options:?}");
    }
    let like = press.root().join("tmp/like");
    fs::copy(press.output(), &like).unwrap();
    let like = format!("--like={}", like.display());
    for options in [&["--fs=ext3"][..], &["--fs=ext3", "--size=64M"]] {
        let press = Press::with_layers(layers());
        let document = manifest(&press, &[options, &[&like]].concat());
        assert_eq!(validator.errors(&document), [""; 0], "{options:?}");
        assert!(
            document["like"]["kept"]["inodes"].as_u64() > Some(0),
            "{document}"
        );
    }
    // A tar says neither what it is called nor what it is for.
    fs::write(press.image(), &layers()[0]).unwrap();
    let document = manifest(&press, &["--size=64M"]);
    assert_eq!(validator.errors(&document), [""; 0]);
    assert_eq!(document["image"]["platform"], Value::Null);
    assert_eq!(document["image"]["image_id"], Value::Null);
}

#[test]
fn a_manifest_that_is_a_little_wrong_is_refused() {
    let validator = Validator::new();
    let press = Press::new();
    TestImage::new(layers())
        .classic_archive(&["test:1"])
        .write_tar(&press.image());
    let document = manifest(&press, &["--verity"]);
    assert_eq!(validator.errors(&document), [""; 0]);
    for (pointer, value) in [
        ("/schema", json!("layerpress.manifest.v2")),
        ("/image/image_id", json!("132bb798e46b")),
        ("/image/layers/0/index", json!(0)),
        ("/image/created", json!("yesterday")),
        ("/request/size", json!("1 GiB")),
        ("/request_sha256", json!(null)),
        ("/filesystem/type", json!("xfs")),
        ("/filesystem/blocks/available", json!(-1)),
        ("/files", json!([])),
        ("/files/0/name", json!("/home/somebody/fs.img")),
        ("/files/0/sha256", json!("sha256:00")),
        ("/proofs/e2fsck", json!("yes")),
        ("/start/Cmd", json!("/bin/sh")),
        ("/verity/file", json!("a/b")),
        ("/versions/e2fsprogs", json!(1.47)),
    ] {
        let mut wrong = document.clone();
        match wrong.pointer_mut(pointer) {
            Some(place) => *place = value,
            // What says nothing is left out.
            None => wrong["start"]["Cmd"] = value,
        }
        assert_ne!(validator.errors(&wrong), [""; 0], "{pointer}");
    }
    for key in document.as_object().unwrap().keys() {
        let mut wrong = document.clone();
        wrong.as_object_mut().unwrap().remove(key);
        assert_ne!(validator.errors(&wrong), [""; 0], "without {key}");
        wrong = document.clone();
        wrong[key]["strange"] = match wrong[key].is_object() {
            true => json!(1),
            false => continue,
        };
        assert_ne!(validator.errors(&wrong), [""; 0], "{key} with a key more");
    }
}
