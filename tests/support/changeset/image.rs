//! Whole images of real tars, in the forms that engines read.

use std::fs::File;
use std::path::Path;

use super::archive::digest;

/// An OCI layout (image-spec, image-layout.md) with one image tagged `case`.
pub fn write_layout(tars: &[Vec<u8>], layout: &Path) {
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8], media_type: &str| {
        let digest = digest(bytes);
        std::fs::write(blobs.join(&digest["sha256:".len()..]), bytes).unwrap();
        serde_json::json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    };
    let layers: Vec<_> = tars
        .iter()
        .map(|tar| blob(tar, "application/vnd.oci.image.layer.v1.tar"))
        .collect();
    let config = config(tars).to_string();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": blob(config.as_bytes(), "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    });
    let mut manifest = blob(manifest.to_string().as_bytes(), media_type);
    manifest["annotations"] = serde_json::json!({
        "io.containerd.image.name": "case:case",
        "org.opencontainers.image.ref.name": "case",
    });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [manifest] });
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
}

/// The same as one archive, its image named `case:case`.
pub fn write_oci_archive(tars: &[Vec<u8>], work: &Path, path: &Path) {
    let layout = work.join("layout");
    write_layout(tars, &layout);
    let mut archive = tar::Builder::new(File::create(path).unwrap());
    archive.append_dir_all(".", &layout).unwrap();
    archive.finish().unwrap();
}

/// What `docker save` of older dockers writes, its image named `case:case`.
pub fn write_docker_archive(tars: &[Vec<u8>], path: &Path) {
    let names: Vec<_> = (0..tars.len())
        .map(|index| format!("{index}/layer.tar"))
        .collect();
    let manifest = serde_json::json!([{
        "Config": "config.json", "RepoTags": ["case:case"], "Layers": names,
    }]);
    let mut archive = tar::Builder::new(File::create(path).unwrap());
    let mut append = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    append("config.json", config(tars).to_string().as_bytes());
    append("manifest.json", manifest.to_string().as_bytes());
    for (name, tar) in names.iter().zip(tars) {
        append(name, tar);
    }
    archive.finish().unwrap();
}

fn config(tars: &[Vec<u8>]) -> serde_json::Value {
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
