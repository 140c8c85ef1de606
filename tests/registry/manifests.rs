//! Indexes in indexes, and manifests that say what is not so.

use serde_json::{Value, json};

use super::http::answer;
use super::proxy::Fault;
use super::pull::{Puller, layers};
use super::push::Repository;
use super::registry_server::Registry;
use super::stand::Stand;
use super::support::archive::{Compression, Files, OCI_INDEX, OCI_MANIFEST, TestImage, layer_tar};

fn image() -> TestImage {
    TestImage {
        compression: Compression::Gzip,
        ..TestImage::new(layers(141, 1))
    }
}

/// The image below so many indexes, tagged.
fn nested(depth: usize) -> Files {
    let mut files = Files::default();
    let mut descriptor = image().put_with_platform(&mut files);
    for _ in 0..depth {
        descriptor = files.inner_index(&[descriptor]);
    }
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    files.index(&[descriptor]);
    files
}

#[test]
fn an_index_in_an_index_is_followed_as_deep_as_in_a_layout_and_no_deeper() {
    let Some(registry) = Registry::plain() else {
        return;
    };
    let puller = Puller::new();
    let mut outcomes = Vec::new();
    for depth in [1, 2, 3, 5, 40] {
        let files = nested(depth);
        let repository = Repository::new(registry.address, &format!("deep{depth}"));
        repository.push(&files, "1");
        puller.forget();
        let local = puller.layout(&format!("layout{depth}"), &files);
        let expected = puller.press.run(&mut puller.build(&local, &[]));
        let reference = repository.reference("1");
        if expected.code() == 0 {
            let expected = puller.take_output(&expected);
            assert!(puller.pulled(&reference, &[]) == expected, "{depth}");
        } else {
            puller.fails(&reference, &[], expected.code(), &["index"]);
        }
        outcomes.push(expected.code() == 0);
    }
    assert_eq!((outcomes[0], outcomes[4]), (true, false), "{outcomes:?}");
}

/// Answers a manifest of the test's own for the tag.
fn tag_is(stand: &Stand, media_type: &str, manifest: &Value) {
    let headers = [("Content-Type", media_type)];
    let answer = answer("200 OK", &headers, manifest.to_string().as_bytes());
    stand.proxy.mend();
    // What HEAD says of the tag leads to nothing that is there.
    stand.puller.forget();
    let on = "GET /v2/sample/manifests/1";
    stand.proxy.always(on, Fault::Answer(answer));
}

/// The manifest that was pushed.
fn manifest(stand: &Stand) -> Value {
    let mut files = Files::default();
    let manifest = image().manifest(&mut files);
    assert_eq!(manifest["config"]["digest"], stand.config[..]);
    manifest
}

#[test]
fn a_manifest_that_lies_about_its_blobs_is_found_out() {
    let Some(stand) = Stand::of(image()) else {
        return;
    };
    let right = manifest(&stand);
    tag_is(&stand, OCI_MANIFEST, &right);
    stand.puller.forget();
    stand.pulls(&[]);
    let size = stand.blobs[1].size_bytes;
    let other = &stand.blobs[2].digest;
    for (pointer, value, code) in [
        ("/layers/1/size", json!(size - 1), 4),
        ("/layers/1/size", json!(size + 1), 4),
        ("/layers/1/size", json!(1_u64 << 50), 4),
        ("/layers/1/size", json!(0), 4),
        ("/layers/1/size", json!(-1), 4),
        ("/layers/1/digest", json!(other), 4),
        ("/layers/1/digest", json!("sha256:../../../etc/passwd"), 4),
        (
            "/layers/1/digest",
            json!(format!("sha256:{}", "0".repeat(64))),
            4,
        ),
        ("/config/size", json!(1), 4),
        ("/config/digest", json!(stand.blobs[0].digest), 4),
        ("/config/digest", json!(stand.digest), 4),
        ("/layers", json!([]), 4),
    ] {
        let mut wrong = right.clone();
        *wrong.pointer_mut(pointer).unwrap() = value.clone();
        tag_is(&stand, OCI_MANIFEST, &wrong);
        for option in ["--jobs=3", "--no-cache"] {
            stand.puller.forget();
            let options = ["--retry=0", option];
            let mut build = stand.puller.build(&stand.reference, &options);
            let ended = stand.puller.press.run(&mut build);
            assert_eq!(ended.code(), code, "{pointer} {value}: {}", ended.stderr);
            stand.puller.has_failed(&ended, code, &[]);
        }
    }
}

