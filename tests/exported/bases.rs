//! Bases of each kind: their layers are taken over as they are stored.

use std::fs;

use serde_json::Value;

use crate::registry;
use crate::rig::{Rig, Written, image};
use crate::support::archive::{Compression, TestImage, digest};
use crate::support::fake_daemon::{FakeDaemon, send};

/// The layers of what is exported upon `base`, but for the new one.
#[track_caller]
fn taken(rig: &Rig, base: &str, name: &str) -> Vec<Vec<u8>> {
    let target = rig.target("oci", name);
    let told = rig.exported(&target, &["--base", base, "--no-cache"]);
    assert_eq!(told["layer"]["members"], 0, "{base}");
    assert!(told["base"]["reference"].as_str().is_some());
    rig.shows_the_same(&target);
    let written = Written::directory(&rig.out(name));
    let (manifest, config) = written.image(None);
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(
        config["rootfs"]["diff_ids"].as_array().unwrap().len(),
        layers.len()
    );
    let base = &layers[..layers.len() - 1];
    base.iter()
        .map(|layer| written.blob(layer).to_vec())
        .collect()
}

fn stored(image: &TestImage) -> Vec<Vec<u8>> {
    let mut files = crate::support::archive::Files::default();
    let manifest = image.manifest(&mut files);
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| files.of(layer).clone()).collect()
}

#[test]
fn layers_are_taken_over_byte_for_byte_from_wherever_the_base_is() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let image = TestImage {
            compression,
            ..image()
        };
        let rig = Rig::of(&image);
        assert!(taken(&rig, "BASE", "layout") == stored(&image));
        let archive = rig.press.input("layout.tar");
        image.layout("1").write_tar(&archive);
        let name = format!("oci-archive:{}", archive.display());
        assert!(taken(&rig, &name, "archive") == stored(&image));
        let modern = rig.press.input("modern.tar");
        image.modern_archive("test:1").write_tar(&modern);
        let name = format!("docker-archive:{}", modern.display());
        assert!(taken(&rig, &name, "modern") == stored(&image));
        // What docker saved before has the tars themselves.
        image
            .classic_archive(&["test:1"])
            .write_tar(&rig.press.image());
        let name = format!("docker-archive:{}", rig.press.image().display());
        assert!(taken(&rig, &name, "classic") == image.layers);
        // An archive that is compressed as a whole.
        let packed = rig.press.input("packed.tar.gz");
        let whole = fs::read(rig.press.image()).unwrap();
        fs::write(&packed, crate::support::archive::gzip(&whole)).unwrap();
        assert!(taken(&rig, packed.to_str().unwrap(), "packed") == image.layers);
        let address = registry::serve(&image);
        let name = format!("docker://{address}/name:1");
        assert!(taken(&rig, &name, "registry") == stored(&image));
    }
}

#[test]
fn a_daemon_gives_plain_layers() {
    let image = image();
    let rig = Rig::of(&image);
    let archive = image.classic_archive(&["test:1"]).tar();
    let id = digest(image.config().to_string().as_bytes());
    let daemon = FakeDaemon::start(move |path, stream| {
        if path.ends_with("/_ping") {
            send(stream, "200 OK", b"OK");
        } else if path.contains("/json") {
            send(stream, "200 OK", format!("{{\"Id\":\"{id}\"}}").as_bytes());
        } else {
            send(stream, "200 OK", &archive);
        }
    });
    let target = rig.target("oci", "daemon");
    let mut command = rig.command(&target, &["--base=docker-daemon:test:1"]);
    command.env("DOCKER_HOST", daemon.address());
    rig.press.run(&mut command).succeeded();
    let written = Written::directory(&rig.out("daemon"));
    let (manifest, _) = written.image(None);
    for (index, layer) in image.layers.iter().enumerate() {
        assert!(written.blob(&manifest["layers"][index]) == layer);
    }
}

/// A type that lied would make engines refuse the image, or take gzip for a tar.
#[test]
fn a_layer_is_called_what_it_is_whatever_the_base_called_it() {
    let image = image();
    let rig = Rig::of(&image);
    let mut files = crate::support::archive::Files::default();
    let mut manifest = image.manifest(&mut files);
    for (index, wrong) in [
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ]
    .iter()
    .enumerate()
    {
        manifest["layers"][index]["mediaType"] = Value::from(*wrong);
    }
    let descriptor = files.blob(
        crate::support::archive::OCI_MANIFEST,
        manifest.to_string().into_bytes(),
    );
    files.index(&[descriptor]);
    let layout = rig.press.input("lying");
    files.write_directory(&layout);
    let name = format!("oci:{}", layout.display());
    rig.exported(&rig.target("oci", "out"), &["--base", &name]);
    let (manifest, _) = Written::directory(&rig.out("out")).image(None);
    for layer in manifest["layers"].as_array().unwrap() {
        assert_eq!(
            layer["mediaType"],
            "application/vnd.oci.image.layer.v1.tar+gzip"
        );
    }
}

#[test]
fn a_damaged_base_is_no_base() {
    let rig = Rig::new();
    let mut files = image().layout("1");
    let manifest = {
        let index: Value = serde_json::from_slice(&files.0["index.json"]).unwrap();
        let manifest: Value = serde_json::from_slice(files.of(&index["manifests"][0])).unwrap();
        manifest
    };
    let layer = files.of(&manifest["layers"][0]);
    let middle = layer.len() / 2;
    layer[middle] ^= 1;
    let layout = rig.press.input("damaged");
    files.write_directory(&layout);
    let name = format!("oci:{}:1", layout.display());
    let ended = rig.export(&rig.target("oci", "out"), &["--base", &name]);
    ended.failed(4, &["layer 1 of 2"]);
    assert_eq!(rig.press.left(), [""; 0]);
}
