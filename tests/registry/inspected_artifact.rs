//! What a filesystem in a registry says of itself, without a segment of it.

use serde_json::{Value, json};

use super::artifact::{TestArtifact, bytes, layout_of_index};
use super::artifact_stand::{ArtifactStand, NAME};
use super::fake_registry::FakeRegistry;
use super::proxy::Seen;
use super::pull::Puller;
use super::push::Repository;
use super::push_places;
use super::support::archive::{Files, TestImage};

#[track_caller]
fn inspected(puller: &Puller, reference: &str, options: &[&str]) -> Value {
    let mut command = puller.command(&["inspect", reference, "--no-cache", "--json"]);
    let ended = puller.press.run(command.args(options));
    serde_json::from_str(ended.succeeded()).unwrap()
}

#[track_caller]
fn text(puller: &Puller, reference: &str) -> String {
    let mut command = puller.command(&["inspect", reference, "--no-cache"]);
    puller.press.run(&mut command).succeeded().to_owned()
}

#[test]
fn all_that_is_known_of_a_filesystem_is_told_and_no_segment_is_read() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let image = TestImage::new(super::pull::layers(71, 1)).layout("1");
    let source = Repository::new(stand.registry.address, NAME).push(&image, "image");
    let pushed = stand.pushes("1", &[]);
    let reference = format!("docker://{}/{NAME}:1", stand.proxy.address());
    stand.proxy.seen();
    let found = inspected(&stand.puller, &reference, &[]);
    let blobs = |seen: &&Seen| seen.path.contains("/blobs/");
    let asked = stand.proxy.seen();
    let asked: Vec<_> = asked.iter().filter(blobs).collect();
    let config = pushed["config_digest"].as_str().unwrap();
    assert!(
        asked.iter().all(|seen| seen.path.ends_with(config)),
        "{asked:?}"
    );
    assert_eq!(
        (&found["schema"], &found["kind"]),
        (&json!("layerpress.inspect.v1"), &json!("artifact"))
    );
    for key in [
        "reference",
        "manifest_digest",
        "config_digest",
        "subject_digest",
        "platform",
        "sha256",
        "size_bytes",
        "segments",
        "segment_bytes",
        "stored_bytes",
        "zero_bytes",
    ] {
        assert_eq!(found[key], pushed[key], "{key}");
    }
    assert_eq!(found["subject_digest"], source);
    let manifest = std::fs::read(stand.manifest_file()).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(found["recipe_digest"], manifest["recipe_digest"]);
    assert_eq!(found["versions"], manifest["versions"]);
    assert_eq!(found["filesystem"]["filesystem_type"], "ext3");
    assert_eq!(found["filesystem"]["uuid"], manifest["filesystem"]["uuid"]);
    assert_eq!(found["image"]["image_id"], manifest["image"]["image_id"]);
    assert!(found["created"].is_string(), "{found}");
    assert_eq!(found["filesystems"].as_array().unwrap().len(), 1);
    let shown = text(&stand.puller, &reference);
    let digests = [
        "sha256",
        "subject_digest",
        "manifest_digest",
        "config_digest",
    ];
    for key in digests {
        assert!(
            shown.contains(found[key].as_str().unwrap()),
            "{key}: {shown}"
        );
    }
    for words in [
        "ext3 of ",
        " segments of 256 KiB at most, ",
        "linux/amd64",
        "layerpress 0",
        &format!("`layerpress pull {reference} -o FILE` fetches it"),
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // An image of the same repository is one as before.
    let image = inspected(&stand.puller, &reference.replace(":1", ":image"), &[]);
    // The port may have a :1 in it.
    if image["kind"] != "image" {
        let at = format!("docker://{}/{NAME}:image", stand.proxy.address());
        assert_eq!(inspected(&stand.puller, &at, &[])["kind"], "image");
    }
}

