//! Pulling a filesystem that lies in a registry as an artifact.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::artifact::{ARTIFACT_TYPE, SEGMENT, TestArtifact, bytes, layout_of_index, sha256};
use super::proxy::Proxy;
use super::pull::{Puller, layers};
use super::push::Repository;
use super::registry_server::{Access, PASSWORD, Registry, Setup, USER};
use super::stand::Stand;
use super::support::archive::{Files, TestImage};
use super::tls::Authority;
use super::token_server::TokenServer;

const NAME: &str = "disks/web";

/// An artifact in a real registry, and a proxy before that.
struct Shelf {
    registry: Registry,
    proxy: Proxy,
    puller: Puller,
}

impl Shelf {
    fn new() -> Option<Self> {
        let registry = Registry::plain()?;
        Some(Self {
            proxy: Proxy::before(registry.address),
            registry,
            puller: Puller::new(),
        })
    }

    fn push(&self, layout: &Files, tag: &str) -> String {
        let repository = Repository::new(self.registry.address, NAME);
        repository.push(layout, tag);
        repository.at(self.proxy.address(), tag)
    }

    fn push_file(&self, file: &[u8], tag: &str) -> String {
        self.push(&TestArtifact::of(file).layout(), tag)
    }

    /// Segments that the registry was asked for since it was last looked.
    fn asked(&self, artifact: &TestArtifact) -> usize {
        let seen = self.proxy.seen();
        let is_segment = |path: &str| {
            let segments = artifact.segments();
            segments.iter().any(|(digest, _)| path.ends_with(digest))
        };
        let gets = seen.iter().filter(|seen| seen.method == "GET");
        gets.filter(|seen| is_segment(&seen.path)).count()
    }
}

/// How many segments came from where: the earlier image, the cache, the registry.
fn sources(summary: &Value) -> [u64; 3] {
    ["like", "cache", "registry"].map(|key| summary[key]["segments"].as_u64().unwrap())
}

#[test]
fn what_is_to_come_is_known_beforehand_without_what_is_at_hand() {
    let Some(shelf) = Shelf::new() else {
        return;
    };
    let stored = |file: &[u8]| -> u64 {
        let artifact = TestArtifact::of(file);
        artifact.segments().iter().map(|(_, bytes)| bytes).sum()
    };
    let (first, second) = (bytes("ab", 0), bytes("abcd", 0));
    for (file, tag, expected) in [
        (&first, "1", stored(&first)),
        (&second, "2", stored(&second) - stored(&first)),
    ] {
        let reference = shelf.push_file(file, tag);
        let puller = &shelf.puller;
        let mut pull = puller.command(&["pull", &reference, "--progress=json"]);
        pull.arg("--cache-dir").arg(puller.cache());
        puller.press.add_directories(&mut pull);
        let ended = puller.press.run(&mut pull);
        ended.succeeded();
        let lines = ended.stderr.lines();
        let events = lines.map(|line| serde_json::from_str(line).unwrap());
        let begin = |event: &Value| event["event"] == "begin" && event["task"] == "download";
        let begun: Vec<Value> = events.filter(begin).collect();
        assert_eq!(begun.len(), 1, "{begun:?}");
        assert_eq!(begun[0]["total"], expected, "{tag}");
    }
}

