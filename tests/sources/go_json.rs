//! Documents as Go programs write them: null or nothing for what is empty.

use super::support::archive::{
    Files, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, TestImage, digest, gzip, layer_tar,
};
use super::{assert_layers, assert_says, at, bad, directory, open, refused};
use serde_json::{Value, json};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

fn image() -> TestImage {
    TestImage::new([layer_tar(&[("a", b"content")])])
}

/// What of a layout is written in another way.
#[derive(Default)]
struct Changes {
    config: Option<fn(&mut Value)>,
    manifest: Option<fn(&mut Value)>,
    descriptor: Option<fn(&mut Value)>,
    index: Option<fn(&mut Value)>,
}

fn layout(image: &TestImage, changes: &Changes) -> Files {
    let change = |value: &mut Value, by: Option<fn(&mut Value)>| {
        if let Some(by) = by {
            by(value);
        }
    };
    let mut files = Files::default();
    let mut manifest = image.manifest(&mut files);
    let mut config = image.config();
    change(&mut config, changes.config);
    manifest["config"] = files.blob(OCI_CONFIG, config.to_string().into_bytes());
    change(&mut manifest, changes.manifest);
    let mut descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
    change(&mut descriptor, changes.descriptor);
    let mut index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    change(&mut index, changes.index);
    files.index(&[]);
    files.put_json("index.json", &index);
    files
}

fn without(value: &mut Value, field: &str) {
    value.as_object_mut().unwrap().remove(field);
}

/// Opens a layout as a directory.
fn opened(files: &Files, layers: &[Vec<u8>]) {
    let (_guard, path) = directory();
    files.write_directory(&path);
    assert_layers(&open(path.to_str().unwrap()).unwrap(), layers);
}

// Found with the layouts that umoci, skopeo and containerd take: ours ended in serde's words, for
// its types held the specification's "required" against what Go writes of an empty slice.
#[test]
fn whatever_go_leaves_out_or_nulls_is_empty() {
    let empty = TestImage::new([]);
    let none = |manifest: fn(&mut Value)| Changes {
        config: Some(|config| config["rootfs"]["diff_ids"] = Value::Null),
        manifest: Some(manifest),
        ..Changes::default()
    };
    for changes in [
        none(|manifest| manifest["layers"] = Value::Null),
        none(|manifest| without(manifest, "layers")),
        Changes {
            config: Some(|config| {
                *config = json!({ "os": null, "architecture": null, "config": null,
                    "history": null, "rootfs": null, "created": null, "variant": null });
            }),
            ..Changes::default()
        },
    ] {
        opened(&layout(&empty, &changes), &[]);
    }
    let manifest = |manifest: fn(&mut Value)| Changes {
        manifest: Some(manifest),
        ..Changes::default()
    };
    let descriptor = |descriptor: fn(&mut Value)| Changes {
        descriptor: Some(descriptor),
        ..Changes::default()
    };
    let index = |index: fn(&mut Value)| Changes {
        index: Some(index),
        ..Changes::default()
    };
    let config = |config: fn(&mut Value)| Changes {
        config: Some(config),
        ..Changes::default()
    };
    for changes in [
        manifest(|manifest| manifest["mediaType"] = json!("")),
        manifest(|manifest| manifest["mediaType"] = Value::Null),
        manifest(|manifest| without(manifest, "mediaType")),
        manifest(|manifest| without(manifest, "schemaVersion")),
        manifest(|manifest| manifest["schemaVersion"] = Value::Null),
        manifest(|manifest| manifest["manifests"] = Value::Null),
        manifest(|manifest| manifest["annotations"] = Value::Null),
        manifest(|manifest| without(&mut manifest["config"], "mediaType")),
        manifest(|manifest| without(&mut manifest["config"], "size")),
        manifest(|manifest| manifest["layers"][0]["mediaType"] = Value::Null),
        manifest(|manifest| manifest["layers"][0]["mediaType"] = json!("")),
        manifest(|manifest| without(&mut manifest["layers"][0], "size")),
        manifest(|manifest| manifest["layers"][0]["urls"] = Value::Null),
        manifest(|manifest| manifest["layers"][0]["annotations"] = json!({ "a": null })),
        manifest(|manifest| manifest["layers"][0]["platform"] = json!({})),
        descriptor(|descriptor| descriptor["platform"] = json!({})),
        descriptor(|descriptor| descriptor["platform"] = Value::Null),
        descriptor(|descriptor| descriptor["platform"] = json!({ "architecture": "", "os": "" })),
        descriptor(|descriptor| descriptor["annotations"] = json!({ "a": null })),
        descriptor(|descriptor| descriptor["size"] = Value::Null),
        descriptor(|descriptor| descriptor["mediaType"] = json!("")),
        descriptor(|descriptor| without(descriptor, "mediaType")),
        index(|index| without(index, "schemaVersion")),
        index(|index| index["mediaType"] = json!("")),
        index(|index| index["layers"] = Value::Null),
        index(|index| index["manifests"].as_array_mut().unwrap().push(json!({}))),
        index(|index| index["manifests"].as_array_mut().unwrap().push(Value::Null)),
        config(|config| without(&mut config["rootfs"], "type")),
        config(|config| config["history"] = json!([null])),
        config(|config| config["config"] = json!({ "Labels": { "a": null }, "Env": [null] })),
    ] {
        opened(&layout(&image(), &changes), &image().layers);
    }
}

