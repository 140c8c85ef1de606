//! A real podman's service, which speaks docker's API.

use std::path::Path;

use super::support::changeset::daemon::Daemon;
use super::support::oracles::is_root_with;
use super::support::run::Press;
use super::{address, build, built_of, image, take_output};

pub fn start() -> Daemon {
    let started = Daemon::start("podman", "podman", |command, work| {
        command
            .arg("--root")
            .arg(work.join("root"))
            .arg("--runroot")
            .arg(work.join("run"))
            .args(["--storage-driver=vfs", "--events-backend=none"])
            .args(["--cgroup-manager=cgroupfs", "system", "service", "--time=0"])
            .arg(address(&Daemon::socket(work)));
    });
    started.unwrap()
}

pub fn load(daemon: &Daemon, archive: &Path) {
    daemon
        .run(&["load", "-i", archive.to_str().unwrap()])
        .unwrap();
}

#[test]
fn an_image_of_podman_becomes_the_same_filesystem_as_its_archive() {
    if !is_root_with(&["podman"]) {
        return;
    }
    let daemon = start();
    let press = Press::new();
    image()
        .classic_archive(&["example.org/app:1"])
        .write_tar(&press.image());
    load(&daemon, &press.image());
    let expected = built_of(&press, press.image().to_str().unwrap());
    let host = address(&Daemon::socket(daemon.work()));
    let id = daemon.run(&[
        "image",
        "inspect",
        "--format",
        "{{.Id}}",
        "example.org/app:1",
    ]);
    let id = id.unwrap();
    let id = id.trim().trim_start_matches("sha256:");
    for name in ["example.org/app:1", id, &id[..12], &format!("sha256:{id}")] {
        build(&press, &host, name).succeeded();
        assert!(take_output(&press) == expected, "{name}");
    }
    let ended = build(&press, &host, "example.org/nothing:1");
    ended.failed(3, &["no image example.org/nothing:1"]);
    assert!(press.left().is_empty());
}

#[test]
fn an_image_in_oci_form_is_the_same_image_through_podman() {
    if !is_root_with(&["podman"]) {
        return;
    }
    let daemon = start();
    let press = Press::new();
    let archive = press.input("oci.tar");
    image().layout("localhost/app:2").write_tar(&archive);
    load(&daemon, &archive);
    let expected = built_of(&press, archive.to_str().unwrap());
    let host = address(&Daemon::socket(daemon.work()));
    build(&press, &host, "localhost/app:2").succeeded();
    assert!(take_output(&press) == expected);
}
