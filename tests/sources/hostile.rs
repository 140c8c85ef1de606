//! Images that lie, lead astray or are not whole.

use std::fs;

use super::support::archive::{
    Files, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, TestImage, digest, layer_tar,
};
use super::{assert_says, at, bad, directory, refused};
use serde_json::{Value, json};

fn image() -> TestImage {
    TestImage::new([layer_tar(&[("a", b"content")])])
}

/// A layout of one image whose manifest was changed.
fn layout_with(change: impl FnOnce(&mut Value)) -> Files {
    let mut files = Files::default();
    let mut manifest = image().manifest(&mut files);
    change(&mut manifest);
    let descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
    files.index(&[descriptor]);
    files
}

fn write(files: &Files) -> (tempfile::TempDir, String) {
    let (guard, path) = directory();
    files.write_directory(&path);
    (guard, path.display().to_string())
}

#[test]
fn a_document_that_is_not_what_its_digest_says_is_refused() {
    for (what, media_type) in [("manifest", OCI_MANIFEST), ("configuration", OCI_CONFIG)] {
        let mut files = Files::default();
        let manifest = image().manifest(&mut files);
        let descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
        files.index(std::slice::from_ref(&descriptor));
        let of = if media_type == OCI_MANIFEST {
            &descriptor
        } else {
            &manifest["config"]
        };
        let bytes = files.of(of);
        // Still JSON, and as long as before.
        let at = bytes.iter().position(|&byte| byte == b'2').unwrap();
        bytes[at] = b'3';
        let (_guard, path) = write(&files);
        assert_says(
            &bad(&path),
            &[what, "expected the digest", of["digest"].as_str().unwrap()],
        );

        files.of(of).push(b' ');
        let (_guard, path) = write(&files);
        assert_says(&bad(&path), &[what, "bytes, found"]);
    }
}

#[test]
fn a_layer_of_another_size_than_the_manifest_says_is_refused_before_it_is_read() {
    let files = layout_with(|manifest| manifest["layers"][0]["size"] = json!(5));
    let (_guard, path) = write(&files);
    assert_says(&bad(&path), &["layer 1 of 1 sha256:", "expected 5 bytes"]);
    let files = layout_with(|manifest| manifest["layers"][0]["size"] = json!(-5));
    let (_guard, path) = write(&files);
    assert_says(&bad(&path), &["manifest sha256:"]);
}

#[test]
fn digests_are_parsed_before_they_become_paths() {
    for wrong in [
        "../../../../etc/passwd",
        "sha256:../../etc/passwd",
        "sha256:12",
        "sha256:",
        "x",
    ] {
        let files = layout_with(|manifest| manifest["layers"][0]["digest"] = json!(wrong));
        let (_guard, path) = write(&files);
        assert_says(&bad(&path), &["manifest sha256:"]);
    }
    let files = layout_with(|manifest| manifest["layers"][0]["digest"] = json!("md5:abc"));
    let (_guard, path) = write(&files);
    assert_says(&refused(&path), &["md5"]);
}

#[test]
fn indexes_inside_indexes_end_somewhere() {
    let mut files = Files::default();
    let mut descriptor = image().put(&mut files);
    for _ in 0..8 {
        descriptor = files.inner_index(&[descriptor]);
    }
    files.index(std::slice::from_ref(&descriptor));
    let (_guard, path) = write(&files);
    assert!(super::open(&path).is_ok());
    let deeper = files.inner_index(&[descriptor]);
    files.index(&[deeper]);
    let (_guard, path) = write(&files);
    assert_says(&bad(&path), &["at most 8 indexes"]);
}

#[test]
fn an_index_that_leads_to_itself_is_found_out() {
    // No index can name its own digest and tell the truth.
    let name = digest(b"loop");
    let descriptor = json!({ "mediaType": OCI_INDEX, "digest": name, "size": 0 });
    let mut index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    let size = index.to_string().len() + 2;
    index["manifests"][0]["size"] = json!(size);
    let mut files = Files::default();
    files.index(&[index["manifests"][0].clone()]);
    files.put(
        &format!("blobs/{}", name.replace(':', "/")),
        index.to_string(),
    );
    let (_guard, path) = write(&files);
    assert_says(&bad(&path), &["index sha256:", "expected the digest"]);
}

#[test]
fn one_index_listed_a_thousand_times_at_every_level_is_walked_once() {
    let mut files = Files::default();
    let mut descriptor = image().put(&mut files);
    for _ in 0..7 {
        descriptor = files.inner_index(&vec![descriptor; 1000]);
    }
    files.index(&[descriptor]);
    let (_guard, path) = write(&files);
    assert!(super::open(&path).is_ok());
}

