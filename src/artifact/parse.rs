//! A manifest that anybody may have written, held against all rules of the form.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ALIGNMENT_BYTES, Artifact, CONFIG_TYPE, DIGEST, LENGTH, MAX_SEGMENT_BYTES, MAX_SIZE_BYTES,
    OFFSET, PLATFORM, SEGMENT_TYPE, SHA256, SIZE, Segment, is_artifact,
};
use crate::error::{Error, Result, shown};
use crate::oci::document::{self, Form, MAX_DOCUMENT_BYTES};
use crate::oci::go_json::{map, or_default};
use crate::oci::{Descriptor, Digest, DigestAlgorithm, DigestHasher, Platform};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default, deserialize_with = "map")]
    annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    artifact_type: String,
    config: Descriptor,
    #[serde(default, deserialize_with = "or_default")]
    layers: Vec<Descriptor>,
    #[serde(default)]
    subject: Option<Descriptor>,
}

impl Artifact {
    /// Reads a manifest; errors begin with `name`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a manifest of something else and for media types of another version,
    /// [`Error::BadImage`] for one that breaks a rule.
    pub fn of_manifest(bytes: &[u8], name: &str) -> Result<Self> {
        document::check_size(bytes.len() as u64, name)?;
        document::check_form(bytes, Form::Manifest, name)?;
        let manifest: Manifest = document::parse(bytes, name)?;
        read(manifest).map_err(|error| error.in_image(name))
    }

    /// Holds an artifact against all rules of the form.
    ///
    /// # Errors
    /// [`Error::BadImage`] with the first that is broken.
    pub fn check(&self) -> Result<()> {
        if self.size_bytes > MAX_SIZE_BYTES {
            return Err(wrong(format!(
                "expected a file of at most {MAX_SIZE_BYTES} bytes, found one of {}",
                self.size_bytes
            )));
        }
        check_sha256(&self.sha256)?;
        DigestHasher::like(&self.config.digest)?;
        if self.config.size > MAX_DOCUMENT_BYTES {
            return Err(wrong(format!(
                "configuration: expected at most {MAX_DOCUMENT_BYTES} bytes, found {}",
                self.config.size
            )));
        }
        let mut end_bytes = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            segment
                .check(self.size_bytes, end_bytes)
                .map_err(|error| error.in_entry(numbered(index).as_bytes()))?;
            end_bytes = segment.end_bytes();
        }
        Ok(())
    }
}

impl Segment {
    /// Holds a segment of a file of `size_bytes` against the rules, where the one before it ends at
    /// `from_bytes`.
    fn check(&self, size_bytes: u64, from_bytes: u64) -> Result<()> {
        let Self {
            offset_bytes: offset,
            length_bytes: length,
            stored_bytes: stored,
            ..
        } = *self;
        if !offset.is_multiple_of(ALIGNMENT_BYTES) {
            return Err(wrong(format!(
                "expected an offset that is a multiple of {ALIGNMENT_BYTES}, found {offset}"
            )));
        }
        if !(1..=MAX_SEGMENT_BYTES).contains(&length) {
            return Err(wrong(format!(
                "expected a length from 1 to {MAX_SEGMENT_BYTES} bytes, found {length}"
            )));
        }
        let end = offset
            .checked_add(length)
            .filter(|end| *end <= size_bytes)
            .ok_or_else(|| {
                wrong(format!(
                    "expected it within the {size_bytes} bytes of the file, found {length} bytes at {offset}"
                ))
            })?;
        if !length.is_multiple_of(ALIGNMENT_BYTES) && end != size_bytes {
            return Err(wrong(format!(
                "expected a length that is a multiple of {ALIGNMENT_BYTES}, found {length}"
            )));
        }
        if offset < from_bytes {
            return Err(wrong(format!(
                "expected it behind the segment before it, which ends at {from_bytes}, found it at {offset}"
            )));
        }
        let most = most_stored(length);
        if !(1..=most).contains(&stored) {
            return Err(wrong(format!(
                "expected from 1 to {most} stored bytes for {length} of the file, found {stored}"
            )));
        }
        check_sha256(&self.digest)?;
        DigestHasher::like(&self.stored_digest)?;
        Ok(())
    }
}

