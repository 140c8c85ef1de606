//! One image in every form it may come in.

use std::fs::{self, File};
use std::io::Write;

use layerpress::oci::media_type;
use layerpress::progress::Silent;
use layerpress::source::Image;
use serde_json::json;

use super::support::archive::{self, Compression, Files, TestImage, layer_tar};
use super::support::oracles::installed;
use super::{assert_layers, assert_says, at, directory, open, open_for, open_input, refused};

fn image() -> TestImage {
    TestImage::new([
        layer_tar(&[("etc/os-release", b"NAME=test\n"), ("gone", b"x")]),
        layer_tar(&[(".wh.gone", b""), ("new", &[7; 100_000])]),
    ])
}

#[test]
fn the_same_image_comes_out_of_every_form_named_or_recognised() {
    let (_guard, path) = directory();
    let image = image();
    image
        .classic_archive(&["app:1"])
        .write_tar(&path.join("classic.tar"));
    image
        .modern_archive("app:1")
        .write_tar(&path.join("modern.tar"));
    image.layout("1").write_directory(&path.join("layout"));
    image.layout("1").write_tar(&path.join("layout.tar"));
    let modern = image.modern_archive("app:1").tar();
    fs::write(path.join("modern.tar.gz"), archive::gzip(&modern)).unwrap();
    fs::write(path.join("modern.tar.zst"), archive::zstd(&modern)).unwrap();

    let diff_ids = |image: &Image| image.diff_ids(&Silent).unwrap();
    let expected = diff_ids(&open(&at(&path, "classic.tar")).unwrap());
    for (reference, has_manifest) in [
        (at(&path, "classic.tar"), false),
        (at(&path, "classic.tar:app:1"), false),
        (
            format!("docker-archive:{}", at(&path, "classic.tar")),
            false,
        ),
        (
            format!(
                "docker-archive:{}",
                at(&path, "classic.tar:docker.io/library/app:1")
            ),
            false,
        ),
        (
            format!("docker-archive:{}", at(&path, "classic.tar:@0")),
            false,
        ),
        (at(&path, "modern.tar"), true),
        (
            format!("docker-archive:{}", at(&path, "modern.tar:app:1")),
            true,
        ),
        (
            format!("oci-archive:{}", at(&path, "modern.tar:app:1")),
            true,
        ),
        (format!("oci-archive:{}", at(&path, "modern.tar:1")), true),
        (at(&path, "modern.tar.gz"), true),
        (at(&path, "modern.tar.zst:app:1"), true),
        (at(&path, "layout"), true),
        (format!("oci:{}", at(&path, "layout:1")), true),
        (format!("oci:{}", at(&path, "layout:@0")), true),
        (at(&path, "layout.tar"), true),
        (format!("oci-archive:{}", at(&path, "layout.tar:1")), true),
    ] {
        let found = open(&reference).unwrap();
        assert_eq!(found.reference, reference);
        assert_layers(&found, &image.layers);
        assert_eq!(diff_ids(&found), expected);
        assert_eq!(found.manifest_digest.is_some(), has_manifest, "{reference}");
        let config_digest = found.config_digest.unwrap().to_string();
        assert_eq!(
            config_digest,
            archive::digest(image.config().to_string().as_bytes())
        );
        let created = found.created.unwrap();
        assert_eq!(
            (created.seconds, created.nanoseconds),
            (1_714_558_830, 500_000_000)
        );
        assert_eq!(found.platform.unwrap().to_string(), "linux/amd64");
        assert_eq!(found.config.config.env, ["PATH=/bin"]);
        assert!(found.layers.iter().all(|layer| layer.whiteouts));
        assert_eq!(found.warnings.lines().count(), 0);
    }
}

#[test]
fn archives_on_disk_are_read_in_place_and_compressed_ones_from_an_unnamed_spool() {
    use std::os::unix::fs::MetadataExt;
    let (_guard, path) = directory();
    let tar = image().modern_archive("app:1").tar();
    fs::write(path.join("a.tar"), &tar).unwrap();
    fs::write(path.join("a.tar.gz"), archive::gzip(&tar)).unwrap();
    let inode = fs::metadata(path.join("a.tar")).unwrap().ino();
    let inode_of_layer = |image: &layerpress::source::Image| {
        let metadata = image.layers[0]
            .stored
            .at_hand()
            .unwrap()
            .file
            .metadata()
            .unwrap();
        (metadata.ino(), metadata.nlink())
    };
    let in_place = open(&at(&path, "a.tar")).unwrap();
    assert_eq!(inode_of_layer(&in_place), (inode, 1));
    let redirected = open_input("-", File::open(path.join("a.tar")).unwrap()).unwrap();
    assert_eq!(inode_of_layer(&redirected), (inode, 1));
    let spooled = open(&at(&path, "a.tar.gz")).unwrap();
    assert_eq!(inode_of_layer(&spooled).1, 0);
}

