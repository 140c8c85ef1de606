//! What is pressed out of a registry is, byte for byte, what is pressed out of the same image's
//! archive or layout.

use std::path::Path;
use std::process::Command;

use super::pull::{Puller, layers, sample};
use super::push::{Repository, busybox, has_skopeo, skopeo_plain};
use super::registry_server::{Access, PASSWORD, Registry, Setup, USER};
use super::stand::Stand;
use super::support::archive::{Compression, Files, TestImage, layer_tar};
use super::support::oracles::{is_root, program, skip};
use super::tls::Authority;
use super::token_server::TokenServer;

#[track_caller]
fn same(found: &[u8], expected: &[u8], what: &str) {
    assert!(found == expected, "{what}: another output");
}

#[test]
fn what_skopeo_pushed_in_every_form_is_the_archive_by_tag_and_by_digest() {
    let Some(registry) = Registry::plain().filter(|_| has_skopeo()) else {
        return;
    };
    let puller = Puller::new();
    let expected = puller.pulled(&busybox(), &[]);
    for (tag, options) in [
        ("docker", &["--format", "v2s2"][..]),
        ("gzip", &["--format", "oci"]),
        (
            "zstd",
            &["--format", "oci", "--dest-compress-format", "zstd"],
        ),
    ] {
        let repository = Repository::new(registry.address, "some/where/busybox");
        let by_tag = repository.reference(tag);
        let digest_file = puller.press.input("digest");
        let digest_option = digest_file.to_str().unwrap();
        let options = [options, &["--digestfile", digest_option]].concat();
        skopeo_plain(&busybox(), &by_tag, &options);
        let digest = std::fs::read_to_string(&digest_file).unwrap();
        let by_digest = repository.reference(&format!("@{digest}"));
        let by_both = format!("{by_tag}@{digest}");
        for reference in [&by_tag, &by_digest, &by_both] {
            puller.forget();
            same(&puller.pulled(reference, &[]), &expected, reference);
            // And once more, all of it in the cache.
            same(&puller.pulled(reference, &[]), &expected, reference);
        }
        let no_cache = puller.pulled(&by_tag, &["--no-cache"]);
        same(&no_cache, &expected, "without a cache");
    }
}

#[test]
fn every_compression_is_the_layout_it_was_pushed_from() {
    let Some(registry) = Registry::plain() else {
        return;
    };
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let image = TestImage {
            compression,
            ..sample()
        };
        let layout = image.layout("v1");
        let repository = Repository::new(registry.address, "app");
        let digest = repository.push(&layout, "v1");
        let puller = Puller::new();
        let expected = puller.pulled(&puller.layout("layout", &layout), &[]);
        for tag in ["v1", &format!("@{digest}")] {
            for options in [&[][..], &["--no-cache"], &["--jobs=1"]] {
                puller.forget();
                let found = puller.pulled(&repository.reference(tag), options);
                same(&found, &expected, &format!("{compression:?} {options:?}"));
            }
        }
    }
}

#[test]
fn the_bare_form_is_a_registrys_unless_there_is_such_a_file() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let bare = stand.reference.strip_prefix("docker://").unwrap();
    let found = stand.puller.pulled(bare, &[]);
    same(&found, &stand.expected, bare);
    // A file of that name is never passed by.
    let mut command = stand.puller.build(bare, &[]);
    let directory = stand.puller.press.root().join("in");
    let file = directory.join(bare);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "no image").unwrap();
    stand.proxy.seen();
    let ended = stand.puller.press.run(command.current_dir(&directory));
    assert_eq!(ended.code(), 4, "{}", ended.stderr);
    assert!(stand.proxy.seen().is_empty());
}

/// As with docker: a pin goes on to mean what it meant when the tag has moved on.
#[test]
fn a_digest_decides_whatever_the_tag_beside_it_means_today() {
    let Some(stand) = Stand::new() else {
        return;
    };
    let pinned = format!("{}@{}", stand.reference, stand.digest);
    let newer = TestImage::new([layer_tar(&[("newer", b"x")])]);
    let repository = Repository::new(stand.plain().address, super::stand::NAME);
    let newer = repository.push(&newer.layout("1"), "1");
    assert_ne!(newer, stand.digest);
    let alone = Repository::new(stand.proxy.address(), super::stand::NAME)
        .reference(&format!("@{}", stand.digest));
    stand.proxy.seen();
    for reference in [&pinned, &alone] {
        for options in [&[][..], &["--no-cache"]] {
            same(
                &stand.puller.pulled(reference, options),
                &stand.expected,
                reference,
            );
        }
    }
    let asks_for_tag = |seen: &super::proxy::Seen| seen.path.ends_with("/manifests/1");
    assert!(!stand.proxy.seen().iter().any(asks_for_tag));
    let nobodys = format!("{}@sha256:{}", stand.reference, "0".repeat(64));
    stand.puller.fails(&nobodys, &[], 3, &["no manifest"]);
}

