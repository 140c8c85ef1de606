//! A real docker daemon runs dpkg-query inside an image.

use std::path::Path;
use std::process::Command;

use crate::support::oracles::{is_root_with, required, skip};
use crate::support::run::Press;
use crate::support::session::Layer;
use crate::{FORMAT, installed, read, status};

/// dpkg-query with all that it needs to run, the interpreter among it.
fn with_dpkg_query(mut layer: Layer) -> Layer {
    let program = required("dpkg-query");
    let listed = Command::new("ldd").arg(&program).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let words = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    let needed = words.map(Path::new).chain([&*program]);
    for path in needed {
        let content = std::fs::read(path).unwrap();
        let name = path.to_str().unwrap().trim_start_matches('/');
        layer = layer.executable(name, &content);
    }
    layer
}

#[test]
fn dpkg_query_inside_the_image_lists_the_same() {
    if !is_root_with(&["dockerd", "docker", "dpkg-query", "ldd"]) {
        skip("not root, or dockerd, docker, dpkg-query or ldd is not installed");
        return;
    }
    let press = Press::new();
    let layer = with_dpkg_query(Layer::new()).file("var/lib/dpkg/status", status().as_bytes());
    let (found, _) = read(&press, vec![layer.tar()]);
    let script = "docker load -q -i \"$0\" >&2 && exec docker run --rm --network none test:1 \"$1\" -W -f \"$2\"";
    let run = Command::new("scripts/with-dockerd")
        .arg(press.root().join("dockerd"))
        .args(["sh", "-c", script])
        .arg(press.image())
        .arg(required("dpkg-query"))
        .arg(FORMAT)
        .env("DOCKERD_OPTIONS", "--storage-driver=vfs")
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let expected = installed(&String::from_utf8(run.stdout).unwrap());
    assert!(expected.len() > 50, "{}", expected.len());
    assert_eq!(found, expected);
}