#[test]
fn every_archive_form_comes_through_a_pipe() {
    let image = image();
    let tar = image.modern_archive("app:1").tar();
    let layout = image.layout("1").tar();
    for (reference, bytes) in [
        ("-", tar.clone()),
        ("-:app:1", tar.clone()),
        ("-", archive::gzip(&tar)),
        ("-", archive::zstd(&layout)),
        ("docker-archive:-:app:1", tar),
        ("oci-archive:-:1", layout),
    ] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let feeder = std::thread::spawn(move || writer.write_all(&bytes).unwrap());
        let input = File::from(std::os::fd::OwnedFd::from(reader));
        assert_layers(&open_input(reference, input).unwrap(), &image.layers);
        feeder.join().unwrap();
    }
}

#[test]
fn a_named_pipe_is_read_like_standard_input() {
    let (_guard, path) = directory();
    let fifo = path.join("fifo");
    super::run("mkfifo", &[fifo.to_str().unwrap()]);
    let image = image();
    let bytes = image.classic_archive(&["app:1"]).tar();
    let feeder = {
        let fifo = fifo.clone();
        std::thread::spawn(move || fs::write(fifo, bytes).unwrap())
    };
    assert_layers(&open(fifo.to_str().unwrap()).unwrap(), &image.layers);
    feeder.join().unwrap();
}

#[test]
fn layers_may_be_stored_compressed_and_appear_twice() {
    let (_guard, path) = directory();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut image = image();
        image.compression = compression;
        image.layers.push(image.layers[0].clone());
        let name = format!("{compression:?}");
        image.layout("1").write_directory(&path.join(&name));
        let found = open(&at(&path, &name)).unwrap();
        assert_layers(&found, &image.layers);
        let media_type = found.layers[2].media_type.clone().unwrap();
        let suffix = media_type
            .strip_prefix(archive::OCI_LAYER)
            .unwrap()
            .to_owned();
        assert_eq!(suffix, ["", "+gzip", "+zstd"][compression as usize]);
    }
}

#[test]
fn a_flat_tar_is_one_layer_whose_names_delete_nothing() {
    let (_guard, path) = directory();
    let tar = layer_tar(&[("etc/hostname", b"h\n"), (".wh.kept", b"")]);
    fs::write(path.join("root.tar"), &tar).unwrap();
    fs::write(path.join("root.tar.gz"), archive::gzip(&tar)).unwrap();
    fs::write(path.join("root.tar.zst"), archive::zstd(&tar)).unwrap();
    for name in ["root.tar", "root.tar.gz", "root.tar.zst"] {
        for reference in [at(&path, name), format!("rootfs:{}", at(&path, name))] {
            let image = open_for(&reference, Some("linux/arm64")).unwrap();
            assert_layers(&image, std::slice::from_ref(&tar));
            assert!(!image.layers[0].whiteouts);
            assert_eq!((&image.config_digest, image.created), (&None, None));
            assert_eq!(image.platform.clone().unwrap().to_string(), "linux/arm64");
        }
    }
    let image = open_input("rootfs:-", File::open(path.join("root.tar.gz")).unwrap()).unwrap();
    assert_layers(&image, &[tar]);
}

#[test]
fn dockers_media_types_say_the_same_as_the_specifications() {
    let (_guard, path) = directory();
    let image = TestImage {
        compression: Compression::Gzip,
        ..image()
    };
    let mut files = Files::default();
    let docker = |text: String| {
        text.replace(archive::OCI_MANIFEST, media_type::DOCKER_MANIFEST)
            .replace(archive::OCI_CONFIG, media_type::DOCKER_CONFIG)
            .replace(
                &format!("{}+gzip", archive::OCI_LAYER),
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            )
    };
    let manifest = docker(image.manifest(&mut files).to_string());
    let mut manifest = files.blob(media_type::DOCKER_MANIFEST, manifest.into_bytes());
    manifest["platform"] = image.platform_json();
    let list = json!({
        "schemaVersion": 2,
        "mediaType": media_type::DOCKER_MANIFEST_LIST,
        "manifests": [manifest],
    });
    let list = files.blob(
        media_type::DOCKER_MANIFEST_LIST,
        list.to_string().into_bytes(),
    );
    files.index(&[list]);
    files.write_directory(&path);
    assert_layers(&open(path.to_str().unwrap()).unwrap(), &image.layers);
}

