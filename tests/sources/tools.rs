//! What skopeo, buildah, umoci and containerd make.

use std::fs;
use std::path::Path;

use super::support::archive::{TestImage, layer_tar};
use super::support::oracles::{installed, is_root_with};
use super::{assert_layers, assert_says, at, directory, layer_bytes, open, run};

/// Layers made by the tar of this machine.
fn image(path: &Path) -> TestImage {
    let root = path.join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/hostname"), "test\n").unwrap();
    std::os::unix::fs::symlink("hostname", root.join("etc/link")).unwrap();
    let base = at(path, "base.tar");
    run("tar", &["-C", root.to_str().unwrap(), "-cf", &base, "."]);
    TestImage::new([
        fs::read(base).unwrap(),
        layer_tar(&[("usr/bin/new", &[1; 50_000])]),
    ])
}

#[test]
fn skopeos_copies_are_the_same_image_in_every_transport_and_compression() {
    if !installed(&["skopeo"]) {
        return;
    }
    let (_guard, path) = directory();
    let image = image(&path);
    image
        .classic_archive(&["app:1"])
        .write_tar(&path.join("from.tar"));
    let from = format!("docker-archive:{}", at(&path, "from.tar"));
    let copy = |to: &str, options: &[&str]| {
        let to = to.replacen(':', &format!(":{}/", path.display()), 1);
        run(
            "skopeo",
            &[
                &["--insecure-policy", "copy", "-q", &from, &to][..],
                options,
            ]
            .concat(),
        );
        to
    };
    for (to, options, media_type) in [
        ("oci:gzip:24", &[][..], "gzip"),
        ("oci:zstd:24", &["--dest-compress-format", "zstd"], "zstd"),
        ("oci-archive:gzip.tar:24", &[], "gzip"),
        ("oci-archive:named.tar:docker.io/library/app:1", &[], "gzip"),
        ("docker-archive:to.tar:app:1", &[], ""),
    ] {
        let reference = copy(to, options);
        let (_, path_and_name) = reference.split_once(':').unwrap();
        for reference in [&reference, path_and_name] {
            let found = open(reference).unwrap();
            assert_layers(&found, &image.layers);
            assert!(found.layers.iter().all(|layer| {
                layer
                    .media_type
                    .as_deref()
                    .unwrap_or_default()
                    .ends_with(media_type)
            }));
            assert_eq!(found.warnings.lines().count(), 0);
        }
    }
    copy("dir:plain", &[]);
    assert_says(
        &super::refused(&at(&path, "plain")),
        &["skopeo copy dir:PATH"],
    );
    let converted = format!("oci:{}", at(&path, "converted:1"));
    let plain = format!("dir:{}", at(&path, "plain"));
    run(
        "skopeo",
        &["--insecure-policy", "copy", "-q", &plain, &converted],
    );
    assert_layers(&open(&converted).unwrap(), &image.layers);
}

#[test]
fn the_digests_reported_are_the_ones_skopeo_reports() {
    if !installed(&["skopeo"]) {
        return;
    }
    let (_guard, path) = directory();
    image(&path).layout("1").write_directory(&path.join("d"));
    let reference = format!("oci:{}", at(&path, "d:1"));
    let output = run(
        "skopeo",
        &["inspect", "--format", "{{.Digest}}", &reference],
    );
    let found = open(&reference)
        .unwrap()
        .manifest_digest
        .unwrap()
        .to_string();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), found);
}

#[test]
fn umocis_layouts_are_read_from_the_empty_image_on() {
    if !is_root_with(&["umoci"]) {
        return;
    }
    let (_guard, path) = directory();
    let layout = at(&path, "layout");
    let tagged = format!("{layout}:1");
    let bundle = at(&path, "bundle");
    run("umoci", &["init", "--layout", &layout]);
    run("umoci", &["new", "--image", &tagged]);
    assert!(open(&tagged).unwrap().layers.is_empty());
    run("umoci", &["unpack", "--image", &tagged, &bundle]);
    fs::write(path.join("bundle/rootfs/file"), "content").unwrap();
    run("umoci", &["repack", "--image", &tagged, &bundle]);
    fs::remove_file(path.join("bundle/rootfs/file")).unwrap();
    run(
        "umoci",
        &[
            "repack",
            "--image",
            &format!("{layout}:2"),
            "--refresh-bundle",
            &bundle,
        ],
    );
    let found = open(&format!("{layout}:2")).unwrap();
    assert!(!found.layers.is_empty());
    for index in 0..found.layers.len() {
        layer_bytes(&found, index);
    }
    assert!(found.created.is_some());
    assert_says(&super::refused(&layout), &[":1", ":2"]);
}

#[test]
fn buildahs_images_are_read_in_both_formats() {
    if !is_root_with(&["buildah"]) {
        return;
    }
    let (_guard, path) = directory();
    let storage = [
        "--root",
        &at(&path, "storage"),
        "--runroot",
        &at(&path, "run"),
    ];
    let buildah = |arguments: &[&str]| {
        run(
            "buildah",
            &[&storage[..], &["--storage-driver", "vfs"], arguments].concat(),
        )
    };
    fs::write(path.join("file"), "content").unwrap();
    let container = String::from_utf8(buildah(&["from", "scratch"]).stdout).unwrap();
    let container = container.trim();
    buildah(&["add", container, &at(&path, "file"), "/file"]);
    buildah(&["config", "--cmd", "/file", "--label", "a=b", container]);
    for (format, to) in [
        ("oci", format!("oci:{}", at(&path, "o:1"))),
        ("docker", format!("oci:{}", at(&path, "d:1"))),
        (
            "oci",
            format!("oci-archive:{}", at(&path, "o.tar:localhost/app:1")),
        ),
        (
            "docker",
            format!("docker-archive:{}", at(&path, "d.tar:localhost/app:1")),
        ),
    ] {
        buildah(&["commit", "-q", "--format", format, container, &to]);
        let found = super::open_for(&to, None).unwrap();
        assert_eq!(found.config.config.cmd, ["/file"]);
        assert_eq!(found.config.config.labels["a"].as_deref(), Some("b"));
        assert_eq!(found.layers.len(), 1);
        layer_bytes(&found, 0);
    }
    run("rm", &["-rf", &at(&path, "storage")]);
}
