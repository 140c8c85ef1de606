//! What `push` puts into a registry comes out of `pull` as it was, in every form that there is.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use super::pull::{Puller, noise};
use super::push::Repository;
use super::registry_server::{Access, PASSWORD, Registry, Setup, USER};
use super::support::archive::{Compression, TestImage, layer_tar};
use super::support::oracles::e2fsck_clean;
use super::token_server::TokenServer;

/// An image of these files.
fn image(files: &[(&str, &[u8])]) -> TestImage {
    TestImage {
        compression: Compression::None,
        ..TestImage::new([layer_tar(files)])
    }
}

/// Builds a filesystem of an image and pushes it; gives its bytes.
fn push(puller: &Puller, image: &TestImage, reference: &str, options: &[&str]) -> Vec<u8> {
    let layout = puller.layout("pushed", &image.layout("1"));
    let built = puller.press.input("built.img");
    let manifest = puller.press.input("built.img.manifest.json");
    // The same UUID for all, as for versions of one image.
    let mut build = puller.command(&["build", &layout, "-q", "--size=24M"]);
    build.arg(format!("--platform={}", image.platform));
    build.arg("--uuid=11111111-2222-3333-4444-555555555555");
    build.arg("-o").arg(&built).arg("--manifest").arg(&manifest);
    puller.press.run(&mut build).succeeded();
    let mut push = puller.command(&["push"]);
    push.arg(&built)
        .args([reference, "--segment-size=64K"])
        .args(options);
    puller.press.run(&mut push).succeeded();
    fs::read(&built).unwrap()
}

#[test]
fn a_filesystem_that_was_pushed_comes_back_and_of_its_update_what_is_new() {
    let Some(registry) = Registry::plain() else {
        return;
    };
    let puller = Puller::new();
    let repository = Repository::new(registry.address, "disks/web");
    let big = noise(3, 4 << 20);
    let old = push(
        &puller,
        &image(&[("big", &big), ("text", b"one")]),
        &repository.reference("1"),
        &[],
    );
    let new = push(
        &puller,
        &image(&[("big", &big), ("text", b"two")]),
        &repository.reference("2"),
        &[],
    );
    assert!(old != new);
    let summary = puller.pulls(&repository.reference("1"), &["--no-cache"], &old);
    let segments = summary["segments"].as_u64().unwrap();
    assert!(segments > 64, "{summary}");
    let like = format!("--like={}", puller.earlier(&old).display());
    let options = [&like[..], "--no-cache"];
    let summary = puller.pulls(&repository.reference("2"), &options, &new);
    let count = |from: &str| summary[from]["segments"].as_u64().unwrap();
    assert!(count("registry") <= 6 && count("like") > 60, "{summary}");
    // What is right by its hash is a right filesystem, with its holes and what its build tells of it.
    let out = |name: &str| puller.press.root().join("out").join(name);
    let mut pull = puller.pull(&repository.reference("2"), &["--sha256"]);
    pull.arg("--manifest").arg(out("fs.json"));
    puller.press.run(&mut pull).succeeded();
    e2fsck_clean(&puller.press.output());
    let host_bytes = fs::metadata(puller.press.output()).unwrap().blocks() * 512;
    assert!(host_bytes < 8 << 20, "{host_bytes}");
    let manifest: Value = serde_json::from_slice(&fs::read(out("fs.json")).unwrap()).unwrap();
    assert_eq!(manifest["schema"], "layerpress.manifest.v1");
    assert_eq!(manifest["output"]["size_bytes"], new.len());
}

#[test]
fn by_way_of_tokens_and_through_an_index_for_platforms() {
    let Some(tokens) = TokenServer::start() else {
        return;
    };
    let setup = Setup {
        access: Access::Token(&tokens),
        ..Setup::default()
    };
    let Some(registry) = Registry::start(setup) else {
        return;
    };
    let puller = Puller::new();
    let reference = Repository::new(registry.address, "public/web").reference("1");
    let creds = format!("--creds={USER}:{PASSWORD}");
    let of = |platform: &'static str, text: &[u8]| {
        let image = TestImage {
            platform,
            ..image(&[("text", text)])
        };
        let option = format!("--platform={platform}");
        push(&puller, &image, &reference, &[&creds, &option])
    };
    let (amd64, arm64) = (of("linux/amd64", b"one"), of("linux/arm64", b"two"));
    for (platform, file) in [("linux/amd64", &amd64), ("linux/arm64", &arm64)] {
        let platform = format!("--platform={platform}");
        puller.pulls(&reference, &[&creds, &platform], file);
    }
}
