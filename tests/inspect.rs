//! `inspect` says of images what skopeo and umoci say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;

use layerpress::oci::parse_created;
use serde_json::{Value, json};
use support::archive::{Files, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, TestImage, gzip};
use support::oracles;
use support::session::{Ran, layerpress, layers};

fn inspect(name: &str, more: &[&str]) -> Ran {
    layerpress(["inspect", name].iter().chain(more))
}

/// A layout of one image whose configuration has everything in it.
fn described(path: &Path) -> String {
    let image = TestImage::new(layers());
    let mut config = image.config();
    config["author"] = json!("Someone <someone@example.org>");
    config["config"] = json!({
        "User": "app:app", "WorkingDir": "/srv", "StopSignal": "SIGQUIT",
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "MODE=a b"],
        "Entrypoint": ["/usr/bin/tool", "--flag with space"], "Cmd": ["serve"],
        "ExposedPorts": { "8080/tcp": {}, "53/udp": {} }, "Volumes": { "/data": {} },
        "Labels": { "maintainer": "someone", "escape": "\u{1b}[2Jgone", "nothing": null },
    });
    let long = "/bin/sh -c apt-get update &&     apt-get install -y \\\n  one two three four five six seven";
    config["history"] = json!([
        { "created": "2024-05-01T10:20:30Z", "created_by": "ADD base.tar /" },
        { "created_by": "ENV MODE=a b", "empty_layer": true },
        { "created_by": long, "comment": "buildkit.dockerfile.v0" },
    ]);
    let mut files = Files::default();
    let config = files.blob(OCI_CONFIG, config.to_string().into_bytes());
    let layers: Vec<_> = layers()
        .iter()
        .map(|layer| files.blob(&format!("{OCI_LAYER}+gzip"), gzip(layer)))
        .collect();
    let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
    let mut descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "24" });
    files.index(&[descriptor]);
    files.write_directory(path);
    format!("oci:{}:24", path.display())
}

