//! What is in the registry after a push, and what it took.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::artifact_stand::{ArtifactStand, NAME, assembled, get, read, sent};
use super::proxy::Fault;
use super::push::{Repository, has_skopeo, skopeo};
use super::registry_server::{Access, PASSWORD, Setup, USER};
use super::support::archive::{TestImage, digest};
use super::tls::Authority;
use super::token_server::TokenServer;

#[test]
fn a_push_is_what_was_read_and_a_second_one_sends_nothing() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let first = stand.pushes("1", &[]);
    assert!(stand.assembled("1") == read(&stand.image));
    let manifest = stand.manifest("1");
    assert_eq!(
        manifest["artifactType"],
        "application/vnd.filesystem-image.v1"
    );
    let bytes = stand.get("manifests/1").unwrap();
    assert_eq!(first["manifest_digest"], digest(&bytes));
    assert_eq!(first["is_new"], true);
    let seen = stand.proxy.seen();
    // Each blob is asked for once, begun once and sent once; the manifest is sent besides.
    let blobs = first["pushed"]["blobs"].as_u64().unwrap();
    let blob_bytes = first["pushed"]["blob_bytes"].as_u64().unwrap();
    let count = usize::try_from(blobs).unwrap();
    assert!(count > 8, "{first}");
    assert_eq!(sent(&seen, "HEAD").0, count);
    assert_eq!(sent(&seen, "POST"), (count, 0));
    assert_eq!(
        sent(&seen, "PUT"),
        (count + 1, blob_bytes + bytes.len() as u64)
    );
    assert_eq!(first["already_there"]["blobs"], 0);

    let second = stand.pushes("1", &[]);
    assert_eq!(second["manifest_digest"], first["manifest_digest"]);
    assert_eq!(second["is_new"], false);
    assert_eq!(second["pushed"]["blobs"], 0);
    assert_eq!(second["already_there"], first["pushed"]);
    let seen = stand.proxy.seen();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(sent(&seen, method), (0, 0));
    }
    assert_eq!(sent(&seen, "HEAD").0, count);
    // Another name for the same is the manifest alone.
    let other = stand.pushes("2", &["--jobs=1"]);
    assert_eq!(other["manifest_digest"], first["manifest_digest"]);
    assert_eq!(sent(&stand.proxy.seen(), "PUT"), (1, bytes.len() as u64));
}