#[test]
fn the_file_comes_with_its_holes_and_the_second_time_out_of_the_cache() {
    let Some(shelf) = Shelf::new() else {
        return;
    };
    let file = bytes("abzzhcttz", 5_000);
    let artifact = TestArtifact::of(&file);
    let reference = shelf.push(&artifact.layout(), "1");
    let ended = shelf
        .puller
        .press
        .run(&mut shelf.puller.pull(&reference, &[]));
    let told = ended.succeeded();
    assert!(told.contains(&sha256(&file)), "{told}");
    let output = fs::metadata(shelf.puller.press.output()).unwrap();
    // Two and a half segments of it are zeros.
    assert!(output.blocks() * 512 <= (file.len() - 3 * SEGMENT) as u64);
    assert!(shelf.puller.take_output(&ended) == file);
    // One of two that are the same is asked for.
    assert_eq!(shelf.asked(&artifact), 6);
    let summary = shelf.puller.pulls(&reference, &[], &file);
    assert_eq!(sources(&summary), [0, 7, 0]);
    assert_eq!(summary["zero_bytes"], 3 * SEGMENT);
    assert_eq!(summary["downloaded_bytes"], 0);
    assert_eq!(shelf.asked(&artifact), 0);
    // A damaged blob is not taken for what it is called.
    let (digest, size) = artifact.segments()[1].clone();
    let cached = shelf
        .puller
        .cache()
        .join("blobs")
        .join(digest.replace(':', "/"));
    let mut wrong = fs::read(&cached).unwrap();
    wrong[30_000] ^= 1;
    fs::write(&cached, wrong).unwrap();
    let summary = shelf.puller.pulls(&reference, &[], &file);
    assert_eq!(sources(&summary), [0, 6, 1]);
    assert_eq!(summary["downloaded_bytes"], size);
    // Without a cache nothing is kept, and all comes.
    shelf.puller.forget();
    let summary = shelf
        .puller
        .pulls(&reference, &["--no-cache", "--jobs=1"], &file);
    assert_eq!(sources(&summary), [0, 1, 6]);
    assert!(!shelf.puller.cache().exists());
}

#[test]
fn of_an_update_only_what_differs_is_fetched_wherever_the_rest_was() {
    let Some(shelf) = Shelf::new() else {
        return;
    };
    let (old, new) = (bytes("abzcdefghit", 9_000), bytes("aXzcdgfgYitz", 9_000));
    let artifact = TestArtifact::of(&new);
    let reference = shelf.push(&artifact.layout(), "2");
    let earlier = shelf.puller.earlier(&old);
    let like = format!("--like={}", earlier.display());
    let summary = shelf.puller.pulls(&reference, &[&like], &new);
    // X, Y and the end, which is no whole segment of the old file; the g that moved is there.
    assert_eq!(sources(&summary), [8, 0, 3]);
    assert_eq!(shelf.asked(&artifact), 3);
    let segments = artifact.segments();
    let differing: u64 = [1, 7, 10].iter().map(|index| segments[*index].1).sum();
    assert_eq!(summary["downloaded_bytes"], differing);
    assert_eq!(fs::read(&earlier).unwrap(), old);
    // What is replaced may be the earlier one.
    fs::write(shelf.puller.press.output(), &old).unwrap();
    let like = format!("--like={}", shelf.puller.press.output().display());
    shelf.puller.forget();
    let summary = shelf.puller.pulls(&reference, &[&like, "--jobs=5"], &new);
    assert_eq!(sources(&summary), [8, 0, 3]);
    // The same again asks for nothing.
    fs::write(shelf.puller.press.output(), &new).unwrap();
    shelf.puller.forget();
    shelf.proxy.seen();
    let summary = shelf.puller.pulls(&reference, &[&like], &new);
    assert_eq!(sources(&summary), [11, 0, 0]);
    assert_eq!(shelf.asked(&artifact), 0);
}

