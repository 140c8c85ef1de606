//! What engines make of what was written: each shows what the kernel shows of the filesystem.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use layerpress::listing::{Field, Listing, compare};
use serde_json::Value;

use crate::rig::{Rig, image};
use crate::support::archive::{Compression, TestImage, layer_tar};
use crate::support::changeset::containerd::Containerd;
use crate::support::changeset::docker::Docker;
use crate::support::oracles::{self, Mounted, directory_listing, is_root_with};
use crate::support::session::Layer;

/// `cap_net_raw=ep`, as Linux stores it.
const CAPABILITY: [u8; 20] = *b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// An image with directories to be removed and files to be replaced.
fn base() -> TestImage {
    let mut image = image();
    image.layers.push(
        Layer::new()
            .file("large", &[b'l'; 1 << 20])
            .directory("opt")
            .directory("opt/old")
            .file("opt/old/a", b"a")
            .file("opt/old/b", b"b")
            .directory("opt/emptied")
            .file("opt/emptied/x", b"x")
            .file("opt/emptied/y", b"y")
            .file("opt/emptied/z", b"z")
            .directory("var")
            .file("var/was-file", b"file")
            .directory("var/was-directory")
            .file("var/was-directory/below", b"below")
            .tar(),
    );
    image
}

/// What a guest may do to a filesystem that it has mounted.
fn used_by_a_guest(filesystem: &Path) {
    let mounted = Mounted::read_write(filesystem);
    let at = |name: &str| mounted.mount_point().join(name);
    fs::remove_dir_all(at("opt/old")).unwrap();
    for name in ["x", "y", "z"] {
        fs::remove_file(at("opt/emptied").join(name)).unwrap();
    }
    fs::write(at("opt/emptied/new"), "new").unwrap();
    fs::remove_file(at("var/was-file")).unwrap();
    fs::create_dir(at("var/was-file")).unwrap();
    fs::write(at("var/was-file/below"), "below").unwrap();
    fs::remove_dir_all(at("var/was-directory")).unwrap();
    fs::write(at("var/was-directory"), "file").unwrap();
    fs::write(at("etc/plain"), "another content\n").unwrap();
    fs::set_permissions(at("etc/empty"), fs::Permissions::from_mode(0o4711)).unwrap();
    chown(at("three"), Some(1000), Some(70_000)).unwrap();
    fs::hard_link(at("usr/bin/tool"), at("usr/bin/tool-2")).unwrap();
    symlink("tool-2", at("usr/bin/link")).unwrap();
    fs::write(at("usr/bin/capable"), "program").unwrap();
    rustix::fs::setxattr(
        at("usr/bin/capable"),
        "security.capability",
        &CAPABILITY,
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    rustix::fs::setxattr(
        at("etc/marked"),
        "user.mark",
        b"changed",
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    let touched = Command::new("touch")
        .args(["-d", "2020-02-02 02:02:02.123456789"])
        .arg(at("one"))
        .status();
    assert!(touched.unwrap().success());
    drop(UnixListener::bind(at("var/socket")).unwrap());
    let is_socket = fs::metadata(at("var/socket"))
        .unwrap()
        .file_type()
        .is_socket();
    assert!(is_socket);
}

/// What the kernel shows of the filesystem, but for what is left out.
fn expected(rig: &Rig) -> Listing {
    let copy = rig.press.input("listed.img");
    fs::copy(rig.filesystem(), &copy).unwrap();
    oracles::debugfs_write(&copy, &["rmdir lost+found", "rm var/socket"]);
    let mounted = Mounted::read_only(&copy);
    directory_listing(&mounted.mount_point())
}

#[track_caller]
fn equal(found: &Listing, expected: &Listing, by: &str) {
    let differences = compare(expected, found);
    assert!(differences.is_empty(), "{by}: {differences:#?}");
}

/// The same for an engine that puts something into the root and takes it away again while it unpacks.
#[track_caller]
fn equal_but_for_the_roots_time(found: &Listing, expected: &Listing, by: &str) {
    let mut differences = compare(expected, found);
    differences
        .retain(|difference| !difference.path().is_empty() || difference.fields != [Field::Mtime]);
    assert!(differences.is_empty(), "{by}: {differences:#?}");
}

fn umoci(layout: &Path, tag: &str, work: &Path) -> Listing {
    let bundle = work.join("bundle");
    let image = format!("{}:{tag}", layout.display());
    oracles::succeed(
        "umoci",
        ["unpack", "--image", &image, bundle.to_str().unwrap()],
    );
    directory_listing(&bundle.join("rootfs"))
}

/// The first number of the daemon's version.
fn docker_version(docker: &Docker) -> u32 {
    let version = docker
        .run(&["version", "--format={{.Server.Version}}"])
        .unwrap();
    version.split('.').next().unwrap().parse().unwrap()
}

/// podman with all that it keeps below `work`, run in a directory: it makes names of paths.
fn podman(reference: &str, at: &Path, work: &Path) -> Listing {
    let run = |arguments: &[&str]| {
        let mut podman = Command::new("podman");
        podman
            .current_dir(at)
            .arg("--root")
            .arg(work.join("root"))
            .arg("--runroot")
            .arg(work.join("run"))
            .args(["--storage-driver=vfs", "--events-backend=none"])
            .args(arguments);
        let output = podman.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let id = run(&["pull", "--quiet", reference]);
    let mounted = run(&["image", "mount", &id]);
    let listing = directory_listing(Path::new(&mounted));
    run(&["image", "unmount", &id]);
    run(&["image", "rm", "--force", &id]);
    listing
}

#[test]
fn engines_show_what_the_kernel_shows_of_the_filesystem() {
    let programs = [
        "dockerd",
        "docker",
        "containerd",
        "ctr",
        "umoci",
        "podman",
        "mount",
        "touch",
    ];
    if !is_root_with(&programs) {
        return;
    }
    let docker = Docker::start().unwrap();
    let containerd = Containerd::start().unwrap();
    for compression in ["gzip", "none", "zstd"] {
        let rig = Rig::of(&base());
        used_by_a_guest(&rig.filesystem());
        let expected = expected(&rig);
        for (what, options) in [
            ("whole", &["--platform=linux/amd64"][..]),
            ("changes", &["--base", "BASE"]),
        ] {
            let work = tempfile::tempdir().unwrap();
            let work = |name: &str| {
                let path = work.path().join(name);
                fs::create_dir(&path).unwrap();
                path
            };
            let options = [options, &["--compress", compression]].concat();
            let told = rig.exported(&rig.target("oci", &format!("{what}:x")), &options);
            assert_eq!(told["left_out"]["sockets"], 1);
            if what == "changes" {
                let count = |key: &str| told["layer"][key].as_u64().unwrap();
                assert!(count("whiteouts") + count("opaque_whiteouts") > 0, "{told}");
                // Not what the base has already.
                assert!(count("tar_bytes") < 100_000, "{told}");
            }
            let archive = rig.out(&format!("{what}.tar"));
            let name = format!("docker-archive:{}", archive.display());
            rig.exported(&format!("{name}:exported:1"), &options);
            let by = |engine: &str| format!("{engine}, {what}, {compression}");
            let list = directory_listing;
            // Of docker those from 23 on know zstd.
            if compression != "zstd" || docker_version(&docker) >= 23 {
                let shown = docker.shown(&archive, "exported:1", &work("docker"), list);
                let shown = shown.unwrap();
                equal_but_for_the_roots_time(&shown, &expected, &by("docker"));
            }
            let full = "docker.io/library/exported:1";
            let shown = containerd.shown(&archive, full, &work("containerd"), list);
            let shown = shown.unwrap();
            equal_but_for_the_roots_time(&shown, &expected, &by("containerd"));
            let shown = podman(&name, Path::new("/"), &work("podman"));
            equal_but_for_the_roots_time(&shown, &expected, &by("podman"));
            let layout = format!("oci:{}:x", rig.out(what).display());
            let (out, relative) = (&rig.out(""), format!("oci:{what}:x"));
            let shown = podman(&relative, out, &work("podman-layout"));
            equal_but_for_the_roots_time(&shown, &expected, &by("podman"));
            // The umoci of Debian knows no zstd.
            if compression != "zstd" {
                let found = umoci(&rig.out(what), "x", &work("umoci"));
                equal(&found, &expected, &by("umoci"));
            }
            rig_again(&rig, &layout);
        }
    }
}

/// A filesystem made of what was written is the one it was written from.
fn rig_again(rig: &Rig, layout: &str) {
    let mut diff = rig.press.command("diff");
    diff.arg(rig.filesystem()).arg(layout);
    let ended = rig.press.run(&mut diff);
    // But for the socket.
    let differing: Vec<_> = ended
        .stdout
        .lines()
        .filter(|line| line.contains("var/"))
        .collect();
    assert!(ended.stdout.contains("var/socket"), "{}", ended.stdout);
    assert_eq!(differing.len(), 1, "{}", ended.stdout);
}

#[test]
fn a_container_of_the_image_runs_with_what_was_added() {
    if !is_root_with(&["dockerd", "docker", "busybox"]) {
        return;
    }
    let busybox = fs::read(oracles::required("busybox")).unwrap();
    let image = TestImage {
        compression: Compression::Gzip,
        ..TestImage::new([
            Layer::new()
                .directory("bin")
                .executable("bin/busybox", &busybox)
                .tar(),
            layer_tar(&[("greeting", b"before\n")]),
        ])
    };
    let rig = Rig::of(&image);
    oracles::debugfs_write(&rig.filesystem(), &["rm greeting", "mkdir added"]);
    let archive = rig.out("run.tar");
    let target = format!("docker-archive:{}:exported:run", archive.display());
    rig.exported(&target, &["--base", "BASE"]);
    let docker = Docker::start().unwrap();
    docker
        .run(&["load", "--input", archive.to_str().unwrap()])
        .unwrap();
    let id = docker.run(&["image", "inspect", "--format={{.Id}}", "exported:run"]);
    let history = docker.run(&[
        "history",
        "--no-trunc",
        "--format={{.CreatedBy}}",
        "exported:run",
    ]);
    assert!(history.unwrap().starts_with("layerpress export\n"));
    let created = docker.run(&[
        "create",
        "--network=none",
        "exported:run",
        "/bin/busybox",
        "true",
    ]);
    let tar = rig.out("flat.tar");
    docker
        .run(&[
            "export",
            "--output",
            tar.to_str().unwrap(),
            created.unwrap().trim(),
        ])
        .unwrap();
    let listed = oracles::succeed("tar", ["tf", tar.to_str().unwrap()]);
    let listed = String::from_utf8(listed).unwrap();
    assert!(listed.lines().any(|name| name == "added/"), "{listed}");
    assert!(!listed.contains("greeting"), "{listed}");
    let told = rig.exported(
        &rig.target("docker-archive", "again.tar:exported:run"),
        &["--base", "BASE"],
    );
    assert_eq!(told["image_id"], Value::from(id.unwrap().trim()));
}

#[test]
fn skopeo_copies_and_inspects_what_was_written() {
    if !oracles::installed(&["skopeo"]) {
        return;
    }
    let rig = Rig::new();
    let policy = "--insecure-policy";
    for (number, (transport, name)) in [
        ("oci", "layout:x"),
        ("docker-archive", "a.tar:exported:1"),
        ("oci-archive", "b.tar:x"),
    ]
    .iter()
    .enumerate()
    {
        let target = rig.target(transport, name);
        let told = rig.exported(&target, &["--base", "BASE", "--compress=zstd"]);
        let found = oracles::succeed("skopeo", [policy, "inspect", "--config", &target]);
        let found: Value = serde_json::from_slice(&found).unwrap();
        assert_eq!(found["history"].as_array().unwrap().len(), 3);
        let copy = rig.target("oci", &format!("copy{number}:y"));
        oracles::succeed("skopeo", [policy, "copy", &target, &copy]);
        rig.shows_the_same(&copy);
        if *transport != "docker-archive" {
            let raw = oracles::succeed("skopeo", [policy, "inspect", "--raw", &target]);
            assert_eq!(
                told["manifest_digest"],
                crate::support::archive::digest(&raw)
            );
        }
    }
}
