//! Builds docker archives and OCI layouts out of layer tars, whole or deliberately wrong.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use layerpress::oci::DigestHasher;
use serde_json::{Value, json};

pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// `sha256:` and the digits.
pub fn digest(bytes: &[u8]) -> String {
    let mut hasher = DigestHasher::sha256();
    hasher.update(bytes);
    hasher.finish().to_string()
}

/// A tar of regular files, root's and of 1970.
pub fn layer_tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// How a layout's layers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// An image to be put into an archive or a layout.
#[derive(Debug, Clone)]
pub struct TestImage {
    pub layers: Vec<Vec<u8>>,
    pub compression: Compression,
    /// `os/architecture[/variant]`
    pub platform: &'static str,
    pub created: &'static str,
    /// How its containers start: `config` of its configuration.
    pub start: Value,
}

impl TestImage {
    /// An uncompressed image of these layer tars, base first, for linux/amd64.
    pub fn new(layers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            layers: layers.into_iter().collect(),
            compression: Compression::None,
            platform: "linux/amd64",
            created: "2024-05-01T10:20:30.5Z",
            start: json!({ "Env": ["PATH=/bin"], "Cmd": null }),
        }
    }

    /// The platform as an index writes it.
    pub fn platform_json(&self) -> Value {
        let mut parts = self.platform.split('/');
        let mut platform = json!({ "os": parts.next(), "architecture": parts.next() });
        if let Some(variant) = parts.next() {
            platform["variant"] = json!(variant);
        }
        platform
    }

    pub fn diff_ids(&self) -> Vec<String> {
        self.layers.iter().map(|layer| digest(layer)).collect()
    }

    pub fn config(&self) -> Value {
        let mut config = self.platform_json();
        config["created"] = json!(self.created);
        config["config"] = self.start.clone();
        config["rootfs"] = json!({ "type": "layers", "diff_ids": self.diff_ids() });
        config["history"] = self
            .layers
            .iter()
            .map(|_| json!({ "created_by": "test" }))
            .collect();
        config
    }

    /// Puts the image's blobs into a layout and returns its manifest, not yet among them.
    pub fn manifest(&self, files: &mut Files) -> Value {
        let config = files.blob(OCI_CONFIG, self.config().to_string().into_bytes());
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| self.store(layer, files))
            .collect();
        json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers })
    }

    fn store(&self, layer: &[u8], files: &mut Files) -> Value {
        let (suffix, bytes) = match self.compression {
            Compression::None => ("", layer.to_vec()),
            Compression::Gzip => ("+gzip", gzip(layer)),
            Compression::Zstd => ("+zstd", zstd(layer)),
        };
        files.blob(&format!("{OCI_LAYER}{suffix}"), bytes)
    }

    /// Puts the whole image into a layout and returns the descriptor of its manifest.
    pub fn put(&self, files: &mut Files) -> Value {
        let manifest = self.manifest(files);
        files.blob(OCI_MANIFEST, manifest.to_string().into_bytes())
    }

    /// The same with its platform, as an index of several lists it.
    pub fn put_with_platform(&self, files: &mut Files) -> Value {
        let mut descriptor = self.put(files);
        descriptor["platform"] = self.platform_json();
        descriptor
    }

    /// A layout of this image alone, tagged.
    pub fn layout(&self, tag: &str) -> Files {
        let mut files = Files::default();
        let mut descriptor = self.put(&mut files);
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        files.index(&[descriptor]);
        files
    }

    /// Puts the image into an archive as docker before 25 saves it and returns its entry of
    /// `manifest.json`.
    pub fn put_classic(&self, files: &mut Files, tags: &[&str]) -> Value {
        let config = self.config().to_string().into_bytes();
        let config_name = format!("{}.json", &digest(&config)[7..]);
        files.put(&config_name, config);
        let mut layers = Vec::new();
        for layer in &self.layers {
            let name = format!("{}/layer.tar", &digest(&[b"id ", &layer[..]].concat())[7..]);
            files.put(&name, layer.clone());
            layers.push(name);
        }
        json!({ "Config": config_name, "RepoTags": tags, "Layers": layers })
    }

    /// `docker save` as it was before docker 25.
    pub fn classic_archive(&self, tags: &[&str]) -> Files {
        let mut files = Files::default();
        let entry = self.put_classic(&mut files, tags);
        files.put_json("manifest.json", &json!([entry]));
        files
    }

    /// `docker save` as it is since docker 25: a layout with a `manifest.json` besides.
    pub fn modern_archive(&self, name: &str) -> Files {
        let (repository, tag) = name.rsplit_once(':').unwrap();
        let mut files = Files::default();
        let manifest = self.manifest(&mut files);
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            format!("blobs/{}", digest.replace(':', "/"))
        };
        let layers = manifest["layers"].as_array().unwrap();
        let sources: BTreeMap<_, _> = self.diff_ids().into_iter().zip(layers).collect();
        let entry = json!({
            "Config": blob(&manifest["config"]),
            "RepoTags": [name],
            "Layers": layers.iter().map(blob).collect::<Vec<_>>(),
            "LayerSources": sources,
        });
        let mut descriptor = files.blob(OCI_MANIFEST, manifest.to_string().into_bytes());
        descriptor["annotations"] = json!({
            "io.containerd.image.name": format!("docker.io/library/{repository}:{tag}"),
            "org.opencontainers.image.ref.name": tag,
        });
        files.index(&[descriptor]);
        files.put_json("manifest.json", &json!([entry]));
        files
    }
}

/// Files by name, to become a directory or a tar.
#[derive(Debug, Default, Clone)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    pub fn put(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.0.insert(name.to_owned(), bytes.into());
    }

    pub fn put_json(&mut self, name: &str, value: &Value) {
        self.put(name, value.to_string());
    }

    /// Stores a blob and returns its descriptor.
    pub fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let size = bytes.len();
        self.put(&format!("blobs/{}", digest.replace(':', "/")), bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    /// Stores an index of these descriptors as a blob and returns its descriptor.
    pub fn inner_index(&mut self, manifests: &[Value]) -> Value {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        self.blob(OCI_INDEX, index.to_string().into_bytes())
    }

    /// Makes the files a layout whose `index.json` lists these descriptors.
    pub fn index(&mut self, manifests: &[Value]) {
        self.put_json("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }));
        self.put_json(
            "index.json",
            &json!({ "schemaVersion": 2, "manifests": manifests }),
        );
    }

    /// The bytes of the blob that a descriptor points at.
    pub fn of(&mut self, descriptor: &Value) -> &mut Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
        self.0.get_mut(&format!("blobs/{digest}")).unwrap()
    }

    pub fn write_directory(&self, directory: &Path) {
        for (name, bytes) in &self.0 {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    pub fn tar(&self) -> Vec<u8> {
        let files: Vec<_> = self
            .0
            .iter()
            .map(|(name, bytes)| (name.as_str(), &bytes[..]))
            .collect();
        layer_tar(&files)
    }

    pub fn write_tar(&self, path: &Path) {
        File::create(path)
            .and_then(|mut file| io::copy(&mut &self.tar()[..], &mut file))
            .unwrap();
    }
}
