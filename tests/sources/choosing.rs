//! Several images in one place.

use super::support::archive::{Files, TestImage, layer_tar};
use super::{assert_layers, assert_says, at, directory, open, open_for, refused, refused_for};
use serde_json::{Value, json};

fn image(name: &str, platform: &'static str) -> TestImage {
    TestImage {
        platform,
        ..TestImage::new([layer_tar(&[("name", name.as_bytes())])])
    }
}

fn attestation(files: &mut Files) -> Value {
    let mut descriptor = image("attestation", "unknown/unknown").put_with_platform(files);
    descriptor["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    descriptor
}

#[test]
fn several_images_in_a_docker_archive_are_chosen_by_name_or_place() {
    let (_guard, path) = directory();
    let (one, two) = (image("one", "linux/amd64"), image("two", "linux/amd64"));
    let mut files = Files::default();
    let entries = [
        one.put_classic(&mut files, &["heroku/heroku:24", "heroku/heroku:latest"]),
        two.put_classic(&mut files, &[]),
    ];
    files.put_json("manifest.json", &json!(entries));
    files.write_tar(&path.join("a.tar"));
    for (name, image) in [
        ("a.tar:heroku/heroku:24", &one),
        ("a.tar:docker.io/heroku/heroku:24", &one),
        ("a.tar:heroku/heroku", &one),
        ("a.tar:@1", &two),
    ] {
        for transport in ["", "docker-archive:"] {
            let found = open(&format!("{transport}{}", at(&path, name))).unwrap();
            assert_layers(&found, &image.layers);
        }
    }
    let id = open(&at(&path, "a.tar:@1")).unwrap().config_digest.unwrap();
    let found = open(&at(&path, &format!("a.tar:@{id}"))).unwrap();
    assert_layers(&found, &two.layers);
    assert_says(&refused(&at(&path, "a.tar")), &[":heroku/heroku:24, :@1"]);
    assert_says(
        &refused(&at(&path, "a.tar:other")),
        &["named other", ":heroku/heroku:24, :@1"],
    );
    assert_says(&refused(&at(&path, "a.tar:@2")), &["one of 2 images"]);
}

#[test]
fn two_names_of_one_image_leave_nothing_to_choose() {
    let (_guard, path) = directory();
    let one = image("one", "linux/amd64");
    let mut files = Files::default();
    let (mut first, mut second) = (one.put(&mut files), one.put(&mut files));
    first["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    second["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    files.index(&[first, second]);
    files.write_directory(&path);
    assert_layers(&open(path.to_str().unwrap()).unwrap(), &one.layers);
}

#[test]
fn several_images_in_a_layout_are_chosen_by_tag_digest_or_place() {
    let (_guard, path) = directory();
    let (one, two) = (image("one", "linux/amd64"), image("two", "linux/amd64"));
    let mut files = Files::default();
    let mut descriptors = [one.put(&mut files), two.put(&mut files)];
    descriptors[0]["annotations"] = json!({ "org.opencontainers.image.ref.name": "localhost/x:1" });
    descriptors[1]["annotations"] = json!({
        "org.opencontainers.image.ref.name": "2",
        "io.containerd.image.name": "docker.io/library/x:2",
    });
    let digest = descriptors[1]["digest"].as_str().unwrap().to_owned();
    files.index(&descriptors);
    files.write_directory(&path.join("d"));
    for (name, image) in [
        ("d:localhost/x:1", &one),
        ("d:2", &two),
        ("d:x:2", &two),
        ("d:@0", &one),
        (&format!("d@{digest}"), &two),
        (&format!("d:@{digest}"), &two),
    ] {
        for transport in ["", "oci:"] {
            let found = open(&format!("{transport}{}", at(&path, name))).unwrap();
            assert_layers(&found, &image.layers);
        }
    }
    assert_says(
        &refused(&at(&path, "d")),
        &[":localhost/x:1", ":docker.io/library/x:2"],
    );
    assert_says(
        &refused(&at(&path, "d:x:3")),
        &["named x:3", ":localhost/x:1"],
    );
    let other = digest.replace(['a', '1'], "0");
    assert_says(
        &refused(&at(&path, &format!("d@{other}"))),
        &["no manifest of this digest"],
    );
}

#[test]
fn an_index_gives_the_platform_that_fits_best_and_else_names_what_it_has() {
    let (_guard, path) = directory();
    let platforms = [
        "linux/arm/v5",
        "linux/arm/v6",
        "linux/amd64",
        "linux/amd64/v3",
        "windows/amd64",
    ];
    let mut files = Files::default();
    let mut descriptors: Vec<_> = platforms
        .iter()
        .map(|platform| image(platform, platform).put_with_platform(&mut files))
        .collect();
    descriptors.insert(0, attestation(&mut files));
    let mut inner = files.inner_index(&descriptors);
    inner["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    files.index(&[inner]);
    files.write_directory(&path);
    let reference = format!("oci:{}:1", path.display());
    for (asked, given) in [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64"),
        ("linux/amd64/v4", "linux/amd64/v3"),
        ("linux/arm", "linux/arm/v6"),
        ("linux/arm/v5", "linux/arm/v5"),
        ("windows/amd64", "windows/amd64"),
    ] {
        let found = open_for(&reference, Some(asked)).unwrap();
        assert_layers(&found, &image(given, "").layers);
        assert_eq!(found.platform.unwrap().to_string(), given);
    }
    let error = refused_for(&reference, Some("linux/riscv64"));
    assert_says(
        &error,
        &[
            "linux/riscv64",
            "--platform",
            "linux/arm/v5, linux/arm/v6, linux/amd64",
        ],
    );
    assert!(!error.contains("unknown"), "{error}");
}

#[test]
fn a_variant_that_only_the_index_names_is_believed() {
    let (_guard, path) = directory();
    let mut files = Files::default();
    let descriptors = ["v6", "v7"].map(|variant| {
        let mut descriptor = image(variant, "linux/arm").put_with_platform(&mut files);
        descriptor["platform"]["variant"] = json!(variant);
        descriptor
    });
    files.index(&descriptors);
    files.write_directory(&path);
    for variant in ["v6", "v7"] {
        let platform = format!("linux/arm/{variant}");
        let found = open_for(path.to_str().unwrap(), Some(&platform)).unwrap();
        assert_layers(&found, &image(variant, "").layers);
    }
}

#[test]
fn a_top_index_of_platforms_is_chosen_from_like_any_other() {
    let (_guard, path) = directory();
    let mut files = Files::default();
    // The second does not say for what it is: its configuration does.
    let first = image("amd64", "linux/amd64").put_with_platform(&mut files);
    let second = image("arm64", "linux/arm64").put_with_platform(&mut files);
    let mut third = image("riscv64", "linux/riscv64").put(&mut files);
    files.index(&[first.clone(), second.clone()]);
    files.write_directory(&path.join("two"));
    let found = open_for(&at(&path, "two"), Some("linux/arm64")).unwrap();
    assert_layers(&found, &image("arm64", "").layers);

    third["annotations"] = json!({});
    let inner = files.inner_index(&[first, second, third]);
    files.index(&[inner]);
    files.write_directory(&path.join("three"));
    let found = open_for(&at(&path, "three"), Some("linux/riscv64")).unwrap();
    assert_layers(&found, &image("riscv64", "").layers);
}

#[test]
fn other_platforms_may_be_absent_but_not_the_chosen_one() {
    let (_guard, path) = directory();
    let mut files = Files::default();
    let mut absent = Files::default();
    let here = image("here", "linux/amd64").put_with_platform(&mut files);
    let gone = image("gone", "linux/arm64").put_with_platform(&mut absent);
    let inner = files.inner_index(&[gone.clone(), here]);
    files.index(&[inner]);
    files.write_directory(&path);
    let reference = path.to_str().unwrap();
    assert_layers(&open(reference).unwrap(), &image("here", "").layers);
    let error = open_for(reference, Some("linux/arm64"))
        .unwrap_err()
        .to_string();
    assert_says(
        &error,
        &["manifest", gone["digest"].as_str().unwrap(), "absent"],
    );
}

#[test]
fn the_only_image_for_another_platform_is_taken_with_a_warning_unless_one_was_asked_for() {
    let (_guard, path) = directory();
    let files = [
        (
            "classic.tar",
            image("s390x", "linux/s390x").classic_archive(&["a:1"]),
        ),
        ("layout.tar", image("s390x", "linux/s390x").layout("1")),
    ];
    for (name, files) in files {
        files.write_tar(&path.join(name));
        let found = open_for(&at(&path, name), None).unwrap();
        let warnings: Vec<_> = found.warnings.lines().collect();
        assert_says(&warnings.join("\n"), &["another platform", "linux/s390x"]);
        let error = refused_for(&at(&path, name), Some("linux/amd64"));
        assert_says(&error, &["linux/amd64", "--platform linux/s390x"]);
        assert!(open_for(&at(&path, name), Some("linux/s390x")).is_ok());
    }
}

#[test]
fn one_name_for_several_platforms_in_a_docker_archive_is_settled_by_the_platform() {
    let (_guard, path) = directory();
    let mut files = Files::default();
    let entries = [
        image("amd64", "linux/amd64").put_classic(&mut files, &["a:1"]),
        image("arm64", "linux/arm64").put_classic(&mut files, &["a:1"]),
    ];
    files.put_json("manifest.json", &json!(entries));
    files.write_tar(&path.join("a.tar"));
    for platform in ["linux/amd64", "linux/arm64"] {
        let found = open_for(&at(&path, "a.tar:a:1"), Some(platform)).unwrap();
        assert_eq!(found.platform.unwrap().to_string(), platform);
    }
    let error = refused_for(&at(&path, "a.tar:a:1"), Some("linux/386"));
    assert_says(&error, &[":@0, :@1"]);
}
