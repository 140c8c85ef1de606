//! A registry that has one image and gives it to everybody.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::json;

use super::archive::{Files, OCI_MANIFEST, TestImage, digest, zstd};
use super::small_server::serve as listen;

/// Serves an image until the test program ends; `HOST:PORT`.
pub fn serve(image: &TestImage) -> String {
    let mut files = Files::default();
    let manifest = image.manifest(&mut files).to_string().into_bytes();
    serve_all(manifest, files)
}

/// Serves a filesystem of two segments, one of zeros, as an artifact.
pub fn serve_filesystem() -> String {
    let mut files = Files::default();
    let kind = "vnd.filesystem-image";
    let media_type = |what: &str| format!("application/{kind}.{what}");
    let plain = b"0123456789abcdef".repeat(256);
    let file = [&plain[..], &[0; 4096]].concat();
    let sha256 = digest(&file)["sha256:".len()..].to_owned();
    let config = json!({ "output": { "size_bytes": file.len(), "sha256": sha256 } });
    let config = config.to_string().into_bytes();
    let config = files.blob(&media_type("config.v1+json"), config);
    let mut segment = files.blob(&media_type("segment.v1+zstd"), zstd(&plain));
    segment["annotations"] = json!({
        "vnd.filesystem-image.segment.offset": "0",
        "vnd.filesystem-image.segment.length": plain.len().to_string(),
        "vnd.filesystem-image.segment.digest": digest(&plain),
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": media_type("v1"),
        "config": config,
        "layers": [segment],
        "annotations": {
            "vnd.filesystem-image.size": file.len().to_string(),
            "vnd.filesystem-image.sha256": sha256,
        },
    });
    serve_all(manifest.to_string().into_bytes(), files)
}

fn serve_all(manifest: Vec<u8>, files: Files) -> String {
    let blobs: Vec<_> = files.0.into_values().collect();
    let tags = json!({ "name": "name", "tags": ["1", "latest"] }).to_string();
    listen(move |asked, stream| {
        let path = &asked.path;
        let found = if path.ends_with("/v2/") {
            Some((&b"{}"[..], "application/json"))
        } else if path.ends_with("/tags/list") {
            Some((tags.as_bytes(), "application/json"))
        } else if path.contains("/manifests/") {
            Some((&manifest[..], OCI_MANIFEST))
        } else {
            let blob = blobs.iter().find(|blob| path.ends_with(&digest(blob)));
            blob.map(|blob| (&blob[..], "application/octet-stream"))
        };
        match found {
            Some((body, media_type)) => {
                let headers = format!(
                    "Content-Type: {media_type}\r\nDocker-Content-Digest: {}\r\n",
                    digest(body)
                );
                asked.answer(stream, "200 OK", &headers, body);
            }
            None => asked.answer(stream, "404 Not Found", "", b""),
        }
    })
}

/// A registry that takes what it is given, all of it into the repository `name`; serves until the test
/// program ends, `HOST:PORT`.
pub fn serve_pushes() -> String {
    let stored = Mutex::new(BTreeMap::<String, Vec<u8>>::new());
    listen(move |asked, stream| {
        let mut stored = stored.lock().unwrap();
        let found = stored.get(&asked.path);
        match (asked.method.as_str(), found) {
            ("GET", _) if asked.path.ends_with("/v2/") => {
                asked.answer(stream, "200 OK", "", b"{}");
            }
            ("GET" | "HEAD", Some(body)) => asked.answer(stream, "200 OK", "", body),
            ("GET" | "HEAD", None) => asked.answer(stream, "404 Not Found", "", b""),
            ("POST", _) => {
                let headers = "Location: /v2/upload?state=1\r\n";
                asked.answer(stream, "202 Accepted", headers, b"");
            }
            _ => {
                let digest = asked.path.split("digest=").nth(1);
                let path = digest.map(|digest| {
                    let digest = digest.replace("%3A", ":");
                    format!("/v2/name/blobs/{digest}")
                });
                let path = path.unwrap_or_else(|| asked.path.clone());
                stored.insert(path, asked.body.clone());
                asked.answer(stream, "201 Created", "", b"");
            }
        }
    })
}
