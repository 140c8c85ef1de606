//! Indexes of as many entries as a document may have, and of more: whoever reads them does as much work as
//! they are long, in a memory that is known.

use std::process::Command;

use serde_json::{Value, json};

use super::artifact::{ARTIFACT_TYPE, TestArtifact, bytes};
use super::artifact_stand::{ArtifactStand, NAME};
use super::fake_registry::FakeRegistry;
use super::http::answer;
use super::proxy::Fault;
use super::pull::Puller;
use super::push::Repository;
use super::support::archive::{Files, OCI_MANIFEST, TestImage, digest};
use super::support::run::LAYERPRESS;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Bytes that a document may have.
const MOST: usize = 4 << 20;

/// The same program in little memory.
fn small(plain: &Command) -> Command {
    let mut command = Command::new("prlimit");
    command.arg("--as=700000000").arg(LAYERPRESS);
    command.args(plain.get_args());
    command.env_clear();
    let set = plain.get_envs();
    command.envs(set.filter_map(|(name, value)| Some((name, value?))));
    command
}

fn index(entries: &[Value]) -> Vec<u8> {
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    index.to_string().into_bytes()
}

fn entry(number: usize) -> Value {
    json!({
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "digest": digest(&number.to_le_bytes()),
        "size": 1000,
        "platform": { "os": "linux", "architecture": format!("a{number}") },
    })
}

/// As many as fit, with room for one or two more where those are to be put in.
fn many(left_bytes: usize) -> Vec<Value> {
    let mut left = MOST - left_bytes - index(&[]).len();
    let fits = |entry: &Value| {
        let bytes = entry.to_string().len() + 1;
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    };
    let many: Vec<_> = (0..).map(entry).take_while(fits).collect();
    assert!(many.len() > 15_000);
    many
}

/// An index that has room for nothing more.
fn full() -> Vec<u8> {
    let mut index: Value = serde_json::from_slice(&index(&many(1000))).unwrap();
    index["annotations"] = json!({ "a": "" });
    let left = MOST - index.to_string().len();
    index["annotations"]["a"] = "x".repeat(left).into();
    let bytes = index.to_string().into_bytes();
    assert_eq!(bytes.len(), MOST);
    bytes
}

#[test]
fn of_an_index_of_many_platforms_one_manifest_is_asked_for() {
    let file = bytes("abz", 0);
    let artifact = TestArtifact::of(&file);
    let mut files = Files::default();
    let mut own = artifact.put(&mut files);
    own["artifactType"] = ARTIFACT_TYPE.into();
    own["platform"] = json!({ "os": "linux", "architecture": "riscv64" });
    let mut entries = many(1000);
    entries.push(own);
    let top = index(&entries);
    assert!(top.len() < MOST);
    let registry = FakeRegistry::start(&artifact.layout(), move |head| {
        let is_top = head.word(1).ends_with("/manifests/1");
        is_top.then(|| answer("200 OK", &[("Content-Type", INDEX)], &top))
    });
    let puller = Puller::new();
    let options = ["--platform=linux/riscv64", "--no-cache"];
    let ended = puller
        .press
        .run(&mut small(&puller.pull(&registry.reference(), &options)));
    assert!(puller.take_output(&ended) == file);
    let asked = registry.asked();
    let manifests = asked
        .iter()
        .filter(|head| head.word(1).contains("/manifests/"));
    assert!(manifests.count() < 4, "{asked:?}");
    // Which of them is not told at length.
    let options = ["--platform=linux/none", "--no-cache"];
    let ended = puller
        .press
        .run(&mut small(&puller.pull(&registry.reference(), &options)));
    puller.has_failed(&ended, 5, &["no filesystem for linux/none"]);
    assert!(ended.stderr.len() < 4000, "{}", ended.stderr.len());
}

/// What each is must be asked for where the index does not say so: not of all of them.
#[test]
fn an_index_that_does_not_say_what_it_lists_is_given_up() {
    let artifact = TestArtifact::of(&bytes("ab", 0));
    let entries: Vec<_> = many(1000)
        .into_iter()
        .map(|mut entry| {
            entry.as_object_mut().unwrap().remove("artifactType");
            entry.as_object_mut().unwrap().remove("platform");
            entry
        })
        .collect();
    let top = index(&entries);
    let inner = artifact.manifest.to_string();
    let registry = FakeRegistry::start(&artifact.layout(), move |head| {
        let path = head.word(1);
        if path.ends_with("/manifests/1") {
            return Some(answer("200 OK", &[("Content-Type", INDEX)], &top));
        }
        // Each is another's bytes.
        let is_inner = path.contains("/manifests/");
        is_inner.then(|| {
            answer(
                "200 OK",
                &[("Content-Type", OCI_MANIFEST)],
                inner.as_bytes(),
            )
        })
    });
    let puller = Puller::new();
    let pull = puller.pull(&registry.reference(), &["--no-cache"]);
    let ended = puller.press.run(&mut small(&pull));
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(registry.asked().len() < 600);
}