/// A zstd frame of so many bytes is never longer (zstd.h, `ZSTD_compressBound`, and some more for other
/// writers of zstd).
fn most_stored(length_bytes: u64) -> u64 {
    length_bytes + (length_bytes >> 7) + 4096
}

fn read(manifest: Manifest) -> Result<Artifact> {
    let config = manifest.config;
    if !is_artifact(&manifest.artifact_type, &config.media_type) {
        let found = match &*manifest.artifact_type {
            "" => shown(&config.media_type),
            own => shown(own),
        };
        return Err(Error::unsupported(format!(
            "expected an artifact of the type {}, found {found}",
            super::ARTIFACT_TYPE
        )));
    }
    if !config.media_type.eq_ignore_ascii_case(CONFIG_TYPE) {
        return Err(Error::unsupported(format!(
            "configuration: expected the media type {CONFIG_TYPE}, found {}",
            shown(&config.media_type)
        )));
    }
    let on_manifest = |key| annotation(&manifest.annotations, key);
    let size_bytes = number(on_manifest(SIZE)?, SIZE)?;
    let sha256 = on_manifest(SHA256)?;
    let sha256 = format!("sha256:{sha256}")
        .parse::<Digest>()
        .map_err(|_| no_value(SHA256, "64 hexadecimal digits in lower case", sha256))?;
    let platform = manifest.annotations.get(PLATFORM);
    let platform = platform
        .map(|text| {
            let parsed = text.parse::<Platform>();
            parsed.map_err(|_| no_value(PLATFORM, "OS/ARCHITECTURE[/VARIANT]", text))
        })
        .transpose()?;
    let layers = manifest.layers.iter().enumerate();
    let segments = layers
        .map(|(index, layer)| {
            segment(layer).map_err(|error| error.in_entry(numbered(index).as_bytes()))
        })
        .collect::<Result<_>>()?;
    let artifact = Artifact {
        config,
        size_bytes,
        sha256,
        platform,
        segments,
        subject: manifest.subject,
    };
    artifact.check()?;
    Ok(artifact)
}

fn segment(layer: &Descriptor) -> Result<Segment> {
    if !layer.media_type.eq_ignore_ascii_case(SEGMENT_TYPE) {
        return Err(Error::unsupported(format!(
            "expected the media type {SEGMENT_TYPE}, found {}",
            shown(&layer.media_type)
        )));
    }
    let said = |key| annotation(&layer.annotations, key);
    let digest = said(DIGEST)?;
    Ok(Segment {
        offset_bytes: number(said(OFFSET)?, OFFSET)?,
        length_bytes: number(said(LENGTH)?, LENGTH)?,
        digest: digest
            .parse()
            .map_err(|_| no_value(DIGEST, "a digest, as sha256:…", digest))?,
        stored_digest: layer.digest.clone(),
        stored_bytes: layer.size,
    })
}

fn annotation<'a>(annotations: &'a BTreeMap<String, String>, key: &str) -> Result<&'a str> {
    let value = annotations.get(key).map(String::as_str);
    value.ok_or_else(|| wrong(format!("expected the annotation {key}, found none")))
}

/// A number as it is printed: digits, and no zero before others.
fn number(text: &str, key: &str) -> Result<u64> {
    let is_usual =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = is_usual.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| no_value(key, "a number in decimal digits, below 2^64", text))
}

fn check_sha256(digest: &Digest) -> Result<()> {
    if *digest.algorithm() == DigestAlgorithm::Sha256 {
        return Ok(());
    }
    Err(wrong(format!(
        "expected a digest of the algorithm sha256 for bytes of the file, found {digest}"
    )))
}

/// How errors call a segment.
fn numbered(index: usize) -> String {
    format!("segment {}", index + 1)
}

fn no_value(key: &str, expected: &str, found: &str) -> Error {
    wrong(format!(
        "annotation {key}: expected {expected}, found '{}'",
        shown(found)
    ))
}

fn wrong(what: String) -> Error {
    Error::bad_image(what)
}
