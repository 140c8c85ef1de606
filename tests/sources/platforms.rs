//! Archives and layouts with more in them than one image for one platform.

use layerpress::source;
use serde_json::{Value, json};

use super::support::archive::{Files, OCI_CONFIG, OCI_MANIFEST, TestImage, digest, layer_tar};
use super::{
    Silent, assert_layers, assert_says, at, bad, directory, open, open_for, options, refused,
};

fn image(name: &str, platform: &'static str) -> TestImage {
    TestImage {
        platform,
        ..TestImage::new([layer_tar(&[("name", name.as_bytes())])])
    }
}

const ARCHITECTURES: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// Docker's name for a platform's image in `manifest.json`.
fn entry(files: &mut Files, image: &TestImage, tags: &[&str]) -> Value {
    let manifest = image.manifest(files);
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        format!("blobs/{}", digest.replace(':', "/"))
    };
    let layers = manifest["layers"].as_array().unwrap();
    json!({
        "Config": blob(&manifest["config"]),
        "RepoTags": tags,
        "Layers": layers.iter().map(blob).collect::<Vec<_>>(),
    })
}

/// What docker with the containerd store saves of an image for both architectures, on a machine of
/// the architecture `own`; of the others only those `at_hand` have blobs.
fn saved(own: &'static str, at_hand: &[&str]) -> Files {
    let mut files = Files::default();
    let mut elsewhere = Files::default();
    let manifests = ARCHITECTURES.map(|platform| {
        let here = if at_hand.contains(&platform) {
            &mut files
        } else {
            &mut elsewhere
        };
        image(platform, platform).put_with_platform(here)
    });
    let mut inner = files.inner_index(&manifests);
    inner["annotations"] = json!({
        "io.containerd.image.name": "docker.io/library/x:1",
        "org.opencontainers.image.ref.name": "1",
    });
    files.index(&[inner]);
    let entry = entry(&mut files, &image(own, own), &["x:1"]);
    files.put_json("manifest.json", &json!([entry]));
    files
}

// A Mac's archive gave arm64 on amd64, and --platform found nothing but manifest.json's: docker 25
// and newer save all platforms that are there under one name, of which manifest.json has one.
#[test]
fn an_archive_of_docker_gives_each_platform_that_its_index_leads_to() {
    let (_guard, path) = directory();
    for own in ARCHITECTURES {
        saved(own, &ARCHITECTURES).write_tar(&path.join("a.tar"));
        for wanted in ARCHITECTURES {
            let expected = image(wanted, wanted).layers;
            for name in ["a.tar", "a.tar:x:1", "a.tar:@0", "a.tar:1"] {
                for transport in ["", "docker-archive:"] {
                    let reference = format!("{transport}{}", at(&path, name));
                    let found = open_for(&reference, Some(wanted)).unwrap();
                    assert_layers(&found, &expected);
                }
            }
        }
        let survey = source::survey(
            &source::Place::of(&at(&path, "a.tar").parse().unwrap()).unwrap(),
            &options(Some("linux/arm64")),
            &Silent,
        )
        .unwrap();
        let told: Vec<_> = survey
            .offers
            .iter()
            .map(|offer| offer.platform.as_ref().unwrap().to_string())
            .collect();
        assert_eq!(told, ARCHITECTURES);
        for offer in &survey.offers {
            let names = &offer.names;
            assert!(names.iter().any(|name| name.ends_with("x:1")), "{names:?}");
        }
        // An image's own ID leaves no choice.
        let id = digest(image(own, own).config().to_string().as_bytes());
        let by_id = at(&path, &format!("a.tar:@{id}"));
        assert_layers(
            &open_for(&by_id, Some(own)).unwrap(),
            &image(own, own).layers,
        );
    }
}

#[test]
fn what_is_not_there_is_not_chosen_unless_it_is_asked_for() {
    let (_guard, path) = directory();
    for here in ARCHITECTURES {
        saved(here, &[here]).write_tar(&path.join("a.tar"));
        for transport in ["", "docker-archive:", "oci-archive:"] {
            let reference = format!("{transport}{}", at(&path, "a.tar"));
            let found = open_for(&reference, None).unwrap();
            assert_layers(&found, &image(here, here).layers);
            let told: Vec<_> = found.warnings.lines().collect();
            let is_own = found.platform == Some(layerpress::oci::Platform::of_this_machine());
            assert_eq!(told.is_empty(), is_own, "{told:?}");
            for wanted in ARCHITECTURES {
                let found = open_for(&reference, Some(wanted));
                if wanted == here {
                    assert_layers(&found.unwrap(), &image(here, here).layers);
                } else {
                    let error = found.unwrap_err().to_string();
                    assert_says(&error, &["manifest sha256:", "absent"]);
                }
            }
        }
    }
}