/// The same filesystem is the same artifact from any host, in any file, on any number of threads.
#[test]
fn nothing_of_the_host_is_in_what_is_pushed() {
    let Some(stand) = ArtifactStand::with(Setup::default(), &["--verity"]) else {
        return;
    };
    let first = stand.pushes("1", &["--jobs=1"]);
    let config = first["config_digest"].as_str().unwrap();
    let config = stand.get(&format!("blobs/{config}")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["schema"], "layerpress.manifest.v1");
    assert_eq!(config["output"]["sha256"], first["sha256"]);
    assert_eq!(config["output"]["name"], "filesystem.img");
    assert_eq!(config["verity"]["file"], "filesystem.img");
    let own: Value = serde_json::from_slice(&read(&stand.manifest_file())).unwrap();
    for key in [
        "image",
        "request",
        "filesystem",
        "counts",
        "start",
        "versions",
    ] {
        assert_eq!(config[key], own[key], "{key}");
    }
    assert_eq!(config["verity"]["root_hash"], own["verity"]["root_hash"]);
    let text = format!("{config}{}", stand.manifest("1"));
    let host = stand.puller.press.root().display().to_string();
    for word in [&host, "fs.img", "layout"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    // The tree behind the filesystem is a part of the file.
    assert_eq!(
        first["size_bytes"],
        fs::metadata(&stand.image).unwrap().len()
    );
    assert!(own["filesystem"]["size_bytes"].as_u64() < first["size_bytes"].as_u64());
    assert!(stand.assembled("1") == read(&stand.image));

    let moved = stand.image.with_file_name("another.img");
    fs::copy(&stand.image, &moved).unwrap();
    let mut again = stand.puller.command(&["push"]);
    again
        .arg(&moved)
        .arg(format!("docker://{}/{NAME}:2", stand.proxy.address()));
    again.arg("--manifest").arg(stand.manifest_file());
    again.args([
        "--segment-size=262144",
        "--json",
        "--jobs=7",
        "--progress=none",
    ]);
    let again = stand.done(&stand.puller.press.run(&mut again));
    assert_eq!(again["manifest_digest"], first["manifest_digest"]);
}

#[test]
fn only_segments_that_differ_are_sent_and_a_manifest_of_another_file_is_left_out() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let first = stand.pushes("1", &[]);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&stand.image)
        .unwrap();
    // In the middle of a file's noise.
    let at = fs::metadata(&stand.image).unwrap().len() / 2;
    file.write_all_at(b"changed", at).unwrap();
    drop(file);
    let second = stand.pushes("2", &[]);
    // The segment and the configuration.
    assert_eq!(second["pushed"]["blobs"], 2, "{second}");
    assert_ne!(second["manifest_digest"], first["manifest_digest"]);
    let warnings = second["warnings"].to_string();
    assert!(
        warnings.contains("fs.img.manifest.json: expected the manifest of a file"),
        "{warnings}"
    );
    assert!(stand.assembled("2") == read(&stand.image));
    let config = stand.get(&format!(
        "blobs/{}",
        second["config_digest"].as_str().unwrap()
    ));
    let config: Value = serde_json::from_slice(&config.unwrap()).unwrap();
    assert_eq!(config["schema"], "layerpress.artifact-config.v1");
    assert_eq!(config["filesystem"]["type"], "ext3");
    // The chain ID that stands in it is not taken for one.
    assert_eq!(config["recipe_digest"], Value::Null);
    assert_eq!(config["output"]["sha256"], second["sha256"]);
    // One that was named must be its own.
    let named = stand.manifest_file().display().to_string();
    stand
        .puller
        .press
        .run(&mut stand.push("3", &["--manifest", &named]))
        .failed(
            4,
            &["fs.img.manifest.json: expected the manifest of a file"],
        );
    assert_eq!(stand.get("manifests/3"), None);
}

#[test]
fn segments_of_zeros_are_left_out_and_one_that_comes_twice_is_sent_once() {
    let Some(stand) = ArtifactStand::with(Setup::default(), &["--size=64M"]) else {
        return;
    };
    // Two stretches of free blocks that are the same, and one that was written with zeros.
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&stand.image)
        .unwrap();
    for at in [50 << 20, 56 << 20] {
        file.write_all_at(&[7; 256 << 10], at).unwrap();
    }
    file.write_all_at(&[0; 256 << 10], 60 << 20).unwrap();
    let pushed = stand.pushes("1", &[]);
    let segments = pushed["segments"].as_u64().unwrap();
    assert!(segments < 30, "{segments} of 256 for 3 MB of content");
    assert_eq!(
        pushed["zero_bytes"].as_u64().unwrap(),
        (64 << 20) - segments * (256 << 10)
    );
    // The configuration is sent besides.
    assert_eq!(pushed["pushed"]["blobs"].as_u64().unwrap(), segments);
    assert_eq!(
        stand.manifest("1")["layers"].as_array().unwrap().len() as u64,
        segments
    );
    assert!(stand.assembled("1") == read(&stand.image));
}

