//! What a tag means before and after a push.

use serde_json::{Value, json};

use super::artifact_stand::{ArtifactStand, NAME, read};
use super::proxy::Fault;
use super::push::Repository;
use super::registry_server::Setup;
use super::support::archive::{TestImage, digest, layer_tar};

fn platforms(index: &Value) -> Vec<String> {
    let entries = index["manifests"].as_array().unwrap();
    let one = |entry: &Value| {
        let platform = &entry["platform"];
        let text = |key: &str| platform[key].as_str().unwrap_or("-").to_owned();
        format!(
            "{}/{}/{}",
            text("os"),
            text("architecture"),
            text("variant")
        )
    };
    entries.iter().map(one).collect()
}

/// A filesystem for any platform: its build tells none.
pub fn stand() -> Option<ArtifactStand> {
    let stand = ArtifactStand::with(Setup::default(), &[])?;
    let tar = stand.puller.press.input("root.tar");
    std::fs::write(&tar, layer_tar(&[("etc/a", b"a")])).unwrap();
    stand.build(&format!("rootfs:{}", tar.display()), &[]);
    Some(stand)
}

#[test]
fn filesystems_for_several_platforms_are_put_into_one_index() {
    let Some(stand) = stand() else {
        return;
    };
    let arm = stand.pushes("1", &["--platform=linux/arm64"]);
    let index = stand.manifest("1");
    assert_eq!(
        index["mediaType"],
        "application/vnd.oci.image.index.v1+json"
    );
    assert_eq!(platforms(&index), ["linux/arm64/-"]);
    assert_eq!(arm["platform"], "linux/arm64");
    assert_eq!(
        arm["index_digest"],
        digest(&stand.get("manifests/1").unwrap())
    );
    let digest_of = |summary: &Value| summary["manifest_digest"].as_str().unwrap().to_owned();
    let manifest = stand.manifest(&digest_of(&arm));
    assert_eq!(
        manifest["annotations"]["vnd.filesystem-image.platform"],
        "linux/arm64"
    );
    let amd = stand.pushes("1", &["--platform=linux/amd64"]);
    let v6 = stand.pushes("1", &["--platform=linux/arm/v6"]);
    let all = ["linux/amd64/-", "linux/arm/v6", "linux/arm64/-"];
    let index = stand.manifest("1");
    assert_eq!(platforms(&index), all);
    for (entry, summary) in index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .zip([&amd, &v6, &arm])
    {
        assert_eq!(entry["digest"], digest_of(summary));
        assert_eq!(entry["artifactType"], "application/vnd.filesystem-image.v1");
        assert!(stand.assembled(&digest_of(summary)) == read(&stand.image));
    }
    // In the place of the one for the same platform.
    stand.proxy.seen();
    let again = stand.pushes("1", &["--platform=linux/arm64"]);
    assert_eq!(again["is_new"], false);
    assert_eq!(
        super::artifact_stand::sent(&stand.proxy.seen(), "PUT"),
        (0, 0)
    );
    let other = stand.pushes("1", &["--platform=linux/arm64", "--compress=zstd:1"]);
    assert_ne!(digest_of(&other), digest_of(&arm));
    let index = stand.manifest("1");
    assert_eq!(platforms(&index), all);
    assert_eq!(index["manifests"][2]["digest"], digest_of(&other));
    // Without a platform all of them would be lost.
    let alone = stand.puller.press.run(&mut stand.push("1", &[]));
    alone.failed(
        5,
        &[
            "linux/amd64, linux/arm/v6, linux/arm64",
            "--platform puts this one into it",
        ],
    );
    assert_eq!(stand.manifest("1"), index);
    stand.pushes("1", &["--replace"]);
    assert!(stand.assembled("1") == read(&stand.image));
}

