//! Ways for an image to get into a registry: skopeo, and byte for byte as it is.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::http::{self, Head};
use super::support::archive::Files;
use super::support::oracles::program;

/// `skopeo copy` without what the environment says of registries.
pub fn skopeo(from: &str, to: &str, options: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new("skopeo")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env("TMPDIR", home.path())
        .args(["--insecure-policy", "copy", "-q"])
        .args(options)
        .args([from, to])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {from} {to}: {error}");
}

/// Pushes with skopeo by plain HTTP.
pub fn skopeo_plain(from: &str, to: &str, options: &[&str]) {
    let options = [&["--dest-tls-verify=false"], options].concat();
    skopeo(from, to, &options);
}

/// Whether skopeo is there; says so where it is not.
pub fn has_skopeo() -> bool {
    program("skopeo").is_some()
}

/// A repository of a registry that everybody may push to.
#[derive(Debug, Clone)]
pub struct Repository {
    pub registry: SocketAddr,
    pub name: String,
}

impl Repository {
    pub fn new(registry: SocketAddr, name: &str) -> Self {
        Self {
            registry,
            name: name.to_owned(),
        }
    }

    /// Pushes a layout with all its blobs unchanged and tags what its `index.json` lists; gives
    /// the digest of that.
    pub fn push(&self, layout: &Files, tag: &str) -> String {
        let index: Value = serde_json::from_slice(&layout.0["index.json"]).unwrap();
        let mut last = String::new();
        for descriptor in index["manifests"].as_array().unwrap() {
            self.push_manifest(layout, descriptor, tag);
            last = digest_of(descriptor).to_owned();
        }
        last
    }

    fn push_manifest(&self, layout: &Files, descriptor: &Value, reference: &str) {
        let digest = digest_of(descriptor);
        let bytes = &layout.0[&format!("blobs/{}", digest.replace(':', "/"))];
        let manifest: Value = serde_json::from_slice(bytes).unwrap();
        for inner in manifest["manifests"].as_array().into_iter().flatten() {
            self.push_manifest(layout, inner, digest_of(inner));
        }
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for blob in manifest.get("config").into_iter().chain(layers) {
            let digest = digest_of(blob);
            let bytes = &layout.0[&format!("blobs/{}", digest.replace(':', "/"))];
            self.put_blob(digest, bytes);
        }
        let media_type = descriptor["mediaType"].as_str().unwrap();
        self.put_manifest(reference, media_type, bytes);
    }

    /// Stores a blob.
    pub fn put_blob(&self, digest: &str, bytes: &[u8]) {
        let begin = format!("POST /v2/{}/blobs/uploads/ HTTP/1.1", self.name);
        let begin = Head::new(&begin, &[("Content-Length", "0")]);
        let (head, body) = http::ask(self.registry, &begin, b"").unwrap();
        assert_eq!(head.status(), 202, "{}", String::from_utf8_lossy(&body));
        let location = head.get("Location").unwrap();
        let path = location.splitn(4, '/').nth(3).unwrap();
        let put = format!("PUT /{path}&digest={digest} HTTP/1.1");
        self.put(&put, "application/octet-stream", bytes);
    }

    /// Stores a manifest or an index under a tag or its digest.
    pub fn put_manifest(&self, reference: &str, media_type: &str, bytes: &[u8]) {
        let put = format!("PUT /v2/{}/manifests/{reference} HTTP/1.1", self.name);
        self.put(&put, media_type, bytes);
    }

    fn put(&self, start: &str, media_type: &str, bytes: &[u8]) {
        let mut head = Head::new(start, &[("Content-Type", media_type)]);
        head.set("Content-Length", bytes.len());
        let (head, body) = http::ask(self.registry, &head, bytes).unwrap();
        let said = String::from_utf8_lossy(&body);
        assert_eq!(head.status(), 201, "{start}: {said}");
    }

    /// `docker://` with the registry's own address.
    pub fn reference(&self, tag: &str) -> String {
        self.at(self.registry, tag)
    }

    /// `docker://` by way of another address.
    pub fn at(&self, address: impl std::fmt::Display, tag: &str) -> String {
        let separator = if tag.starts_with('@') { "" } else { ":" };
        format!("docker://{address}/{}{separator}{tag}", self.name)
    }
}

fn digest_of(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().unwrap()
}

/// The fixture, a real small image.
pub fn busybox() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/busybox.tar");
    format!("docker-archive:{}", path.display())
}