#[test]
fn pushes_go_by_password_token_and_tls_and_ask_for_no_more_than_they_need() {
    let (Some(tokens), Some(authority)) = (TokenServer::start(), Authority::new()) else {
        return;
    };
    let creds = format!("--creds={USER}:{PASSWORD}");
    let ca = format!("--ca-cert={}", authority.certificate().display());
    for (access, tls) in [
        (Access::Password, None),
        (Access::Token(&tokens), None),
        (Access::Everybody, Some(&authority)),
        (Access::Token(&tokens), Some(&authority)),
    ] {
        let setup = Setup {
            access,
            tls,
            relative_urls: tls.is_some(),
            ..Setup::default()
        };
        let Some(stand) = ArtifactStand::with(setup, &[]) else {
            return;
        };
        let at = |name: &str| format!("docker://{}/{name}:1", stand.registry.address);
        let mut options = vec![creds.as_str()];
        options.extend(tls.map(|_| ca.as_str()));
        tokens.asked();
        let run = |name: &str, more: &[&str]| {
            let options = [&options[..], more].concat();
            let ended = stand
                .puller
                .press
                .run(&mut stand.push_at(&at(name), &options));
            stand.done(&ended)
        };
        let pushed = run(NAME, &[]);
        assert!(pushed["pushed"]["blobs"].as_u64().unwrap() > 8);
        if matches!(access, Access::Token(_)) {
            let asked = tokens.asked();
            assert!(!asked.is_empty());
            for asked in asked {
                assert_eq!(asked.scopes, [format!("repository:{NAME}:pull,push")]);
            }
        }
        let mounted = run("private/other", &["--mount-from", NAME]);
        assert_eq!(mounted["mounted"], pushed["pushed"]);
        assert_eq!(mounted["pushed"]["blobs"], 0);
        if matches!(access, Access::Token(_)) {
            for asked in tokens.asked() {
                let own = "repository:private/other:pull,push".to_owned();
                assert_eq!(asked.scopes, [own, format!("repository:{NAME}:pull")]);
            }
        }
    }
}

#[test]
fn an_image_that_is_changed_meanwhile_gets_no_name() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    stand.proxy.always("PUT /v2/", Fault::SlowUpload(2 << 20));
    let running = stand
        .puller
        .press
        .start(&mut stand.push("1", &["--jobs=1"]));
    let deadline = Instant::now() + Duration::from_secs(60);
    while stand.proxy.count("PUT", "/blobs/uploads/") < 2 {
        assert!(Instant::now() < deadline, "never sent");
        std::thread::sleep(Duration::from_millis(5));
    }
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&stand.image)
        .unwrap();
    file.write_all_at(b"x", 2000).unwrap();
    drop(file);
    let ended = running.end_within(Duration::from_secs(90));
    ended.failed(3, &["fs.img: it was changed while it was read"]);
    assert_eq!(stand.get("manifests/1"), None);
    stand.proxy.mend();
    let pushed = stand.pushes("1", &[]);
    assert!(pushed["already_there"]["blobs"].as_u64().unwrap() > 1);
    assert!(stand.assembled("1") == read(&stand.image));
}

#[test]
fn what_is_no_filesystem_or_no_place_is_refused_before_anything_is_sent() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let at = format!("docker://{}/{NAME}:1", stand.proxy.address());
    let tar = stand.puller.press.input("x.tar");
    fs::write(&tar, super::support::archive::layer_tar(&[("a", b"a")])).unwrap();
    let cut = stand.puller.press.input("cut.img");
    let bytes = read(&stand.image);
    fs::write(&cut, &bytes[..bytes.len() - 4096]).unwrap();
    let missing = stand.puller.press.input("missing.img");
    let push = |image: &Path, reference: &str, options: &[&str]| {
        let mut command = stand.puller.command(&["push"]);
        command.arg(image).arg(reference).args(options);
        stand.puller.press.run(&mut command)
    };
    push(&tar, &at, &[]).failed(4, &["x.tar", "found a tar"]);
    push(&cut, &at, &[]).failed(4, &["cut.img", "expected a whole filesystem"]);
    push(&missing, &at, &[]).failed(3, &["missing.img"]);
    push(&stand.image, "oci:somewhere", &[]).failed(5, &["expected a repository of a registry"]);
    for size in ["1000", "65M", "0", "3K", "129KiB"] {
        let size = format!("--segment-size={size}");
        let ended = push(&stand.image, &at, &[&size]);
        assert_eq!(ended.code(), 2, "{}", ended.stderr);
        // In the words that were typed.
        let typed = size.split_once('=').unwrap().1;
        let words = format!("expected a multiple of 4K from 4K to 64M, found {typed}\n");
        assert!(ended.stderr.contains(&words), "{}", ended.stderr);
    }
    push(&stand.image, &at, &["--compress=gzip"]).failed(2, &["--compress: expected zstd"]);
    let from = ["--mount-from=a:tag", "--mount-from=A"];
    for from in from {
        assert_eq!(push(&stand.image, &at, &[from]).code(), 5);
    }
    let manifest = stand.puller.press.input("x.json");
    fs::write(&manifest, "{}").unwrap();
    let manifest = manifest.display().to_string();
    push(&stand.image, &at, &["--manifest", &manifest])
        .failed(4, &["expected the manifest of a build"]);
    assert!(stand.proxy.seen().iter().all(|seen| seen.path == "/v2/"));
}