#[test]
fn a_filesystem_alone_becomes_one_of_an_index_by_the_platform_that_it_tells() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    // Its build tells that it is for amd64.
    let first = stand.pushes("1", &[]);
    assert_eq!(first["platform"], "linux/amd64");
    let wrong = stand
        .puller
        .press
        .run(&mut stand.push("1", &["--platform=linux/arm64"]));
    wrong.failed(
        5,
        &["expected linux/amd64, which the filesystem was built for"],
    );
    let layout = TestImage {
        platform: "linux/arm64",
        ..TestImage::new([layer_tar(&[("a", b"a")])])
    };
    let reference = stand.puller.layout("arm", &layout.layout("1"));
    stand.build(&reference, &["--platform=linux/arm64"]);
    stand.pushes("1", &["--platform=linux/arm64"]);
    let index = stand.manifest("1");
    assert_eq!(platforms(&index), ["linux/amd64/-", "linux/arm64/-"]);
    assert_eq!(index["manifests"][0]["digest"], first["manifest_digest"]);
    let bytes = stand.get(&format!(
        "manifests/{}",
        first["manifest_digest"].as_str().unwrap()
    ));
    assert_eq!(index["manifests"][0]["size"], bytes.unwrap().len());
}

/// A tag that names a container image was taken from it, and the image could be pruned away.
#[test]
fn a_tag_of_something_else_is_not_taken_unless_that_is_asked_for() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let repository = Repository::new(stand.registry.address, NAME);
    let image = TestImage::new([layer_tar(&[("a", b"a")])]).layout("1");
    repository.push(&image, "1");
    let before = stand.get("manifests/1");
    for options in [&[][..], &["--platform=linux/amd64"]] {
        stand.proxy.seen();
        let ended = stand.puller.press.run(&mut stand.push("1", options));
        ended.failed(5, &["found a container image", "--replace"]);
        assert_eq!(
            super::artifact_stand::sent(&stand.proxy.seen(), "POST").0,
            0
        );
        assert_eq!(stand.get("manifests/1"), before);
    }
    let index = json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": before.as_ref().unwrap().len(),
        "digest": digest(before.as_ref().unwrap()),
        "platform": { "os": "linux", "architecture": "amd64" } }] });
    let index_type = "application/vnd.oci.image.index.v1+json";
    repository.put_manifest("2", index_type, index.to_string().as_bytes());
    let ended = stand
        .puller
        .press
        .run(&mut stand.push("2", &["--platform=linux/amd64"]));
    ended.failed(5, &["found an index of container images"]);
    let replaced = stand.pushes("2", &["--platform=linux/amd64", "--replace"]);
    let index = stand.manifest("2");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["digest"], replaced["manifest_digest"]);
    stand.pushes("1", &["--replace"]);
    assert!(stand.assembled("1") == read(&stand.image));
}

#[test]
fn a_digest_in_place_of_a_tag_is_held_against_what_is_pushed() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let pushed = stand.pushes("1", &[]);
    let own = pushed["manifest_digest"].as_str().unwrap();
    let at = |digest: &str| format!("docker://{}/private/second@{digest}", stand.proxy.address());
    let second = stand.done(&stand.puller.press.run(&mut stand.push_at(&at(own), &[])));
    assert_eq!(second["manifest_digest"], own);
    let other = format!("sha256:{}", "0".repeat(64));
    let ended = stand.puller.press.run(&mut stand.push_at(&at(&other), &[]));
    ended.failed(
        5,
        &["expected a filesystem whose manifest is sha256:000", own],
    );
}

/// Two that change one index at once: registries cannot be asked to change it only as it was read.
#[test]
fn an_index_that_others_change_meanwhile_is_changed_again() {
    let Some(stand) = stand() else {
        return;
    };
    stand.pushes("1", &["--platform=linux/arm64"]);
    let before = stand.get("manifests/1").unwrap();
    stand.pushes("1", &["--platform=linux/amd64"]);
    // The next one is told the older index once: what it writes lacks what another wrote.
    let media = [("Content-Type", "application/vnd.oci.image.index.v1+json")];
    let old = super::http::answer("200 OK", &media, &before);
    let on = format!("GET /v2/{NAME}/manifests/1");
    // The first look is to see what the tag means.
    stand.proxy.fault(&on, 2, Fault::Answer(old.clone()));
    stand.pushes("1", &["--platform=linux/s390x"]);
    let index = stand.manifest("1");
    assert_eq!(platforms(&index), ["linux/arm64/-", "linux/s390x/-"]);
    // One who never sees its own ends.
    stand.proxy.always(&on, Fault::Answer(old));
    let ended = stand
        .puller
        .press
        .run(&mut stand.push("1", &["--platform=linux/riscv64"]));
    ended.failed(9, &["others changed it meanwhile"]);
}