#[test]
fn documents_of_more_than_four_mebibytes_are_refused_unread() {
    let (_guard, path) = directory();
    let mut files = image().classic_archive(&["a:1"]);
    files
        .0
        .get_mut("manifest.json")
        .unwrap()
        .resize(5 << 20, b' ');
    files.write_tar(&path.join("a.tar"));
    assert_says(
        &bad(&at(&path, "a.tar")),
        &["manifest.json: expected at most 4194304 bytes"],
    );

    let mut files = Files::default();
    let mut manifest = image().manifest(&mut files).to_string().into_bytes();
    manifest.resize(5 << 20, b' ');
    let descriptor = files.blob(OCI_MANIFEST, manifest);
    files.index(&[descriptor]);
    let (_guard, path) = write(&files);
    assert_says(&bad(&path), &["at most 4194304 bytes"]);
}

#[test]
fn names_in_manifest_json_stay_inside_the_archive() {
    for (config, layer) in [
        ("../../../etc/hostname", "layer.tar"),
        ("config.json", "../../../etc/passwd"),
        ("config.json", "/../etc/passwd"),
        ("config.json", "dir/../../x"),
    ] {
        let (_guard, path) = directory();
        let mut files = Files::default();
        files.put("config.json", image().config().to_string());
        files.put("layer.tar", image().layers[0].clone());
        let entry = json!({ "Config": config, "RepoTags": null, "Layers": [layer] });
        files.put_json("manifest.json", &json!([entry]));
        files.write_tar(&path.join("a.tar"));
        assert_says(&bad(&at(&path, "a.tar")), &["leads out of the archive"]);
    }
}

#[test]
fn absent_parts_are_named() {
    for part in ["manifest", "configuration", "layer"] {
        let mut files = Files::default();
        let manifest = image().manifest(&mut files);
        let descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
        files.index(std::slice::from_ref(&descriptor));
        let gone = match part {
            "manifest" => &descriptor["digest"],
            "configuration" => &manifest["config"]["digest"],
            _ => &manifest["layers"][0]["digest"],
        };
        let gone = gone.as_str().unwrap();
        files.0.remove(&format!("blobs/{}", gone.replace(':', "/")));
        let (_guard, path) = write(&files);
        assert_says(&bad(&path), &[part, gone, "absent"]);
    }
    let (_guard, path) = directory();
    let mut files = image().classic_archive(&["a:1"]);
    files.0.retain(|name, _| !name.ends_with("layer.tar"));
    files.write_tar(&path.join("a.tar"));
    assert_says(
        &bad(&at(&path, "a.tar")),
        &["layer 1 of 1 ", "layer.tar: absent"],
    );
}

#[test]
fn layers_and_diff_ids_must_be_as_many() {
    let (_guard, path) = write(&layout_with(|manifest| {
        let layer = manifest["layers"][0].clone();
        manifest["layers"].as_array_mut().unwrap().push(layer);
    }));
    assert_says(&bad(&path), &["as many layers as diff IDs, 1, found 2"]);
}

#[test]
fn a_history_that_miscounts_is_a_warning() {
    let (_guard, path) = directory();
    let mut config = image().config();
    config["history"] =
        json!([{ "created_by": "a" }, { "created_by": "b" }, { "empty_layer": true }]);
    config["created"] = json!("yesterday");
    let mut files = Files::default();
    files.put("config.json", config.to_string());
    files.put("layer.tar", image().layers[0].clone());
    files.put(
        "manifest.json",
        *br#"[{"Config":"config.json","Layers":["layer.tar"]}]"#,
    );
    files.write_tar(&path.join("a.tar"));
    let found = super::open(&at(&path, "a.tar")).unwrap();
    let warnings = found.warnings.lines().collect::<Vec<_>>().join("\n");
    assert_says(
        &warnings,
        &["history", "2 steps, 1 layers", "created time", "yesterday"],
    );
    assert_eq!(found.created, None);
}

#[test]
fn foreign_layers_are_not_fetched() {
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let mut files = layout_with(|manifest| {
        let layer = &mut manifest["layers"][0];
        layer["mediaType"] = json!(foreign);
        layer["urls"] = json!(["https://example.com/layer"]);
    });
    let (_guard, path) = write(&files);
    assert!(super::open(&path).is_ok());
    let layer = digest(&image().layers[0]);
    files
        .0
        .remove(&format!("blobs/{}", layer.replace(':', "/")));
    let (_guard, path) = write(&files);
    assert_says(
        &refused(&path),
        &[&layer, "https://example.com/layer", "fetches nothing"],
    );
}