#[test]
fn what_is_broken_in_go_s_eyes_too_is_refused() {
    for (manifest, expected) in [
        (
            (|manifest| manifest["config"] = Value::Null) as fn(&mut Value),
            "digest",
        ),
        (|manifest| manifest["layers"][0] = json!({}), "digest"),
        (|manifest| manifest["layers"] = json!(7), "sequence"),
        (|manifest| manifest["schemaVersion"] = json!(3), "found 3"),
        (
            |manifest| manifest["layers"] = Value::Null,
            "as many layers as diff IDs, 1, found 0",
        ),
    ] {
        let changes = Changes {
            manifest: Some(manifest),
            ..Changes::default()
        };
        let (_guard, path) = directory();
        layout(&image(), &changes).write_directory(&path);
        assert_says(&bad(path.to_str().unwrap()), &[expected]);
    }
    let changes = Changes {
        index: Some(|index| index["manifests"] = Value::Null),
        ..Changes::default()
    };
    let (_guard, path) = directory();
    layout(&image(), &changes).write_directory(&path);
    assert_says(&bad(path.to_str().unwrap()), &["no image"]);
}

/// Containerd holds no more against a document's own type than that an index is no manifest.
#[test]
fn a_document_may_call_itself_by_the_other_family_s_type() {
    for (outside, inside) in [
        (OCI_MANIFEST, DOCKER_MANIFEST),
        (DOCKER_MANIFEST, OCI_MANIFEST),
        (OCI_MANIFEST, "application/json"),
    ] {
        let mut files = Files::default();
        let mut manifest = image().manifest(&mut files);
        manifest["mediaType"] = json!(inside);
        let descriptor = files.blob(outside, manifest.to_string().into_bytes());
        let mut inner = json!({ "schemaVersion": 2, "manifests": [descriptor] });
        inner["mediaType"] = json!(DOCKER_LIST);
        let inner = files.blob(OCI_INDEX, inner.to_string().into_bytes());
        files.index(&[inner]);
        opened(&files, &image().layers);
    }
    for wrong in [OCI_INDEX, DOCKER_LIST] {
        let mut files = Files::default();
        let mut manifest = image().manifest(&mut files);
        manifest["mediaType"] = json!(wrong);
        let descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
        files.index(&[descriptor]);
        let (_guard, path) = directory();
        files.write_directory(&path);
        assert_says(&bad(path.to_str().unwrap()), &["expected the media type"]);
    }
}

/// Registries of before 2017 gave configurations the types of their own answers.
#[test]
fn old_images_have_configurations_of_other_types() {
    for media_type in [
        "application/octet-stream",
        "application/json",
        "text/html",
        "",
    ] {
        let mut files = Files::default();
        let mut manifest = image().manifest(&mut files);
        manifest["config"]["mediaType"] = json!(media_type);
        let descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
        files.index(&[descriptor]);
        opened(&files, &image().layers);
    }
}

/// Opens a docker archive of these entries.
fn opened_archive(files: &mut Files, entries: &Value) {
    let (_guard, path) = directory();
    files.put_json("manifest.json", entries);
    files.write_tar(&path.join("a.tar"));
    assert_layers(&open(&at(&path, "a.tar")).unwrap(), &image().layers);
}