#[test]
fn an_image_is_described_in_full_within_80_columns() {
    let directory = tempfile::tempdir().unwrap();
    let reference = described(&directory.path().join("d"));
    let shown = inspect(&reference, &[])
        .ended_with(0)
        .fits_80_columns()
        .stdout;
    for line in [
        "manifest sha256:",
        ":24 (linux/amd64)\n",
        "image ID sha256:",
        "chain ID sha256:",
        "created  2024-05-01T10:20:30.500000000Z\n",
        "author       Someone <someone@example.org>\n",
        "user         app:app\n",
        "workdir      /srv\n",
        "entrypoint   [\"/usr/bin/tool\", \"--flag with space\"]\n",
        "cmd          [\"serve\"]\n",
        "env          PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
        "             MODE=a b\n",
        "ports        53/udp\n             8080/tcp\n",
        "volumes      /data\n",
        "stop signal  SIGQUIT\n",
        "labels       escape=\\x1b[2Jgone\n             maintainer=someone\n             nothing=\n",
        "  -          - no layer     ENV MODE=a b\n",
        "/bin/sh -c apt-get update && apt-get install -y \\ o…\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    let full = inspect(&reference, &["--no-trunc", "--layers"])
        .ended_with(0)
        .fits_80_columns();
    let counts = ", 9 members\n  diffID sha256:";
    assert!(full.stdout.contains(counts), "{}", full.stdout);
    for line in [
        "one two three four five six seven\n",
        "  buildkit.dockerfile.v0\n",
        "  application/vnd.oci.image.layer.v1.tar+gzip\n",
    ] {
        assert!(full.stdout.contains(line), "{line}{}", full.stdout);
    }
}

#[test]
fn layers_are_read_only_when_asked_for_and_then_counted() {
    let directory = tempfile::tempdir().unwrap();
    let reference = described(&directory.path().join("d"));
    let [base, top] = layers();
    let quick = inspect(&reference, &["--json"]).ended_with(0).json();
    assert_eq!(quick["layers"][0]["stored_bytes"], gzip(&base).len());
    assert_eq!(quick["layers"][0]["uncompressed_bytes"], Value::Null);
    assert_eq!(quick["layers"][0]["members"], Value::Null);
    assert_eq!(quick["layers"][0]["created_by"], "ADD base.tar /");
    assert_eq!(quick["layers"][1]["index"], 2);
    assert_eq!(quick["history"][1]["layer"], Value::Null);
    assert_eq!(quick["history"][2]["layer"], 2);
    let read = inspect(&reference, &["--json", "--layers"])
        .ended_with(0)
        .json();
    assert_eq!(read["layers"][0]["uncompressed_bytes"], base.len());
    assert_eq!(
        (&read["layers"][0]["members"], &read["layers"][1]["members"]),
        (&json!(9), &json!(5))
    );
    // All of both, and the root.
    assert_eq!(read["entries"], 15);
    assert_eq!(read["uncompressed_bytes"], base.len() + top.len());
    // Of what is stored as it is the size is known without reading.
    let plain = directory.path().join("plain");
    TestImage::new(layers()).layout("1").write_directory(&plain);
    let quick = inspect(plain.to_str().unwrap(), &["--json"]).json();
    assert_eq!(quick["uncompressed_bytes"], base.len() + top.len());
    // A layer that is not what it should be is seen by reading only.
    let digest = quick["layers"][1]["digest"]
        .as_str()
        .unwrap()
        .replace(':', "/");
    let blob = plain.join("blobs").join(digest);
    let mut bytes = fs::read(&blob).unwrap();
    bytes[600] ^= 1;
    fs::write(&blob, bytes).unwrap();
    inspect(plain.to_str().unwrap(), &[]).ended_with(0);
    inspect(plain.to_str().unwrap(), &["--layers"]).ended_with(4);
}

#[test]
fn skopeo_and_umoci_say_the_same_of_an_image() {
    let directory = tempfile::tempdir().unwrap();
    let reference = described(&directory.path().join("d"));
    let json = inspect(&reference, &["--json"]).ended_with(0).json();
    if oracles::program("skopeo").is_some() {
        let parse = |arguments: &[&str]| -> Value {
            serde_json::from_slice(&oracles::succeed("skopeo", arguments)).unwrap()
        };
        let skopeo = parse(&["inspect", &reference]);
        assert_eq!(json["manifest_digest"], skopeo["Digest"]);
        assert_eq!(json["env"], skopeo["Env"]);
        let digests: Vec<_> = json["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| layer["digest"].clone())
            .collect();
        assert_eq!(json!(digests), skopeo["Layers"]);
        assert_eq!(json["labels"]["maintainer"], skopeo["Labels"]["maintainer"]);
        let config = parse(&["inspect", "--config", &reference]);
        let runtime = &config["config"];
        for (own, name) in [
            ("entrypoint", "Entrypoint"),
            ("cmd", "Cmd"),
            ("user", "User"),
            ("working_dir", "WorkingDir"),
            ("stop_signal", "StopSignal"),
        ] {
            assert_eq!(json[own], runtime[name], "{name}");
        }
        assert_eq!(
            (
                parse_created(json["created"].as_str().unwrap()),
                &json["author"]
            ),
            (
                parse_created(config["created"].as_str().unwrap()),
                &config["author"]
            )
        );
        let to = format!(
            "docker-archive:{}:app:1",
            directory.path().join("save.tar").display()
        );
        oracles::succeed(
            "skopeo",
            ["--insecure-policy", "copy", "-q", &reference, &to],
        );
        let saved = inspect(&to, &["--json"]).ended_with(0).json();
        for same in ["chain_id", "image_id", "env", "history", "labels"] {
            assert_eq!(saved[same], json[same], "{same}");
        }
    }
    if oracles::program("umoci").is_some() {
        let (_, path) = reference.split_once(':').unwrap();
        let umoci = oracles::succeed("umoci", ["stat", "--json", "--image", path]);
        let umoci: Value = serde_json::from_slice(&umoci).unwrap();
        let steps = umoci["history"].as_array().unwrap();
        assert_eq!(steps.len(), json["history"].as_array().unwrap().len());
        for (index, step) in steps.iter().enumerate() {
            let own = &json["history"][index];
            assert_eq!(own["created_by"], step["created_by"]);
            assert_eq!(own["empty_layer"] == true, step["empty_layer"] == true);
            let layer = own["layer"]
                .as_u64()
                .map(|layer| &json["layers"][layer as usize - 1]);
            let size = layer.map_or(Value::Null, |layer| layer["stored_bytes"].clone());
            assert_eq!(size, step["layer"]["size"], "{step}");
        }
    }
}

#[test]
fn all_platforms_of_an_index_and_all_images_of_an_archive_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let [base, top] = layers();
    let amd = TestImage::new([base.clone()]);
    let arm = TestImage {
        platform: "linux/arm64",
        ..TestImage::new([base, top])
    };
    let mut files = Files::default();
    let manifests = [
        amd.put_with_platform(&mut files),
        arm.put_with_platform(&mut files),
    ];
    let mut elsewhere = manifests[1].clone();
    elsewhere["platform"] = json!({ "os": "linux", "architecture": "s390x" });
    elsewhere["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    let mut index = files.inner_index(&[manifests[0].clone(), manifests[1].clone(), elsewhere]);
    index["annotations"] = json!({ "org.opencontainers.image.ref.name": "multi" });
    files.index(&[index]);
    files.write_directory(&at("index"));
    let index = at("index").to_str().unwrap().to_owned();
    let json = inspect(&index, &["--json", "--platform", "linux/arm64"])
        .ended_with(0)
        .json();
    assert_eq!(json["platform"], "linux/arm64");
    let images: Vec<_> = json["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            (
                image["platform"].as_str().unwrap().to_owned(),
                image["chosen"] == true,
                image["at_hand"] == true,
            )
        })
        .collect();
    let image = |platform: &str, chosen, at_hand| (platform.to_owned(), chosen, at_hand);
    assert_eq!(
        images,
        [
            image("linux/amd64", false, true),
            image("linux/arm64", true, true),
            image("linux/s390x", false, false),
        ]
    );
    assert_eq!(json["images"][0]["names"], json!(["multi"]));
    let shown = inspect(&index, &["--platform", "linux/amd64"])
        .ended_with(0)
        .fits_80_columns();
    assert!(
        shown.stdout.contains("\n* linux/amd64  "),
        "{}",
        shown.stdout
    );
    assert!(
        shown.stdout.contains("(not here) multi\n"),
        "{}",
        shown.stdout
    );
    inspect(&index, &["--platform", "linux/riscv64"]).ended_with(5);

    let mut files = Files::default();
    let entries = [
        amd.put_classic(&mut files, &["app:1", "app:latest"]),
        arm.put_classic(&mut files, &["other:1"]),
    ];
    files.put_json("manifest.json", &json!(entries));
    files.write_tar(&at("save.tar"));
    let archive = at("save.tar").to_str().unwrap().to_owned();
    let json = inspect(&archive, &["--json"]).ended_with(0).json();
    assert_eq!(
        (&json["kind"], &json["platform"]),
        (&json!("images"), &Value::Null)
    );
    assert_eq!(json["images"][0]["names"], json!(["app:1", "app:latest"]));
    let ran = inspect(&archive, &[]).ended_with(0).fits_80_columns();
    assert!(ran.stdout.starts_with("2 images in "), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("\nREPOSITORY  TAG     IMAGE ID")
            && ran.stdout.contains("\napp         latest  "),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr
            .contains("choose by appending one of :app:1, :other:1"),
        "{}",
        ran.stderr
    );
    let one = inspect(
        &format!("{archive}:other:1"),
        &["--json", "--platform", "linux/arm64"],
    );
    assert_eq!(one.ended_with(0).json()["images"][1]["chosen"], true);
    inspect(&format!("{archive}:third:1"), &[]).ended_with(3);
}