/// Two platforms, and an attestation as buildx adds it.
fn two_platforms() -> (Files, [TestImage; 2]) {
    let images = [("linux/amd64", 100), ("linux/arm64/v8", 200)].map(|(platform, seed)| {
        let platform_file = layer_tar(&[("platform", platform.as_bytes())]);
        TestImage {
            platform,
            compression: Compression::Gzip,
            ..TestImage::new([layers(seed, 1), vec![platform_file]].concat())
        }
    });
    let mut files = Files::default();
    let mut manifests: Vec<_> = images
        .iter()
        .map(|image| image.put_with_platform(&mut files))
        .collect();
    let attestation = TestImage {
        platform: "unknown/unknown",
        ..TestImage::new([layer_tar(&[("attestation", b"{}")])])
    };
    manifests.push(attestation.put_with_platform(&mut files));
    let mut index = files.inner_index(&manifests);
    index["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "both" });
    files.index(&[index]);
    (files, images)
}

#[test]
fn of_several_platforms_the_one_asked_for_is_pulled_and_nothing_of_the_others() {
    let Some(registry) = Registry::plain().filter(|_| has_skopeo()) else {
        return;
    };
    let (files, images) = two_platforms();
    let puller = Puller::new();
    let layout = puller.layout("layout", &files);
    let own = Repository::new(registry.address, "own");
    own.push(&files, "both");
    let copied = Repository::new(registry.address, "copied");
    skopeo_plain(
        &format!("{layout}:both"),
        &copied.reference("both"),
        &["--all"],
    );
    for (image, platform) in images.iter().zip(["linux/amd64", "linux/arm64"]) {
        let option = format!("--platform={platform}");
        let expected = puller.pulled(&layout, &[&option]);
        let alone = puller.layout(&platform.replace('/', "-"), &image.layout("1"));
        same(&puller.pulled(&alone, &[]), &expected, &alone);
        for reference in [own.reference("both"), copied.reference("both")] {
            puller.forget();
            same(
                &puller.pulled(&reference, &[&option]),
                &expected,
                &reference,
            );
            // The index, the manifest, the config and the layers of one platform.
            let blobs = super::cache_check::blob_count(&puller.cache());
            assert!(blobs <= 3 + image.layers.len(), "{blobs} blobs");
        }
    }
    let other = ["--platform=linux/riscv64"];
    let words = ["linux/amd64", "linux/arm64", "riscv64"];
    puller.fails(&own.reference("both"), &other, 5, &words);
}

#[test]
fn what_docker_pushed_is_the_archive_it_loaded() {
    let Some(registry) = Registry::plain() else {
        return;
    };
    if !is_root() {
        skip("not root: a docker daemon needs it");
        return;
    }
    for name in ["dockerd", "docker", "containerd"] {
        if program(name).is_none() {
            return;
        }
    }
    let puller = Puller::new();
    let archive = puller.press.input("load.tar");
    let image = sample();
    image.classic_archive(&["app:1"]).write_tar(&archive);
    let to = format!("{}/pushed/app:2", registry.address);
    let words = "docker load -qi $0 && docker tag app:1 $1 && docker push -q $1";
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/with-dockerd");
    let output = Command::new(script)
        .arg(puller.press.root().join("dockerd"))
        .args(["sh", "-c", words])
        .arg(&archive)
        .arg(&to)
        .env("DOCKERD_OPTIONS", "--storage-driver=vfs")
        .env("DOCKER_CONFIG", puller.home())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let expected = puller.pulled(&format!("docker-archive:{}", archive.display()), &[]);
    let found = puller.pulled(&format!("docker://{to}"), &[]);
    same(&found, &expected, "pushed by docker");
}

#[test]
fn basic_authentication_tokens_and_tls_change_nothing_of_the_output() {
    let (Some(tokens), Some(authority)) = (TokenServer::start(), Authority::new()) else {
        return;
    };
    let creds = format!("--creds={USER}:{PASSWORD}");
    for access in [Access::Everybody, Access::Password, Access::Token(&tokens)] {
        for tls in [None, Some(&authority)] {
            let setup = Setup {
                access,
                tls,
                client_certificates: tls.is_some(),
                ..Setup::default()
            };
            let image = TestImage::new(layers(1, 1));
            let Some(stand) = Stand::with(image, setup) else {
                return;
            };
            let address = stand.registry().address;
            let reference = Repository::new(address, super::stand::NAME).reference("1");
            let mut options = Vec::new();
            if !access.is_everybodys() {
                options.push(creds.clone());
            }
            if tls.is_some() {
                let with =
                    |option: &str, path: std::path::PathBuf| format!("{option}={}", path.display());
                options.push(with("--ca-cert", authority.certificate()));
                options.push(with("--client-cert", authority.client_certificate()));
                options.push(with("--client-key", authority.client_key()));
            }
            let options: Vec<_> = options.iter().map(String::as_str).collect();
            let found = stand.puller.pulled(&reference, &options);
            same(&found, &stand.expected, &format!("{access:?} {tls:?}"));
        }
    }
    assert!(
        tokens
            .asked()
            .iter()
            .all(|asked| asked.password == Some(true))
    );
}