/// It was told to choose a platform, of none.
#[test]
fn of_manifests_that_are_absent_and_for_nobody_knows_what_the_first_is_told() {
    let (_guard, path) = directory();
    let mut files = Files::default();
    let manifests = ["1", "2"].map(|digit| {
        json!({ "mediaType": OCI_MANIFEST, "size": 10,
            "digest": format!("sha256:{}", digit.repeat(64)) })
    });
    let index = files.inner_index(&manifests);
    files.index(&[index]);
    files.write_directory(&path.join("layout"));
    files.write_tar(&path.join("a.tar"));
    for reference in ["oci:layout", "layout", "oci-archive:a.tar", "a.tar"] {
        let (transport, name) = reference.split_once(':').unwrap_or(("", reference));
        let colon = if transport.is_empty() { "" } else { ":" };
        let reference = format!("{transport}{colon}{}", at(&path, name));
        for platform in [None, Some("linux/arm64")] {
            let error = open_for(&reference, platform).unwrap_err().to_string();
            assert_says(&error, &["manifest sha256:1111", "absent"]);
        }
    }
}

#[test]
fn images_that_only_the_index_names_are_there_to_be_chosen() {
    let (_guard, path) = directory();
    let mut files = Files::default();
    let mut other = image("other", "linux/arm64").put_with_platform(&mut files);
    other["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/y:2" });
    let mut own = image("own", "linux/amd64").put_with_platform(&mut files);
    own["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/x:1" });
    files.index(&[own, other.clone()]);
    let entry = entry(&mut files, &image("own", "linux/amd64"), &["x:1"]);
    files.put_json("manifest.json", &json!([entry]));
    files.write_tar(&path.join("a.tar"));
    let error = refused(&at(&path, "a.tar"));
    assert_says(&error, &[":x:1, :docker.io/library/y:2"]);
    let wrong = at(&path, "a.tar:z:3");
    let error = refused(&wrong);
    assert_says(
        &error,
        &["no image is named z:3", ":x:1, :docker.io/library/y:2"],
    );
    assert_layers(
        &open(&at(&path, "a.tar:x:1")).unwrap(),
        &image("own", "linux/amd64").layers,
    );
    let by_name = open_for(&at(&path, "a.tar:y:2"), Some("linux/arm64")).unwrap();
    assert_layers(&by_name, &image("other", "linux/arm64").layers);

    // Saved where none of its platforms runs, an image is in the index alone.
    for empty in [json!([]), Value::Null] {
        files.index(&[other.clone()]);
        files.put_json("manifest.json", &empty);
        files.write_tar(&path.join("b.tar"));
        let error = refused(&format!("docker-archive:{}", at(&path, "b.tar:z:3")));
        assert_says(&error, &["no image is named z:3", ":docker.io/library/y:2"]);
        let found = open_for(&at(&path, "b.tar"), Some("linux/arm64")).unwrap();
        assert_layers(&found, &image("other", "linux/arm64").layers);
    }
}

/// A signature as cosign keeps it: an image in form, whose layers are no tars.
fn signature(files: &mut Files) -> Value {
    let simple = "application/vnd.dev.cosign.simplesigning.v1+json";
    let layer = files.blob(simple, b"{\"critical\":{}}".to_vec());
    let config = json!({ "architecture": "", "os": "",
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] } });
    let config = files.blob(OCI_CONFIG, config.to_string().into_bytes());
    let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config,
        "layers": [layer] });
    files.blob(OCI_MANIFEST, manifest.to_string().into_bytes())
}

/// An artifact of OCI 1.1, with the empty configuration.
fn artifact(files: &mut Files) -> Value {
    let config = files.blob("application/vnd.oci.empty.v1+json", b"{}".to_vec());
    let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config,
        "layers": [config], "artifactType": "application/spdx+json" });
    files.blob(OCI_MANIFEST, manifest.to_string().into_bytes())
}