#[test]
fn a_push_reads_and_changes_an_index_as_long_as_one_may_be_and_refuses_a_longer_one() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let on = format!("GET /v2/{NAME}/manifests/1");
    let told = |bytes: &[u8]| Fault::Answer(answer("200 OK", &[("Content-Type", INDEX)], bytes));
    let pushed = stand.pushes("other", &["--platform=linux/amd64"]);
    let bytes = stand.get("manifests/other").unwrap();
    let own = serde_json::from_slice::<Value>(&bytes).unwrap()["manifests"][0].clone();
    let push = |options: &[&str]| {
        let options = [options, &["--platform=linux/amd64"]].concat();
        stand
            .puller
            .press
            .run(&mut small(&stand.push("1", &options)))
    };
    // It is there already, last of all.
    let mut entries = many(1000);
    entries.push(own);
    stand.proxy.always(&on, told(&index(&entries)));
    let summary = stand.done(&push(&[]));
    assert_eq!(
        (&summary["manifest_digest"], &summary["is_new"]),
        (&pushed["manifest_digest"], &json!(false))
    );
    // It is not, and there is no room for it.
    stand.proxy.mend();
    stand.proxy.always(&on, told(&full()));
    push(&[]).failed(
        5,
        &["1: expected an index of at most 4194304 bytes, found one of"],
    );
    // More than is read.
    let hundred_thousand: Vec<_> = (0..100_000).map(entry).collect();
    stand.proxy.mend();
    stand.proxy.always(&on, told(&index(&hundred_thousand)));
    push(&[]).failed(4, &["expected at most 4194304 bytes, found more"]);
    // As many small things as fit, which take most memory for each byte.
    let small_things = vec![json!({ "a": 0 }); (MOST - 100) / 8];
    assert!(index(&small_things).len() < MOST);
    stand.proxy.mend();
    stand.proxy.always(&on, told(&index(&small_things)));
    push(&[]).failed(4, &["at most 150000 JSON objects, found one of 524"]);
    assert_eq!(stand.get("manifests/1"), None);
}

/// The same of the index by which an image tells of its filesystems.
#[test]
fn of_a_full_list_of_referrers_it_is_told_that_the_filesystem_is_there() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let image = TestImage::new(super::pull::layers(71, 1)).layout("1");
    let source = Repository::new(stand.registry.address, NAME).push(&image, "image");
    let on = format!("GET /v2/{NAME}/manifests/{}", source.replace(':', "-"));
    let told = |bytes: &[u8]| Fault::Answer(answer("200 OK", &[("Content-Type", INDEX)], bytes));
    let there = "the filesystem itself is there";
    let small_things = vec![json!({ "a": 0 }); (MOST - 100) / 8];
    let hundred_thousand: Vec<_> = (0..100_000).map(entry).collect();
    for (bytes, code, words) in [
        (full(), 5, "expected an index of at most 4194304 bytes"),
        (
            index(&small_things),
            4,
            "at most 150000 JSON objects, found one of 524",
        ),
        (
            index(&hundred_thousand),
            4,
            "expected at most 4194304 bytes, found more",
        ),
    ] {
        stand.proxy.mend();
        stand.proxy.always(&on, told(&bytes));
        let ended = stand.puller.press.run(&mut small(&stand.push("1", &[])));
        ended.failed(code, &[words, there]);
        assert!(stand.get("manifests/1").is_some());
    }
    stand.proxy.mend();
    let pushed = stand.pushes("1", &[]);
    let mut entries = many(1000);
    entries.push(json!({ "digest": pushed["manifest_digest"] }));
    stand.proxy.always(&on, told(&index(&entries)));
    let ended = stand.puller.press.run(&mut small(&stand.push("1", &[])));
    assert_eq!(stand.done(&ended)["has_referrers_tag"], true);
}