/// What a bare name was taken for is not left to be guessed.
#[test]
fn a_name_is_told_in_full_where_a_registry_was_asked() {
    let Some(stand) = Stand::of(image()) else {
        return;
    };
    let layout = image().layout("latest");
    Repository::new(stand.plain().address, "sample").push(&layout, "latest");
    let name = format!("{}/sample", stand.plain().address);
    for (typed, told) in [
        (name.clone(), format!("{name}:latest")),
        (format!("{name}:1"), format!("{name}:1")),
        (
            format!("docker://{name}"),
            format!("docker://{name}:latest"),
        ),
    ] {
        let mut build = stand.puller.build(&typed, &["-q", "--json"]);
        let ended = stand.puller.press.run(&mut build);
        let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(summary["reference"], told);
        stand.puller.take_output(&ended);
    }
}

/// Containerd takes a manifest of the other family's type for what it is.
#[test]
fn a_manifest_may_call_itself_by_the_other_family_s_type() {
    let Some(stand) = Stand::of(image()) else {
        return;
    };
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let mut other = manifest(&stand);
    other["mediaType"] = json!(docker);
    let mut files = Files::default();
    let descriptor = files.blob(OCI_MANIFEST, other.to_string().into_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    tag_is(&stand, OCI_INDEX, &index);
    let headers = [("Content-Type", OCI_MANIFEST)];
    let answer = answer("200 OK", &headers, other.to_string().as_bytes());
    let digest = descriptor["digest"].as_str().unwrap();
    let on = format!("GET /v2/sample/manifests/{digest}");
    stand.proxy.always(&on, Fault::Answer(answer));
    stand.pulls(&[]);
}

#[test]
fn a_blob_that_is_several_layers_is_downloaded_once() {
    let twice = layer_tar(&[("twice", &super::pull::noise(5, 1 << 20))]);
    let image = TestImage::new([twice.clone(), layer_tar(&[("between", b"x")]), twice]);
    let Some(stand) = Stand::of(image) else {
        return;
    };
    for options in [&["--jobs=3"][..], &["--no-cache"]] {
        stand.puller.forget();
        stand.proxy.seen();
        stand.pulls(options);
        assert_eq!(stand.proxy.gets(&stand.blobs[0].digest), 1);
    }
}

#[test]
fn an_index_of_nothing_or_of_nothing_for_this_platform_is_refused() {
    let Some(stand) = Stand::of(image()) else {
        return;
    };
    let entry = |architecture: &str, digest: &str| {
        json!({
            "mediaType": OCI_MANIFEST, "digest": digest, "size": 1,
            "platform": { "os": "plan9", "architecture": architecture },
        })
    };
    for (manifests, words) in [
        (json!([]), &[][..]),
        (
            json!([entry("mips", &stand.digest), entry("arm", &stand.config)]),
            &["plan9/mips", "plan9/arm", "--platform"],
        ),
    ] {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        tag_is(&stand, OCI_INDEX, &index);
        let mut build = stand.puller.build(&stand.reference, &[]);
        let ended = stand.puller.press.run(&mut build);
        assert!([4, 5].contains(&ended.code()), "{}", ended.stderr);
        stand.puller.has_failed(&ended, ended.code(), words);
    }
    // An entry whose manifest is of another size, and one that is not there.
    for (digest, size) in [
        (stand.digest.clone(), 1),
        (format!("sha256:{}", "1".repeat(64)), 700),
    ] {
        let entry = json!({
            "mediaType": OCI_MANIFEST, "digest": digest, "size": size,
            "platform": { "os": "linux", "architecture": "amd64" },
        });
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
        tag_is(&stand, OCI_INDEX, &index);
        let options = ["--platform=linux/amd64", "--retry=0"];
        stand
            .puller
            .fails(&stand.reference, &options, 4, &[&digest]);
    }
}
