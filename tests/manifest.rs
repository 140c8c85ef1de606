//! A manifest tells of a build what others find out about its image, its files and its filesystem,
//! and nothing of the machine that built it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use layerpress::manifest::Manifest;
use support::archive::{Compression, TestImage};
use support::oracles::{is_root, skip, succeed};
use support::rootfs::{Item, Rootfs, What, bytes, directory, file, link, symlink};
use support::run::{Press, layerpress};
use support::tarball::tar_bytes;

fn rootfs() -> Rootfs {
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    Rootfs::of([
        directory("etc"),
        file("etc/one", bytes(5000)),
        link("etc/two", "etc/one"),
        link("etc/three", "etc/one"),
        directory("bin"),
        file("bin/ping", bytes(70)).xattr("security.capability", capability),
        file("bin/su", bytes(80)).mode(0o4755),
        file("bin/wall", bytes(90)).mode(0o6755),
        directory("shared").mode(0o2775).xattr("user.a", *b"b"),
        symlink("lib", "usr/lib"),
        Item::new("null", What::Character(1, 3)),
        Item::new("pipe", What::Fifo),
    ])
}

fn image() -> TestImage {
    TestImage {
        compression: Compression::Gzip,
        ..TestImage::new([tar_bytes(&rootfs())])
    }
}

/// A manifest's bytes, of a build into a directory of its own.
fn built(press: &Press, image: &Path, transport: &str, options: &[&str]) -> Vec<u8> {
    let mut reference = OsString::from(transport);
    reference.push(image);
    let path = press.root().join("out/manifest.json");
    let mut build = press.command("build");
    build.arg(reference);
    press.add_directories(&mut build);
    build.arg("--manifest").arg(&path).args(options);
    press.run(&mut build).succeeded();
    fs::read(path).unwrap()
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn what_is_told_of_image_files_and_filesystem_is_what_others_find() {
    let press = Press::new();
    let layout = press.input("layout");
    image().layout("1").write_directory(&layout);
    let packages = press.root().join("out/packages.json");
    let packages = format!("--packages={}", packages.display());
    let manifest = read(&built(
        &press,
        &layout,
        "oci:",
        &["--verity", "--sha256", "--fs=ext4", "--size=+8M", &packages],
    ));
    // The files, as sha256sum finds them.
    let files = manifest["files"].as_array().unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "fs.img",
            "fs.img.roothash",
            "fs.img.sha256",
            "packages.json"
        ]
    );
    for file in files {
        let path = press
            .root()
            .join("out")
            .join(file["name"].as_str().unwrap());
        let line = String::from_utf8(succeed("sha256sum", [&path])).unwrap();
        assert_eq!(file["sha256"], line[..64]);
        assert_eq!(file["size_bytes"], fs::metadata(&path).unwrap().len());
    }
    assert_eq!(manifest["output"], files[0]);
    // The image, as its own documents have it.
    let index = read(&fs::read(layout.join("index.json")).unwrap());
    assert_eq!(
        manifest["image"]["manifest_digest"],
        index["manifests"][0]["digest"]
    );
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let document = read(&fs::read(layout.join("blobs/sha256").join(&digest[7..])).unwrap());
    assert_eq!(manifest["image"]["image_id"], document["config"]["digest"]);
    assert_eq!(manifest["image"]["reference"], "1");
    let layer = &manifest["image"]["layers"][0];
    assert_eq!(layer["index"], 1);
    assert_eq!(layer["digest"], document["layers"][0]["digest"]);
    assert_eq!(layer["diff_id"], image().diff_ids()[0].as_str());
    assert_eq!(manifest["image"]["chain_id"], layer["diff_id"]);
    // The filesystem, as dumpe2fs finds it.
    let header = succeed("dumpe2fs", [Path::new("-h"), &press.output()]);
    let header = String::from_utf8(header).unwrap();
    let field = |name: &str| -> String {
        let line = header.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {header}"))
            .trim()
            .to_owned()
    };
    let number = |name: &str| json!(field(name).parse::<u64>().unwrap());
    let filesystem = &manifest["filesystem"];
    assert_eq!(filesystem["type"], "ext4");
    assert_eq!(filesystem["uuid"], field("Filesystem UUID:").as_str());
    assert_eq!(
        filesystem["hash_seed"],
        field("Directory Hash Seed:").as_str()
    );
    assert_eq!(filesystem["blocks"]["total"], number("Block count:"));
    assert_eq!(
        filesystem["blocks"]["reserved"],
        number("Reserved block count:")
    );
    assert_eq!(filesystem["block_bytes"], number("Block size:"));
    assert_eq!(filesystem["inodes"]["total"], number("Inode count:"));
    assert_eq!(filesystem["inodes"]["free"], number("Free inodes:"));
    // As statfs computes it: the kernel keeps a 50th of an ext4 for itself, and at most 4096 blocks.
    let count = |name: &str| number(name).as_u64().unwrap();
    let kept = (count("Block count:") / 50).min(4096);
    let available = count("Free blocks:") - count("Reserved block count:") - kept;
    assert_eq!(filesystem["blocks"]["available"], available);
    assert_eq!(filesystem["available_bytes"], available * 4096);
    let root_hash = fs::read_to_string(press.root().join("out/fs.img.roothash")).unwrap();
    assert_eq!(manifest["verity"]["root_hash"], root_hash.trim());
    assert_eq!(
        manifest["proofs"],
        json!({ "e2fsck": true, "verify": false, "verity": true })
    );
    // What went in.
    let content: u64 = 5000 + 70 + 80 + 90;
    assert_eq!(
        manifest["counts"],
        json!({
            "entries": 13, "directories": 4, "files": 4, "symlinks": 1,
            "character_devices": 1, "block_devices": 0, "fifos": 1, "hard_links": 2,
            "content_bytes": content, "setuid_files": 2, "setgid_files": 1,
            "files_with_capabilities": 1, "entries_with_acls": 0, "entries_with_xattrs": 2,
        })
    );
}