#[test]
fn a_docker_archive_whose_manifest_is_not_whole_is_read_by_its_manifest_json() {
    let (_guard, path) = directory();
    let image = image();
    let mut files = image.classic_archive(&["app:1"]);
    let compressed = TestImage {
        compression: Compression::Gzip,
        ..image.clone()
    };
    let mut layout = Files::default();
    let manifest = compressed.manifest(&mut layout);
    let descriptor = files.blob(archive::OCI_MANIFEST, manifest.to_string().into_bytes());
    files.blob(archive::OCI_CONFIG, image.config().to_string().into_bytes());
    files.index(&[descriptor]);
    files.write_tar(&path.join("a.tar"));
    let found = open(&at(&path, "a.tar")).unwrap();
    assert_layers(&found, &image.layers);
    assert_eq!(found.manifest_digest, None);
}

#[test]
fn an_image_of_no_layers_is_an_image() {
    let (_guard, path) = directory();
    let image = TestImage::new([]);
    let mut files = image.classic_archive(&["empty:1"]);
    // Docker writes neither diff_ids nor Layers for it.
    let config = br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers"}}"#;
    files.put("config.json", *config);
    files.put(
        "manifest.json",
        *br#"[{"Config":"config.json","RepoTags":null,"Layers":null}]"#,
    );
    files.write_tar(&path.join("empty.tar"));
    let found = open(&at(&path, "empty.tar")).unwrap();
    assert!(found.layers.is_empty());
    assert_eq!(
        found.config_digest.unwrap().to_string(),
        archive::digest(config)
    );
}

#[test]
fn what_is_no_image_is_called_what_it_is() {
    let (_guard, path) = directory();
    if installed(&["mke2fs"]) {
        let image = at(&path, "ext.img");
        File::create(&image)
            .and_then(|file| file.set_len(1 << 20))
            .unwrap();
        super::run("/sbin/mke2fs", &["-q", "-F", &image]);
        assert_says(
            &open(&image).unwrap_err().to_string(),
            &["an ext filesystem image, not a container image"],
        );
    }
    fs::write(path.join("empty"), b"").unwrap();
    fs::write(path.join("script"), b"#!/bin/sh\n").unwrap();
    fs::write(path.join("root.tar.xz"), b"\xfd7zXZ\0\0\0").unwrap();
    fs::write(path.join("zeros"), vec![0; 1 << 20]).unwrap();
    // A tar of nothing, and half of a disk's worth of nothing: only who says which is believed.
    fs::write(path.join("no-names"), [0; 1024]).unwrap();
    open(&format!("rootfs:{}", at(&path, "no-names"))).unwrap();
    for (reference, expected) in [
        (at(&path, "empty"), "an empty file"),
        (at(&path, "script"), "a script"),
        (at(&path, "zeros"), "nothing but zeros at its start"),
        (at(&path, "root.tar.xz"), "xz compression"),
        (at(&path, "no-names"), "`rootfs:` takes a tar of nothing"),
        ("/dev/zero".to_owned(), "a terminal, a device"),
        (
            format!("docker-archive:{}", at(&path, "script")),
            "a script",
        ),
        (format!("oci:{}", at(&path, "script")), "oci-archive:PATH"),
        (
            format!("docker-archive:{}", path.display()),
            "found a directory",
        ),
    ] {
        assert_says(&open(&reference).unwrap_err().to_string(), &[expected]);
    }
    // With the dot it is no name of a registry's image.
    let error = open("./alpine:3").unwrap_err().to_string();
    assert_says(
        &error,
        &[
            "alpine:3",
            "no such file",
            "docker-archive:PATH",
            "rootfs:PATH",
        ],
    );
    fs::write(path.join("manifest.json"), b"{}").unwrap();
    assert_says(
        &refused(path.to_str().unwrap()),
        &["manifest.json", "rootfs:PATH"],
    );
}