#[test]
fn of_an_index_all_platforms_are_listed_and_one_is_told() {
    let Some(stand) = push_places::stand() else {
        return;
    };
    let arm = stand.pushes("1", &["--platform=linux/arm64"]);
    let amd = stand.pushes("1", &["--platform=linux/amd64", "--compress=zstd:1"]);
    let reference = format!("docker://{}/{NAME}:1", stand.proxy.address());
    for (platform, own) in [("linux/arm64", &arm), ("linux/amd64", &amd)] {
        let option = format!("--platform={platform}");
        let found = inspected(&stand.puller, &reference, &[&option]);
        assert_eq!(found["manifest_digest"], own["manifest_digest"]);
        let offers = found["filesystems"].as_array().unwrap();
        let offers: Vec<_> = offers
            .iter()
            .map(|offer| {
                (
                    offer["platform"].clone(),
                    offer["manifest_digest"].clone(),
                    offer["chosen"].clone(),
                )
            })
            .collect();
        let expected = [("linux/amd64", &amd), ("linux/arm64", &arm)].map(|(name, pushed)| {
            (
                json!(name),
                pushed["manifest_digest"].clone(),
                json!(name == platform),
            )
        });
        assert_eq!(offers, expected);
    }
    let command = [
        "inspect",
        &reference,
        "--no-cache",
        "--platform=linux/s390x",
    ];
    let ended = stand.puller.press.run(&mut stand.puller.command(&command));
    ended.failed(5, &["linux/amd64, linux/arm64"]);
    let shown = text(&stand.puller, &reference);
    assert!(shown.contains("for all platforms (* this one)"), "{shown}");
}

#[test]
fn a_configuration_of_any_form_is_shown_as_far_as_it_goes_and_a_broken_manifest_is_an_error() {
    let puller = Puller::new();
    let file = bytes("abz", 0);
    let plain = TestArtifact::of(&file);
    let long = "long\n".repeat(50_000);
    let own = json!({ "size_bytes": file.len(), "sha256": super::artifact::sha256(&file) });
    for config in [
        json!({ "output": own }),
        json!({ "output": own, "versions": 5, "image": [], "filesystem": null, "recipe_digest": "x" }),
        json!({ "output": own, "image": { "reference": "a\u{1b}[2Jb", "created": "yesterday", "image_id": "none" } }),
        json!({ "output": own, "filesystem": { "type": "\u{1b}]0;x", "size_bytes": 1, "block_bytes": 0,
            "uuid": "\u{7}", "label": "\n" }, "verity": { "hash_offset_bytes": 5, "root_hash": "\u{9b}" } }),
        json!({ "output": own, "filesystem": { "type": long, "size_bytes": 1, "block_bytes": 1, "uuid": long,
            "label": long }, "verity": { "hash_offset_bytes": 5, "root_hash": long },
            "image": { "reference": long }, "versions": { "layerpress": long, "e2fsprogs": long } }),
    ] {
        let mut artifact = plain.clone();
        artifact.config(&config);
        let registry = FakeRegistry::start(&artifact.layout(), |_| None);
        let found = inspected(&puller, &registry.reference(), &[]);
        assert_eq!(found["kind"], "artifact", "{config}");
        assert_eq!(
            (&found["created"], &found["recipe_digest"]),
            (&Value::Null, &Value::Null)
        );
        let shown = text(&puller, &registry.reference());
        let acts = |letter: char| letter.is_control() && letter != '\n';
        assert!(!shown.contains(acts), "{shown:?}");
        assert!(shown.len() < 8000, "{}", shown.len());
    }
    let mut broken = plain.clone();
    broken.layers().swap(0, 1);
    let registry = FakeRegistry::start(&broken.layout(), |_| None);
    let words = ["inspect", &registry.reference(), "--no-cache"];
    let ended = puller.press.run(&mut puller.command(&words));
    ended.failed(4, &["segment 2", "behind the segment before it"]);
    // Another's artifact is none, and is told as what it is.
    let mut other = plain.clone();
    other.manifest["artifactType"] = "application/vnd.other".into();
    other.manifest["config"]["mediaType"] = "application/vnd.oci.empty.v1+json".into();
    let registry = FakeRegistry::start(&other.layout(), |_| None);
    let words = ["inspect", &registry.reference(), "--no-cache"];
    let ended = puller.press.run(&mut puller.command(&words));
    ended.failed(5, &["an artifact and not a container image"]);
    // An index with nothing in it but one filesystem is that.
    let mut files = Files::default();
    let mut filesystem = plain.platform("linux/amd64").put(&mut files);
    filesystem["artifactType"] = super::artifact::ARTIFACT_TYPE.into();
    let only = layout_of_index(files, &[filesystem]);
    let registry = FakeRegistry::start(&only, |_| None);
    let found = inspected(&puller, &registry.reference(), &["--platform=linux/amd64"]);
    assert_eq!(found["kind"], "artifact");
}