#[test]
fn what_is_not_an_image_is_refused_by_its_type() {
    let encrypted = format!("{OCI_LAYER}+gzip+encrypted");
    for (pointer, media_type, expected) in [
        ("/layers/0/mediaType", encrypted.as_str(), "encrypted"),
        (
            "/layers/0/mediaType",
            "application/x-wasm",
            "application/x-wasm",
        ),
        (
            "/config/mediaType",
            "application/vnd.cncf.helm.config.v1+json",
            "an artifact",
        ),
    ] {
        let files = layout_with(|manifest| {
            *manifest.pointer_mut(pointer).unwrap() = json!(media_type);
        });
        let (_guard, path) = write(&files);
        assert_says(&refused(&path), &[expected]);
    }
    let mut files = Files::default();
    let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let descriptor = files.blob(media_type, b"{\"schemaVersion\":1}".to_vec());
    files.index(&[descriptor]);
    let (_guard, path) = write(&files);
    assert_says(&refused(&path), &["schema 1"]);
}

#[test]
fn a_document_that_is_an_index_and_a_manifest_at_once_is_refused() {
    let files = layout_with(|manifest| manifest["manifests"] = json!([]));
    let (_guard, path) = write(&files);
    assert_says(
        &bad(&path),
        &["expected a manifest, found fields of an index"],
    );
    let files = layout_with(|manifest| manifest["mediaType"] = json!(OCI_INDEX));
    let (_guard, path) = write(&files);
    assert_says(&bad(&path), &["expected the media type"]);
}

#[test]
fn a_truncated_archive_is_an_error_wherever_it_is_cut() {
    let (_guard, path) = directory();
    let tar = image().classic_archive(&["a:1"]).tar();
    // The two blocks of zeros at the end may be missing, as GNU tar has it.
    let needed = tar.len() - 1024 - 511;
    let cut = path.join("cut.tar");
    for length in (513..needed).step_by(509) {
        fs::write(&cut, &tar[..length]).unwrap();
        let result = super::open(&format!("docker-archive:{}", cut.display()));
        assert!(result.is_err(), "cut at {length} of {}", tar.len());
    }
}

#[test]
fn damaged_archives_are_errors_or_the_same_image_and_never_panics_or_hangs() {
    let (_guard, path) = directory();
    let damaged = path.join("damaged.tar");
    let image = image();
    // A fixed sequence (Knuth's MMIX generator).
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for whole in [
        image.classic_archive(&["a:1"]).tar(),
        image.modern_archive("a:1").tar(),
    ] {
        let mut refused = 0;
        for _ in 0..1500 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            // A new file each time: ext4 writes out what replaces a truncated one.
            let _ = fs::remove_file(&damaged);
            fs::write(&damaged, &bytes).unwrap();
            match super::open(damaged.to_str().unwrap()) {
                Ok(found) => assert!(found.layers.len() <= 1),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 500, "only {refused} refused");
    }
}

#[test]
fn errors_stay_one_short_line_whatever_the_image_says() {
    let wrong = format!("evil\x1b[2J\n{}", "x".repeat(100_000));
    let files = layout_with(|manifest| manifest["layers"][0]["mediaType"] = json!(wrong));
    let (_guard, path) = write(&files);
    let error = refused(&path);
    assert!(
        error.len() < 1000 && !error.contains(['\n', '\x1b']),
        "{error}"
    );
    let files = layout_with(|manifest| manifest["layers"][0]["digest"] = json!(wrong));
    let (_guard, path) = write(&files);
    let error = bad(&path);
    assert!(
        error.len() < 1000 && !error.contains(['\n', '\x1b']),
        "{error}"
    );
}

#[test]
fn a_fifo_in_place_of_a_blob_is_an_error_and_no_endless_wait() {
    let mut files = Files::default();
    let descriptor = image().put(&mut files);
    files.index(std::slice::from_ref(&descriptor));
    let (_guard, path) = write(&files);
    let digest = descriptor["digest"].as_str().unwrap();
    let blob = format!("{path}/blobs/{}", digest.replace(':', "/"));
    fs::remove_file(&blob).unwrap();
    super::run("mkfifo", &[&blob]);
    let error = super::open(&path).unwrap_err().to_string();
    assert_says(
        &error,
        &[
            digest.strip_prefix("sha256:").unwrap(),
            "not a regular file",
        ],
    );
}