/// A copy of a copy by a program that knows nothing of the form.
#[test]
fn skopeo_copies_an_artifact_into_a_layout_and_back() {
    let Some(stand) = ArtifactStand::new().filter(|_| has_skopeo()) else {
        return;
    };
    stand.pushes("1", &[]);
    let from = format!("docker://{}/{NAME}:1", stand.registry.address);
    let layout = format!("oci:{}:1", stand.puller.press.input("copied").display());
    skopeo(&from, &layout, &["--src-tls-verify=false"]);
    let blob = |digest: &str| {
        let path = format!("copied/blobs/{}", digest.replace(':', "/"));
        fs::read(stand.puller.press.input(&path)).ok()
    };
    let digest = digest(&stand.get("manifests/1").unwrap());
    let manifest = serde_json::from_slice(&blob(&digest).unwrap()).unwrap();
    assert!(assembled(&manifest, blob) == read(&stand.image));
    let to = format!("docker://{}/copied/again:1", stand.registry.address);
    skopeo(&layout, &to, &["--dest-tls-verify=false"]);
    let copied = get(stand.registry.address, "copied/again", "manifests/1");
    assert_eq!(copied, stand.get("manifests/1"));
}

/// The image that it was built of tells of it, where both are in one repository.
#[test]
fn an_image_in_the_same_repository_is_the_subject_and_its_referrers_tag_lists_the_artifact() {
    let Some(stand) = ArtifactStand::new() else {
        return;
    };
    let image = TestImage::new(super::pull::layers(71, 1)).layout("1");
    let source = Repository::new(stand.registry.address, NAME).push(&image, "image");
    let tag = source.replace(':', "-");
    // Somebody else's referrer stays.
    let theirs = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{ "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": source, "size": 1, "annotations": { "whose": "theirs" } }],
    });
    Repository::new(stand.registry.address, NAME).put_manifest(
        &tag,
        "application/vnd.oci.image.index.v1+json",
        theirs.to_string().as_bytes(),
    );
    let pushed = stand.pushes("1", &[]);
    assert_eq!(pushed["subject_digest"], source);
    assert_eq!(pushed["has_referrers_tag"], true);
    let manifest = stand.manifest("1");
    assert_eq!(manifest["subject"]["digest"], source);
    let bytes = stand.get(&format!("manifests/{source}")).unwrap();
    assert_eq!(manifest["subject"]["size"], bytes.len());
    let listed = stand.manifest(&tag);
    assert_eq!(listed["manifests"][0], theirs["manifests"][0]);
    assert_eq!(listed["manifests"][1]["digest"], pushed["manifest_digest"]);
    assert_eq!(
        listed["manifests"][1]["artifactType"],
        manifest["artifactType"]
    );
    // Once.
    stand.proxy.seen();
    stand.pushes("1", &[]);
    assert_eq!(sent(&stand.proxy.seen(), "PUT"), (0, 0));
    assert_eq!(stand.manifest(&tag), listed);
    // Should it be lost, the next push puts it there again.
    Repository::new(stand.registry.address, NAME).put_manifest(
        &tag,
        "application/vnd.oci.image.index.v1+json",
        theirs.to_string().as_bytes(),
    );
    stand.pushes("1", &[]);
    assert_eq!(stand.manifest(&tag), listed);
    // Elsewhere there is no such image.
    let elsewhere = format!("docker://{}/private/elsewhere:1", stand.proxy.address());
    let elsewhere = stand.done(&stand.puller.press.run(&mut stand.push_at(&elsewhere, &[])));
    assert_eq!(elsewhere["subject_digest"], Value::Null);
}