#[test]
fn whatever_the_earlier_image_is_the_file_is_right() {
    let Some(shelf) = Shelf::new() else {
        return;
    };
    let new = bytes("abzcdeft", 100);
    let reference = shelf.push_file(&new, "2");
    let mut damaged = new.clone();
    damaged[SEGMENT + 7] ^= 1;
    let ten = bytes("0123456789", 0);
    for (earlier, same) in [
        (&b""[..], 0),
        (b"x", 0),
        (&new[..SEGMENT - 1], 0),
        (&new[..5 * SEGMENT + 1], 4),
        (&ten, 0),
        (&damaged, 7),
        (&[0; 9 * SEGMENT], 0),
        (&[&new[..], &ten].concat(), 8),
    ] {
        shelf.puller.forget();
        let like = format!("--like={}", shelf.puller.earlier(earlier).display());
        let summary = shelf.puller.pulls(&reference, &[&like], &new);
        assert_eq!(sources(&summary), [same, 0, 8 - same]);
    }
    let like = |path: &str| format!("--like={path}");
    let puller = &shelf.puller;
    puller.does_not_pull(&reference, &[&like("/absent.img")], 3, &["/absent.img"]);
    let directory = puller.press.root().display().to_string();
    puller.does_not_pull(&reference, &[&like(&directory)], 5, &[&directory, "--like"]);
    puller.does_not_pull(
        &reference,
        &[&like("/dev/null")],
        5,
        &["/dev/null", "--like"],
    );
    let fifo = puller.press.input("fifo");
    super::support::oracles::succeed("mkfifo", [&fifo]);
    let fifo = fifo.display().to_string();
    puller.does_not_pull(&reference, &[&like(&fifo)], 5, &[&fifo]);
    // What stands beside the output must not take its place.
    let earlier = puller.earlier(&new).display().to_string();
    let manifest = format!("--manifest={earlier}");
    puller.does_not_pull(&reference, &[&like(&earlier), &manifest], 5, &["--like"]);
    assert!(fs::read(&earlier).unwrap() == new);
}

#[test]
fn what_stands_beside_the_output_is_named_with_it_and_nothing_is_replaced_that_must_stay() {
    let Some(shelf) = Shelf::new() else {
        return;
    };
    let file = bytes("ab", 0);
    let artifact = TestArtifact::of(&file);
    let reference = shelf.push(&artifact.layout(), "v7");
    let press = &shelf.puller.press;
    let out = press.root().join("out");
    let pull = |name: &str, options: &[&str]| {
        let mut command = shelf.puller.command(&["pull", &reference, "--no-cache"]);
        command.arg("-o").arg(out.join(name)).args(options);
        press.run(&mut command)
    };
    let manifest = format!("--manifest={}", out.join("{tag}.json").display());
    pull("web-{tag}.img", &["--sha256", &manifest, "--sync"]).succeeded();
    assert_eq!(
        press.left(),
        ["out/v7.json", "out/web-v7.img", "out/web-v7.img.sha256"]
    );
    assert!(fs::read(out.join("web-v7.img")).unwrap() == file);
    let line = fs::read_to_string(out.join("web-v7.img.sha256")).unwrap();
    assert_eq!(line, format!("{}  web-v7.img\n", sha256(&file)));
    let config: Value = serde_json::from_slice(&fs::read(out.join("v7.json")).unwrap()).unwrap();
    assert_eq!(config["output"]["size_bytes"], file.len());
    for name in ["web-v7.img", "web-{tag}.img"] {
        shelf.proxy.seen();
        pull(name, &["--no-clobber"]).failed(5, &["web-v7.img", "--no-clobber"]);
        assert_eq!(
            shelf.proxy.gets("/blobs/sha256:"),
            usize::from(name.contains('{'))
        );
    }
    pull(
        "web-v7.img",
        &[&format!("--manifest={}", out.join("web-v7.img").display())],
    )
    .failed(5, &["one for two"]);
    pull("{arch}.img", &[]).failed(5, &["{arch}", "architecture"]);
    let mut stream = shelf.puller.command(&["pull", &reference, "-o", "-"]);
    press.run(&mut stream).failed(2, &["standard output"]);
    pull("none/such.img", &[]).failed(3, &["none"]);
}

#[test]
fn every_kind_of_registry_gives_it() {
    let (Some(tokens), Some(authority), Some(plain)) =
        (TokenServer::start(), Authority::new(), Registry::plain())
    else {
        return;
    };
    let file = bytes("abc", 17);
    let layout = TestArtifact::of(&file).layout();
    Repository::new(plain.address, NAME).push(&layout, "1");
    let creds = format!("--creds={USER}:{PASSWORD}");
    let trusted = format!("--ca-cert={}", authority.certificate().display());
    for (access, tls, options) in [
        (Access::Password, None, &[&creds[..]][..]),
        (Access::Token(&tokens), None, &[&creds]),
        (Access::Everybody, Some(&authority), &[&trusted]),
        (Access::Password, Some(&authority), &[&creds, &trusted]),
    ] {
        let setup = Setup {
            access,
            tls,
            storage: Some(plain.storage()),
            ..Setup::default()
        };
        let Some(registry) = Registry::start(setup) else {
            return;
        };
        let puller = Puller::new();
        let reference = Repository::new(registry.address, NAME).reference("1");
        puller.pulls(&reference, options, &file);
        if tls.is_none() {
            puller.does_not_pull(&reference, &["--no-cache"], 3, &[NAME]);
        }
    }
}

