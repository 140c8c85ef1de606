//! A registry that has one image and gives it to everybody.

use serde_json::json;

use crate::support::archive::{Files, OCI_MANIFEST, TestImage, digest};
use crate::support::small_server::serve as listen;

/// Serves until the test program ends; `HOST:PORT`.
pub fn serve(image: &TestImage) -> String {
    let mut files = Files::default();
    let manifest = image.manifest(&mut files).to_string().into_bytes();
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