/// Whoever builds it, wherever, and wherever from, as long as names and digests are the same.
#[test]
fn two_users_in_two_directories_get_the_same_manifest_from_two_sources() {
    let one = Press::new();
    let layout = one.input("layout");
    image().layout("1").write_directory(&layout);
    let options = ["--verity", "--sha256"];
    let first = built(&one, &layout, "oci:", &options);
    let other = Press::new();
    let archive = other.input("archive.tar");
    image().layout("1").write_tar(&archive);
    let second = built(&other, &archive, "oci-archive:", &options);
    assert_eq!(first, second, "{}", String::from_utf8_lossy(&second));
    for press in [&one, &other] {
        let text = String::from_utf8_lossy(&first);
        let root = press.root().file_name().unwrap().to_str().unwrap();
        assert!(!text.contains(root), "{text}");
    }
    if !is_root() {
        skip("only root builds as another user");
        return;
    }
    let third = tempfile::tempdir().unwrap();
    for directory in [third.path(), other.root(), &other.root().join("in")] {
        fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&archive, PermissionsExt::from_mode(0o644)).unwrap();
    chown(third.path(), Some(1234), Some(1234)).unwrap();
    let program = third.path().join("layerpress");
    fs::copy(layerpress().get_program(), &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let status = Command::new("setpriv")
        .args(["--reuid=1234", "--regid=1234", "--clear-groups", "sh", "-c"])
        .arg("umask 077; exec \"$0\" build - -q -o fs.img --manifest manifest.json --verity --sha256")
        .arg(&program)
        .current_dir(third.path())
        .env("HOME", "/nowhere")
        .env("TZ", "Asia/Tokyo")
        .stdin(File::open(&archive).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(fs::read(third.path().join("manifest.json")).unwrap(), first);
}

#[test]
fn a_manifest_is_read_back_and_another_version_of_it_is_not() {
    let press = Press::with_layers([tar_bytes(&rootfs())]);
    let bytes = built(&press, &press.image(), "", &[]);
    let manifest = Manifest::from_bytes(&bytes).unwrap();
    assert_eq!(manifest.to_bytes().unwrap(), bytes);
    assert_eq!(manifest.request.sha256().unwrap(), manifest.request_sha256);
    assert!(!manifest.request.reads_host());
    let text = String::from_utf8(bytes).unwrap();
    let later = text.replace("manifest.v1", "manifest.v2");
    let error = Manifest::from_bytes(later.as_bytes()).unwrap_err();
    assert!(error.contains("found layerpress.manifest.v2"), "{error}");
    assert!(Manifest::from_bytes(b"{}").is_err());
}

/// What was asked for is told apart by what the bytes depend on, and by nothing else.
#[test]
fn the_digest_of_a_request_is_of_what_determines_the_bytes() {
    let press = Press::with_layers([tar_bytes(&rootfs())]);
    let digest = |options: &[&str]| {
        let manifest = read(&built(&press, &press.image(), "", options));
        (
            manifest["request_sha256"].as_str().unwrap().to_owned(),
            manifest,
        )
    };
    let (plain, _) = digest(&[]);
    for same in [
        &["--verify", "--sha256", "--sync"][..],
        &["--no-fsck", "--jobs=1"],
    ] {
        assert_eq!(digest(same).0, plain, "{same:?}");
    }
    for other in [
        &["--fs=ext4"][..],
        &["--size=fit"],
        &["--free-inodes=7"],
        &["--label=a"],
        &["--verity"],
        &["--mkdir=/app"],
    ] {
        assert_ne!(digest(other).0, plain, "{other:?}");
    }
    // An edit that does nothing is asked for, and is no other recipe.
    let (_, nothing) = digest(&["--mkdir=/etc"]);
    let (_, without) = digest(&[]);
    assert_eq!(nothing["request"]["edits"]["mkdir"][0]["path"], "/etc");
    for key in ["recipe_digest", "files"] {
        assert_eq!(nothing[key], without[key], "{key}");
    }
    assert_eq!(nothing["edits_digest"], Value::Null);
    let (_, edited) = digest(&["--mkdir=/app"]);
    assert_ne!(edited["edits_digest"], Value::Null);
    assert_ne!(edited["recipe_digest"], without["recipe_digest"]);
}

#[test]
fn a_start_configuration_is_told_in_the_form_of_an_image_configuration() {
    let config: layerpress::oci::RuntimeConfig = serde_json::from_value(json!({
        "Entrypoint": ["/init"], "Cmd": null, "Env": ["A=b"], "User": "web",
        "WorkingDir": "/app", "StopSignal": "SIGTERM", "ExposedPorts": { "80/tcp": {} },
        "Volumes": { "/data": {} }, "Labels": { "a": "b", "c": null }, "Shell": ["/bin/sh"],
    }))
    .unwrap();
    let start = serde_json::to_value(layerpress::manifest::Start::from(&config)).unwrap();
    assert_eq!(
        start,
        json!({
            "Entrypoint": ["/init"], "Env": ["A=b"], "User": "web", "WorkingDir": "/app",
            "StopSignal": "SIGTERM", "ExposedPorts": { "80/tcp": {} },
            "Volumes": { "/data": {} }, "Labels": { "a": "b", "c": "" },
        })
    );
}

/// It is refused before the image is read, and nothing is left.
#[test]
fn a_manifest_needs_a_name_that_is_no_others() {
    let press = Press::with_layers([tar_bytes(&rootfs())]);
    let output = press.output();
    for (manifest, packages, code, words) in [
        ("-", None, 2, &["--manifest -", "expected a file"][..]),
        (output.to_str().unwrap(), None, 5, &["one for two"]),
        ("{out}/a.json", Some("{out}/a.json"), 5, &["one for two"]),
        ("{out}/none/a.json", None, 3, &["out/none: No such file"]),
    ] {
        let out = press.root().join("out");
        let shown = |path: &str| path.replace("{out}", out.to_str().unwrap());
        let mut build = press.build();
        build.arg("--manifest").arg(shown(manifest));
        if let Some(packages) = packages {
            build.arg("--packages").arg(shown(packages));
        }
        press.run(&mut build).failed(code, words);
        assert_eq!(press.left(), [""; 0]);
    }
}