#[test]
fn older_dockers_symlinked_layers_are_found_inside_the_archive() {
    let (_guard, path) = directory();
    let image = image();
    let mut files = image.classic_archive(&["app:1"]);
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&files.0["manifest.json"]).unwrap();
    manifest[0]["Layers"][1] = "two/layer.tar".into();
    let layer = manifest[0]["Layers"][0].as_str().unwrap().to_owned();
    manifest[0]["Layers"][0] = "one/layer.tar".into();
    files.put_json("manifest.json", &manifest);
    files.put("deep/two.tar", image.layers[1].clone());
    let mut builder = tar::Builder::new(File::create(path.join("a.tar")).unwrap());
    for (kind, name, target) in [
        (
            tar::EntryType::Symlink,
            "one/layer.tar",
            format!("../{layer}"),
        ),
        (
            tar::EntryType::Link,
            "two/layer.tar",
            "deep/two.tar".to_owned(),
        ),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    }
    for (name, bytes) in &files.0 {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.finish().unwrap();
    assert_layers(&open(&at(&path, "a.tar")).unwrap(), &image.layers);
}

/// BuildKit left out the file `oci-layout` for years (docker/buildx#1672), and skopeo and crane do not
/// ask for it. Such a layout was pressed as a root filesystem of blobs, without a word.
#[test]
fn a_layout_without_the_file_that_says_so_is_known_by_all_else_it_has() {
    let (_guard, path) = directory();
    let image = image();
    let mut files = image.layout("1");
    files.0.remove("oci-layout").unwrap();
    files.write_directory(&path.join("layout"));
    files.write_tar(&path.join("layout.tar"));
    for reference in [
        at(&path, "layout"),
        format!("oci:{}", at(&path, "layout:1")),
        at(&path, "layout.tar"),
        format!("oci-archive:{}", at(&path, "layout.tar:1")),
    ] {
        assert_layers(&open(&reference).unwrap(), &image.layers);
    }
    // Either of the two alone is what a root filesystem may have, too.
    for part in ["index.json", "blobs/sha256/x"] {
        let files = Files([(part.to_owned(), b"{}".to_vec())].into());
        let name = part.replace('/', "-");
        files.write_directory(&path.join(&name));
        files.write_tar(&path.join(format!("{name}.tar")));
        for reference in [at(&path, &name), at(&path, &format!("{name}.tar"))] {
            assert_eq!(open(&reference).unwrap().layers.len(), 1, "{reference}");
        }
    }
    fs::create_dir(path.join("empty")).unwrap();
    let told = super::bad(&format!("oci:{}", at(&path, "empty")));
    assert_says(&told, &["not an OCI image layout", "index.json"]);
    assert_says(
        &told,
        &["found a directory of other files, which rootfs: takes"],
    );
}

/// `tar cf image.tar image/` (the advice in moby#10429) made a root filesystem with an image's files in
/// it, without a word.
#[test]
fn a_tar_of_a_directory_with_an_image_in_it_is_no_root_filesystem() {
    let (_guard, path) = directory();
    let image = image();
    let below = |files: &Files| {
        let files = files.0.iter();
        Files(
            files
                .map(|(name, bytes)| (format!("out/{name}"), bytes.clone()))
                .collect(),
        )
    };
    let mut unnamed = image.layout("1");
    unnamed.0.remove("oci-layout").unwrap();
    for (name, files, what) in [
        ("layout.tar", image.layout("1"), "an OCI image layout"),
        ("unnamed.tar", unnamed, "an OCI image layout"),
        (
            "classic.tar",
            image.classic_archive(&["app:1"]),
            "docker save",
        ),
        (
            "modern.tar",
            image.modern_archive("app:1"),
            "an OCI image layout",
        ),
    ] {
        let inner = below(&files);
        inner.write_tar(&path.join(name));
        let told = refused(&at(&path, name));
        assert_says(&told, &[what, "directory out", "tar -C out", "rootfs:PATH"]);
        let root = open(&format!("rootfs:{}", at(&path, name))).unwrap();
        assert_eq!(root.layers.len(), 1);
        // With anything beside it, it is a root filesystem that has an image somewhere.
        let mut beside = inner;
        beside.put("etc/passwd", "root");
        beside.write_tar(&path.join(name));
        assert_eq!(open(&at(&path, name)).unwrap().layers.len(), 1, "{name}");
    }
    // What an extension of a browser has is no image.
    let mut files = Files::default();
    files.put("out/manifest.json", "{}");
    files.put("out/icon.png", "");
    files.write_tar(&path.join("extension.tar"));
    assert_eq!(open(&at(&path, "extension.tar")).unwrap().layers.len(), 1);
}
