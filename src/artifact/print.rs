//! The manifest's bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    ARTIFACT_TYPE, Artifact, CONFIG_TYPE, DIGEST, LENGTH, OFFSET, PLATFORM, SEGMENT_TYPE, SHA256,
    SIZE, Segment,
};
use crate::error::{Error, Result};
use crate::oci::document::MAX_DOCUMENT_BYTES;
use crate::oci::media_type::OCI_MANIFEST;
use crate::oci::{Descriptor, Digest};

/// What a segment takes in a manifest at the very least: two digests and the names of its fields.
const SEGMENT_BYTES: u64 = 370;

/// No manifest tells of more segments.
pub const MAX_SEGMENTS: usize = (MAX_DOCUMENT_BYTES / SEGMENT_BYTES) as usize;

/// Fields in the order of their names, so that the JSON is what RFC 8785 calls canonical: all texts
/// are ASCII and all numbers whole.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    annotations: BTreeMap<&'static str, String>,
    artifact_type: &'static str,
    config: Pointer<'a>,
    layers: Vec<Pointer<'a>>,
    media_type: &'static str,
    schema_version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Pointer<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pointer<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
    digest: &'a Digest,
    media_type: &'a str,
    size: u64,
}

impl<'a> Pointer<'a> {
    fn to(descriptor: &'a Descriptor, media_type: &'a str) -> Self {
        Self {
            annotations: BTreeMap::new(),
            digest: &descriptor.digest,
            media_type,
            size: descriptor.size,
        }
    }

    fn to_segment(segment: &'a Segment) -> Self {
        let annotations = [
            (OFFSET, segment.offset_bytes.to_string()),
            (LENGTH, segment.length_bytes.to_string()),
            (DIGEST, segment.digest.to_string()),
        ];
        Self {
            annotations: annotations.into(),
            digest: &segment.stored_digest,
            media_type: SEGMENT_TYPE,
            size: segment.stored_bytes,
        }
    }
}

impl Artifact {
    /// The manifest: canonical JSON, the same bytes for the same artifact.
    ///
    /// # Errors
    /// [`Error::BadImage`] for an artifact that breaks a rule, [`Error::Unsupported`] where there are
    /// more segments than a manifest may tell of.
    pub fn manifest(&self) -> Result<Vec<u8>> {
        let too_long = || {
            Error::unsupported(format!(
                "a manifest of {} segments: expected at most {MAX_DOCUMENT_BYTES} bytes, which registries take, found more (a larger --segment-size makes fewer)",
                self.segments.len(),
            ))
        };
        // Before memory is taken for them.
        if self.segments.len() > MAX_SEGMENTS {
            return Err(too_long());
        }
        self.check()?;
        let mut annotations = BTreeMap::from([
            (SIZE, self.size_bytes.to_string()),
            (SHA256, self.sha256.digest().to_owned()),
        ]);
        if let Some(platform) = &self.platform {
            annotations.insert(PLATFORM, platform.to_string());
        }
        let subject = self.subject.as_ref();
        let manifest = Manifest {
            annotations,
            artifact_type: ARTIFACT_TYPE,
            config: Pointer::to(&self.config, CONFIG_TYPE),
            layers: self.segments.iter().map(Pointer::to_segment).collect(),
            media_type: OCI_MANIFEST,
            schema_version: 2,
            subject: subject.map(|subject| Pointer::to(subject, &subject.media_type)),
        };
        let bytes = serde_json::to_vec(&manifest)
            .map_err(|error| Error::Mismatch(format!("cannot make JSON: {error}")))?;
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(too_long());
        }
        Ok(bytes)
    }
}
