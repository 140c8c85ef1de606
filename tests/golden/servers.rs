//! The image out of a registry and out of a docker daemon, where there are the real programs.

use std::ffi::OsStr;

use super::inputs::{IMAGE, image};
use super::support::archive::Compression;
use super::support::changeset::daemon::Daemon;
use super::support::oracles::{is_root, program, skip};
use super::table::Table;
use super::{built, support};

#[allow(dead_code)]
#[path = "../registry/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../registry/push.rs"]
mod push;
#[allow(dead_code)]
#[path = "../registry/registry_server.rs"]
mod registry_server;
#[allow(dead_code)]
#[path = "../registry/tls.rs"]
mod tls;
#[allow(dead_code)]
#[path = "../registry/token_server.rs"]
mod token_server;

use push::Repository;
use registry_server::Registry;

#[test]
fn the_image_in_a_registry_has_its_one_row() {
    let Some(registry) = Registry::plain() else {
        return;
    };
    let table = Table::read();
    for (tag, compression) in [
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ] {
        let repository = Repository::new(registry.address, "layers");
        repository.push(&image(compression).layout(tag), tag);
        let reference = repository.reference(tag);
        let found = built(OsStr::new(&reference), "--no-cache", |_| ());
        assert_eq!(found, table.of(IMAGE), "{tag}");
    }
}

#[test]
fn the_image_in_a_docker_daemon_has_its_one_row() {
    if !is_root() {
        skip("daemons need root");
        return;
    }
    if program("dockerd").is_none() || program("docker").is_none() {
        return;
    }
    let daemon = Daemon::dockerd("vfs", &[]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("app.tar");
    image(Compression::None)
        .classic_archive(&["app:1"])
        .write_tar(&archive);
    daemon
        .run(&["load", "-i", archive.to_str().unwrap()])
        .unwrap();
    let socket = Daemon::socket(daemon.work());
    let found = built(OsStr::new("docker-daemon:app:1"), "", |command| {
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    });
    assert_eq!(found, Table::read().of(IMAGE));
}
