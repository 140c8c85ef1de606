//! The documents that lead to an image's blobs.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::blob::Blob;
use super::target::{Form, ImageTarget};
use crate::error::{Error, Result};
use crate::oci::document::{self, Form as DocumentForm};
use crate::oci::media_type::{self, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use crate::oci::{Descriptor, Digest, Platform};

/// A layer's media types (OCI image-spec, layer.md).
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(super) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(super) const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// What an image is called in a layout (OCI image-spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// What containerd calls an image.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The file that says which version of the layout it is (OCI image-spec, image-layout.md).
pub(super) const OCI_LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";

/// What leads to a written image.
#[derive(Debug)]
pub struct ImageDocuments<'a> {
    /// The manifest.
    pub manifest: &'a Blob,
    /// The configuration.
    pub config: &'a Blob,
    /// The layers, base first.
    pub layers: &'a [(Blob, &'static str)],
    /// What it runs on.
    pub platform: &'a Platform,
}

/// A pointer as it is written (OCI image-spec, descriptor.md).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pointer<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: u64,
}

impl<'a> Pointer<'a> {
    fn of(blob: &'a Blob, media_type: &'a str) -> Self {
        Self {
            media_type,
            digest: blob.digest.as_ref(),
            size: blob.size_bytes,
        }
    }
}

/// A manifest's bytes (OCI image-spec, manifest.md).
///
/// # Errors
/// [`Error::Mismatch`]: any can be written.
pub fn manifest(
    config: &Blob,
    layers: &[(Blob, &'static str)],
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest<'a> {
        schema_version: u64,
        media_type: &'a str,
        config: Pointer<'a>,
        layers: Vec<Pointer<'a>>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        annotations: &'a BTreeMap<String, String>,
    }
    let layers = layers.iter();
    bytes(&Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        config: Pointer::of(config, OCI_CONFIG),
        layers: layers
            .map(|(blob, media_type)| Pointer::of(blob, media_type))
            .collect(),
        annotations,
    })
}

/// A document in its shortest form.
pub(super) fn bytes(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document)
        .map_err(|error| Error::Mismatch(format!("cannot write a document: {error}")))
}

impl ImageDocuments<'_> {
    /// The index with the image, and all that `existing` lists but what has its name or is itself.
    ///
    /// # Errors
    /// [`Error::BadImage`] for an index that is none.
    pub(super) fn index(&self, target: &ImageTarget, existing: Option<&[u8]>) -> Result<Vec<u8>> {
        let mut index = match existing {
            Some(bytes) => existing_index(bytes)?,
            None => Map::new(),
        };
        index.entry("schemaVersion").or_insert_with(|| json!(2));
        index.entry("mediaType").or_insert_with(|| json!(OCI_INDEX));
        let manifests = index.entry("manifests").or_insert_with(|| json!([]));
        if manifests.is_null() {
            *manifests = json!([]);
        }
        if let Some(list) = manifests.as_array_mut() {
            list.retain(|entry| !self.is_replaced(target, entry));
            list.push(self.entry(target));
        }
        bytes(&index)
    }

    /// Whether an entry of an index goes when this image comes.
    fn is_replaced(&self, target: &ImageTarget, entry: &Value) -> bool {
        let is_same = entry["digest"].as_str() == Some(self.manifest.digest.as_ref());
        let name = entry["annotations"][REF_NAME].as_str();
        if is_same && (name.is_none() || name == target.name()) {
            return true;
        }
        is_called(entry, target.name())
    }

    fn entry(&self, target: &ImageTarget) -> Value {
        let Blob { digest, size_bytes } = self.manifest;
        let mut platform = json!({
            "architecture": self.platform.architecture(),
            "os": self.platform.os(),
        });
        if let Some(variant) = self.platform.variant() {
            platform["variant"] = json!(variant);
        }
        let mut entry = json!({
            "mediaType": OCI_MANIFEST,
            "digest": digest.as_ref() as &str,
            "size": size_bytes,
            "platform": platform,
        });
        if let Some(name) = target.name() {
            // As docker writes it.
            entry["annotations"] = match (target.form(), name.rsplit_once(':')) {
                (Form::DockerArchive, Some((_, tag))) => {
                    json!({ CONTAINERD_NAME: name, REF_NAME: tag })
                }
                _ => json!({ REF_NAME: name }),
            };
        }
        entry
    }

    /// The list that only archives of docker have (`manifest.json`).
    pub(super) fn docker_list(&self, target: &ImageTarget) -> Result<Vec<u8>> {
        let place = |digest: &Digest| format!("blobs/sha256/{}", digest.digest());
        let layers = self.layers.iter();
        let layers: Vec<_> = layers.map(|(blob, _)| place(&blob.digest)).collect();
        bytes(&json!([{
            "Config": place(&self.config.digest),
            "RepoTags": target.name().map(|name| vec![familiar(name)]),
            "Layers": layers,
        }]))
    }
}

/// A full name as docker shows it.
fn familiar(name: &str) -> &str {
    let short = name.strip_prefix("docker.io/").unwrap_or(name);
    short.strip_prefix("library/").unwrap_or(short)
}

/// An index that is there, to be written again with all that it says.
fn existing_index(bytes: &[u8]) -> Result<Map<String, Value>> {
    document::check_size(bytes.len() as u64, "index.json")?;
    document::check_form(bytes, DocumentForm::Index, "index.json")?;
    let index: Map<String, Value> = document::parse(bytes, "index.json")?;
    match index.get("manifests") {
        None | Some(Value::Null | Value::Array(_)) => Ok(index),
        Some(_) => Err(Error::bad_image(
            "index.json: expected a list of manifests, found something else",
        )),
    }
}

/// Whether an index that is there lists an image of this name.
pub(super) fn lists(index: &[u8], name: Option<&str>) -> Result<bool> {
    let index = existing_index(index)?;
    let list = index.get("manifests").and_then(Value::as_array);
    Ok(list.is_some_and(|list| list.iter().any(|entry| is_called(entry, name))))
}

/// Whether an entry of an index is an image of this name; without one, an image without a name, which
/// signatures and attestations are not.
fn is_called(entry: &Value, name: Option<&str>) -> bool {
    let own = entry["annotations"][REF_NAME].as_str();
    if own.is_some() || name.is_some() {
        return own == name;
    }
    let Ok(descriptor) = serde_json::from_value::<Descriptor>(entry.clone()) else {
        return false;
    };
    let is_image = matches!(
        descriptor.kind(),
        media_type::Kind::Manifest | media_type::Kind::Index
    );
    let is_unknown = descriptor.platform.as_ref();
    is_image
        && descriptor.artifact_type.is_empty()
        && descriptor.annotation(CONTAINERD_NAME).is_none()
        && !is_unknown.is_some_and(Platform::is_unknown)
}
