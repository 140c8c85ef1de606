//! What is written of how containers start, and of when.

use std::path::Path;

use serde_json::{Value, json};

use crate::rig::{Rig, Written, image};
use crate::support::archive::TestImage;
use crate::support::oracles;

#[track_caller]
fn config(rig: &Rig, name: &str) -> Value {
    Written::directory(&rig.out(name)).image(None).1
}

#[test]
fn the_bases_configuration_stays_but_for_what_the_layer_adds() {
    let rig = Rig::new();
    let options = [
        "--base",
        "BASE",
        "--label=b=x=y",
        "--annotation=c=d",
        "--created-by=me",
    ];
    rig.exported(&rig.target("oci", "out"), &options);
    let written = Written::directory(&rig.out("out"));
    let (manifest, found) = written.image(None);
    let mut expected = image().config();
    let diff_id = found["rootfs"]["diff_ids"][2].clone();
    expected["rootfs"]["diff_ids"]
        .as_array_mut()
        .unwrap()
        .push(diff_id);
    let created = "2024-05-01T10:20:30.500000000Z";
    expected["created"] = json!(created);
    let step = json!({ "created": created, "created_by": "me" });
    expected["history"].as_array_mut().unwrap().push(step);
    expected["config"]["Labels"] = json!({ "a": "1", "b": "x=y" });
    assert_eq!(found, expected);
    assert_eq!(manifest["annotations"], json!({ "c": "d" }));
    // Nothing but what was asked for.
    rig.exported(&rig.target("oci", "plain"), &["--base", "BASE"]);
    let (manifest, found) = Written::directory(&rig.out("plain")).image(None);
    assert_eq!(manifest.get("annotations"), None);
    assert_eq!(found["config"], image().config()["config"]);
    assert_eq!(found["history"][2]["created_by"], "layerpress export");
}

#[test]
fn without_a_base_the_start_configuration_in_the_filesystem_is_taken() {
    let rig = Rig::new();
    let build = |options: &[&str]| {
        let mut build = rig.press.command("build");
        build
            .arg(rig.base())
            .arg("-o")
            .arg(rig.filesystem())
            .args(options);
        rig.press.run(&mut build).succeeded();
    };
    let platform = "--platform=linux/arm/v6";
    let told = rig.exported(&rig.target("oci", "none"), &[platform]);
    assert_eq!(told["config_file"], json!(null));
    assert_eq!(config(&rig, "none")["config"], json!({}));
    assert_eq!(config(&rig, "none")["variant"], "v6");
    let start = json!({ "Cmd": ["/bin/sh"], "Labels": { "a": "1" } });
    build(&["--config-file=/etc/image.json"]);
    let told = rig.exported(&rig.target("oci", "usual"), &[platform]);
    assert_eq!(told["config_file"], "/etc/image.json");
    assert_eq!(config(&rig, "usual")["config"], start);
    build(&["--config-file=/start"]);
    let told = rig.exported(&rig.target("oci", "unnamed"), &[platform]);
    assert_eq!(told["config_file"], json!(null));
    let options = [platform, "--config-file=/start", "--label=a=2"];
    rig.exported(&rig.target("oci", "named"), &options);
    let mut labelled = start.clone();
    labelled["Labels"]["a"] = json!("2");
    assert_eq!(config(&rig, "named")["config"], labelled);
    // Another's file of that name is none of this.
    build(&["--file=/etc/image.json={\"Cmd\":  [\"x\"]}"]);
    let told = rig.exported(&rig.target("oci", "foreign"), &[platform]);
    assert_eq!(told["config_file"], json!(null));
    let asked = rig.target("oci", "asked");
    rig.export(&asked, &[platform, "--config-file=/absent"])
        .failed(3, &["absent: expected a start configuration"]);
    rig.export(&asked, &[platform, "--config-file=/etc/plain"])
        .failed(4, &["etc/plain", "expected a start configuration"]);
}

/// A write by debugfs at this time.
fn written_at(filesystem: &Path, seconds: u64) {
    let time = format!("set_current_time @{seconds}");
    oracles::debugfs_write(filesystem, &[&time, "dirty"]);
}

#[test]
fn the_time_is_the_bases_or_the_filesystems_and_never_the_clocks() {
    let base = TestImage {
        created: "2001-09-09T01:46:40Z",
        ..image()
    };
    let rig = Rig::of(&base);
    let created = |name: &str, options: &[&str]| {
        rig.exported(&rig.target("oci", name), options);
        let config = config(&rig, name);
        assert_eq!(
            config["created"],
            config["history"].as_array().unwrap().last().unwrap()["created"]
        );
        config["created"].as_str().unwrap().to_owned()
    };
    // A build is written at the image's time.
    assert_eq!(created("a", &["--base", "BASE"]), "2001-09-09T01:46:40Z");
    assert_eq!(created("b", &["--platform=amd64"]), "2001-09-09T01:46:40Z");
    let epoch = "--source-date-epoch=86400";
    assert_eq!(
        created("c", &["--base", "BASE", epoch]),
        "1970-01-02T00:00:00Z"
    );
    written_at(&rig.filesystem(), 1_500_000_000);
    assert_eq!(created("d", &["--base", "BASE"]), "2017-07-14T02:40:00Z");
    assert_eq!(created("e", &["--platform=amd64"]), "2017-07-14T02:40:00Z");
    written_at(&rig.filesystem(), 1);
    assert_eq!(created("f", &["--base", "BASE"]), "2001-09-09T01:46:40Z");
    let mut command = rig.command(&rig.target("oci", "g"), &["--platform=amd64"]);
    command.env("SOURCE_DATE_EPOCH", "2");
    rig.press.run(&mut command).succeeded();
    assert_eq!(config(&rig, "g")["created"], "1970-01-01T00:00:02Z");
}

/// A build of another time gives directories that no layer describes that time: they are the base's
/// all the same.
#[test]
fn directories_that_no_layer_describes_are_no_change_whatever_the_builds_time_was() {
    let image = TestImage::new([crate::support::archive::layer_tar(&[("a/b/c", b"x")])]);
    let rig = Rig::of(&image);
    for epoch in [None, Some("--source-date-epoch=1234567890")] {
        let mut build = rig.press.command("build");
        build
            .arg(rig.base())
            .arg("-o")
            .arg(rig.filesystem())
            .args(epoch);
        rig.press.run(&mut build).succeeded();
        let told = rig.exported(&rig.target("oci", "out"), &["--base", "BASE"]);
        assert_eq!(told["layer"]["members"], 0, "{epoch:?}");
    }
}