// A layout that a signature was copied into had "several images, none named".
#[test]
fn signatures_and_other_artifacts_beside_an_image_are_no_choice() {
    for platform in ["linux/amd64", "linux/s390x"] {
        let (_guard, path) = directory();
        let image = image("image", platform);
        let mut files = Files::default();
        let own = image.put(&mut files);
        let tag = format!("sha256-{}.sig", &own["digest"].as_str().unwrap()[7..]);
        let mut signature = signature(&mut files);
        let artifact = artifact(&mut files);
        let referrers = files.inner_index(std::slice::from_ref(&artifact));
        for (index, beside) in [
            vec![own.clone(), signature.clone()],
            vec![signature.clone(), own.clone(), artifact],
            vec![own.clone(), referrers],
            vec![files.inner_index(&[own.clone(), signature.clone()])],
            {
                signature["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
                vec![own, signature]
            },
        ]
        .into_iter()
        .enumerate()
        {
            files.index(&beside);
            let layout = path.join(index.to_string());
            files.write_directory(&layout);
            let found = open_for(layout.to_str().unwrap(), None).unwrap();
            assert_layers(&found, &image.layers);
        }
    }
}

#[test]
fn a_signature_alone_is_told_to_be_none() {
    let (_guard, path) = directory();
    let mut files = Files::default();
    let (signature, artifact) = (signature(&mut files), artifact(&mut files));
    files.index(&[signature]);
    files.write_directory(&path.join("signature"));
    assert_says(&refused(&at(&path, "signature")), &["simplesigning"]);
    files.index(&[artifact]);
    files.write_directory(&path.join("artifact"));
    assert_says(&refused(&at(&path, "artifact")), &["an artifact"]);
}

// Appending the name that two images share failed again.
#[test]
fn images_that_share_a_name_are_told_apart_by_what_chooses_them() {
    let (_guard, path) = directory();
    let mut files = Files::default();
    let images = ["one", "two"].map(|name| image(name, "linux/amd64"));
    let descriptors = images.clone().map(|image| {
        let mut descriptor = image.put(&mut files);
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "x" });
        descriptor
    });
    files.index(&descriptors);
    files.write_directory(&path.join("d"));
    for reference in ["d", "d:x"] {
        let error = refused(&at(&path, reference));
        assert!(!error.contains(":x,"), "{error}");
        for (descriptor, image) in descriptors.iter().zip(&images) {
            let choice = format!("@{}", descriptor["digest"].as_str().unwrap());
            assert_says(&error, &[&choice]);
            let found = open(&at(&path, &format!("d{choice}"))).unwrap();
            assert_layers(&found, &image.layers);
        }
    }
    let mut files = Files::default();
    let entries = images.map(|image| image.put_classic(&mut files, &["x:1"]));
    files.put_json("manifest.json", &json!(entries));
    files.write_tar(&path.join("a.tar"));
    for reference in ["a.tar", "a.tar:x:1"] {
        assert_says(&refused(&at(&path, reference)), &[":@0, :@1"]);
    }
}

// docker load, skopeo, podman and crane go by the bytes and never look at the name.
#[test]
fn a_configuration_whose_name_is_not_its_digest_is_taken_with_a_warning_unless_it_is_a_blob() {
    let (_guard, path) = directory();
    let zeros = "0".repeat(64);
    for name in [format!("{zeros}.json"), format!("sha256:{zeros}")] {
        let mut files = Files::default();
        let mut entry = image("a", "linux/amd64").put_classic(&mut files, &["a:1"]);
        let config = files.0.remove(entry["Config"].as_str().unwrap()).unwrap();
        let id = digest(&config);
        files.put(&name, config);
        entry["Config"] = json!(name);
        files.put_json("manifest.json", &json!([entry]));
        files.write_tar(&path.join("a.tar"));
        let found = open(&at(&path, "a.tar")).unwrap();
        assert_says(
            &found.warnings.lines().collect::<String>(),
            &["does not have", &name],
        );
        assert_eq!(found.config_digest.unwrap().to_string(), id);
    }
    let mut files = image("a", "linux/amd64").modern_archive("a:1");
    files.0.remove("index.json");
    let config = digest(image("a", "linux/amd64").config().to_string().as_bytes());
    let name = format!("blobs/{}", config.replace(':', "/"));
    files.0.get_mut(&name).unwrap().push(b'\n');
    files.write_tar(&path.join("a.tar"));
    assert_says(&bad(&at(&path, "a.tar")), &[&name, "expected the digest"]);
}