fn refused_archive(entries: &Value) -> String {
    let (_guard, path) = directory();
    let mut files = Files::default();
    files.put_json("manifest.json", entries);
    files.write_tar(&path.join("a.tar"));
    bad(&at(&path, "a.tar"))
}

// docker 25.0's `docker save ID` writes "manifests":null beside a good manifest.json.
#[test]
fn an_index_of_nothing_beside_manifest_json_is_none() {
    for index in [
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": null }),
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX }),
        json!({ "manifests": [{}] }),
        json!(null),
    ] {
        let mut files = Files::default();
        let entry = image().put_classic(&mut files, &[]);
        files.index(&[]);
        if !index.is_null() {
            files.put_json("index.json", &index);
        }
        opened_archive(&mut files, &json!([entry]));
    }
}

#[test]
fn entries_of_manifest_json_may_leave_out_what_is_empty() {
    for nulls in [
        json!({ "RepoTags": null, "LayerSources": null, "Parent": null }),
        json!({ "RepoTags": [null], "LayerSources": { "sha256:x": null } }),
        json!({ "LayerSources": {} }),
    ] {
        let mut files = Files::default();
        let mut entry = image().put_classic(&mut files, &[]);
        without(&mut entry, "RepoTags");
        for (name, value) in nulls.as_object().unwrap() {
            entry[name] = value.clone();
        }
        opened_archive(&mut files, &json!([entry]));
    }
    for (entries, expected) in [
        (Value::Null, "the list of images is empty"),
        (json!([]), "the list of images is empty"),
        (json!([null]), "configuration"),
        (json!([{}]), "configuration"),
        (json!([{ "Config": null }]), "configuration"),
    ] {
        let error = refused_archive(&entries);
        assert_says(&error, &[expected]);
        assert!(!error.contains("several"), "{error}");
    }
}

// LayerSources tell where a layer came from: of a pulled image mostly the compressed blob, while
// the file is the tar. Its length was held against the blob's.
#[test]
fn a_layer_s_source_is_not_the_file_unless_it_is_named_so() {
    let layer = &image().layers[0];
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    for source in [
        json!({ "mediaType": format!("{OCI_LAYER}+gzip"), "size": 165,
            "digest": digest(&gzip(layer)) }),
        json!({ "mediaType": foreign, "size": layer.len(), "digest": digest(b"other"),
            "urls": ["https://example.com/l"] }),
        json!({ "mediaType": OCI_LAYER, "size": layer.len(), "digest": digest(layer) }),
        json!({ "mediaType": OCI_LAYER, "size": 0, "digest": "" }),
    ] {
        let mut files = Files::default();
        let mut entry = image().put_classic(&mut files, &["a:1"]);
        entry["LayerSources"] = json!({ digest(layer): source });
        opened_archive(&mut files, &json!([entry]));
    }
    // A blob that is not as long as it should be is damaged.
    let mut files = image().modern_archive("a:1");
    files.0.remove("index.json");
    let name = format!("blobs/{}", digest(layer).replace(':', "/"));
    files.0.get_mut(&name).unwrap().push(0);
    let (_guard, path) = directory();
    files.write_tar(&path.join("a.tar"));
    assert_says(&bad(&at(&path, "a.tar")), &["expected", "bytes, found"]);
}

#[test]
fn texts_that_are_no_utf_8_are_read_as_go_reads_them() {
    let mut files = Files::default();
    let mut config = image().config();
    config["author"] = json!("M\u{fc}ller");
    let bytes = config
        .to_string()
        .replace("M\u{fc}ller", "M@ller")
        .into_bytes();
    let bytes: Vec<u8> = bytes
        .into_iter()
        .map(|byte| if byte == b'@' { 0xfc } else { byte })
        .collect();
    let mut manifest = image().manifest(&mut files);
    manifest["config"] = files.blob(OCI_CONFIG, bytes);
    let descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
    files.index(&[descriptor]);
    let (_guard, path) = directory();
    files.write_directory(&path);
    let found = open(path.to_str().unwrap()).unwrap();
    assert_eq!(found.config.author.as_deref(), Some("M\u{fffd}ller"));
}

#[test]
fn artifacts_are_still_no_images() {
    let mut files = Files::default();
    let mut manifest = image().manifest(&mut files);
    manifest["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json");
    let descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
    files.index(&[descriptor]);
    let (_guard, path) = directory();
    files.write_directory(&path);
    assert_says(&refused(path.to_str().unwrap()), &["an artifact"]);
}