#[test]
fn of_an_index_the_filesystem_for_the_platform_is_taken_and_no_image() {
    let Some(shelf) = Shelf::new() else {
        return;
    };
    let (amd64, arm64) = (bytes("ab", 0), bytes("cd", 0));
    let of = |file: &[u8], platform: &str| TestArtifact::of(file).platform(platform);
    let image = TestImage::new(layers(61, 1));
    for how in ["typed", "with platforms", "bare"] {
        let mut files = Files::default();
        let mut listed = vec![image.put_with_platform(&mut files)];
        for (artifact, architecture) in [
            (of(&amd64, "linux/amd64"), "amd64"),
            (of(&arm64, "linux/arm64"), "arm64"),
        ] {
            let mut descriptor = artifact.put(&mut files);
            if how == "typed" {
                descriptor["artifactType"] = ARTIFACT_TYPE.into();
            }
            if how == "with platforms" {
                descriptor["artifactType"] = ARTIFACT_TYPE.into();
                descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
            }
            listed.push(descriptor);
        }
        let reference = shelf.push(&layout_of_index(files, &listed), &how.replace(' ', "-"));
        for (platform, file) in [("linux/amd64", &amd64), ("linux/arm64", &arm64)] {
            let option = format!("--platform={platform}");
            let summary = shelf.puller.pulls(&reference, &[&option], file);
            assert_eq!(summary["platform"], platform, "{how}");
        }
        let words = ["linux/s390x", "linux/amd64", "linux/arm64"];
        let option = ["--platform=linux/s390x"];
        shelf.puller.does_not_pull(&reference, &option, 5, &words);
        // The image beside them is what build takes.
        shelf.puller.pulled(&reference, &["--platform=linux/amd64"]);
    }
    let alone = shelf.push(&of(&arm64, "linux/arm64").layout(), "alone");
    shelf.puller.pulls(&alone, &[], &arm64);
    let option = ["--platform=linux/amd64"];
    let words = ["linux/amd64", "--platform linux/arm64"];
    shelf.puller.does_not_pull(&alone, &option, 5, &words);
}

#[test]
fn two_at_once_share_what_comes() {
    let Some(shelf) = Shelf::new() else {
        return;
    };
    let file = bytes("abcdefghijklmnop", 9);
    let artifact = TestArtifact::of(&file);
    let reference = shelf.push(&artifact.layout(), "1");
    let other = Puller::new();
    let cache = format!("--cache-dir={}", shelf.puller.cache().display());
    let mut second = other.command(&["pull", &reference, &cache]);
    second.arg("-o").arg(other.press.output());
    let running = other.press.start(&mut second);
    shelf.puller.pulls(&reference, &[], &file);
    let ended = running.end_within(std::time::Duration::from_secs(90));
    assert!(other.take_output(&ended) == file);
    assert_eq!(shelf.asked(&artifact), 17);
}

#[test]
fn build_and_pull_name_each_other() {
    let (Some(shelf), Some(stand)) = (Shelf::new(), Stand::of(TestImage::new(layers(71, 1))))
    else {
        return;
    };
    let reference = shelf.push_file(&bytes("ab", 0), "1");
    let puller = &shelf.puller;
    puller.fails(&reference, &[], 5, &["layerpress pull"]);
    puller.does_not_pull(
        &stand.reference,
        &[],
        5,
        &["a container image", "layerpress build"],
    );
    let inspect = puller
        .press
        .run(&mut puller.command(&["inspect", &reference]));
    let told = inspect.succeeded();
    assert!(told.contains("layerpress pull"), "{told}");
    puller.does_not_pull("oci:/somewhere", &[], 5, &["docker://"]);
}
