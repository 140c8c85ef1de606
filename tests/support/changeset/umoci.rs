//! umoci: applies a layer entry by entry onto one directory.

use std::path::Path;
use std::process::Command;

use super::archive::{digest, tar_of};
use super::listing::Listing;
use super::words::Layer;

/// What `umoci unpack` makes of the layers, or what it says where it refuses.
pub fn unpack(layers: &[Layer], work: &Path) -> Result<Listing, String> {
    let layout = work.join("layout");
    write_layout(layers, &layout);
    let bundle = work.join("bundle");
    let output = Command::new("umoci")
        .arg("unpack")
        .arg("--image")
        .arg(format!("{}:case", layout.display()))
        .arg(&bundle)
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(Listing::of_directory(&bundle.join("rootfs")))
}

/// An OCI layout (image-spec, image-layout.md) with one image tagged `case`.
pub fn write_layout(layers: &[Layer], layout: &Path) {
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8], media_type: &str| {
        let digest = digest(bytes);
        std::fs::write(blobs.join(&digest["sha256:".len()..]), bytes).unwrap();
        serde_json::json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    };
    let tars: Vec<_> = layers.iter().map(tar_of).collect();
    let layers: Vec<_> = tars
        .iter()
        .map(|tar| blob(tar, "application/vnd.oci.image.layer.v1.tar"))
        .collect();
    let config = config(&tars).to_string();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(config.as_bytes(), "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    });
    let mut manifest = blob(
        manifest.to_string().as_bytes(),
        "application/vnd.oci.image.manifest.v1+json",
    );
    manifest["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "case" });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [manifest] });
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
}

/// An image configuration that fits the layers.
pub fn config(tars: &[Vec<u8>]) -> serde_json::Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    serde_json::json!({
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {
            "type": "layers",
            "diff_ids": tars.iter().map(|tar| digest(tar)).collect::<Vec<_>>(),
        },
    })
}
