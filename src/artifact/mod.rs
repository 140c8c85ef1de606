//! A filesystem image as an artifact in a registry: the form, and nothing else.
//!
//! One OCI image manifest (image-spec 1.1, manifest.md, "Guidelines for Artifact Usage"). Its layers
//! are stretches of the file, each a zstd frame by itself; what no layer tells of is zeros. Its
//! configuration says which file that is. `docs/ARTIFACT.md` has the form in words, with an example.
//!
//! What is read here was written by anybody: it is held against all rules before any of it is used.

mod config;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod told;

pub use config::{Config, ConfigFilesystem, ConfigOutput, ConfigVerity, SCHEMA};

pub use print::MAX_SEGMENTS;
pub use told::{Told, ToldFilesystem, ToldImage, ToldVerity, ToldVersions};

use crate::oci::{Descriptor, Digest, Platform};

/// What the manifest is, in `artifactType`.
pub const ARTIFACT_TYPE: &str = "application/vnd.filesystem-image.v1";
/// The media type of the configuration.
pub const CONFIG_TYPE: &str = "application/vnd.filesystem-image.config.v1+json";
/// The media type of a segment.
pub const SEGMENT_TYPE: &str = "application/vnd.filesystem-image.segment.v1+zstd";

/// Where a segment begins in the file, in bytes; decimal.
pub const OFFSET: &str = "vnd.filesystem-image.segment.offset";
/// How many bytes of the file a segment is, in decimal.
pub const LENGTH: &str = "vnd.filesystem-image.segment.length";
/// The digest of those bytes, as `sha256:…`.
pub const DIGEST: &str = "vnd.filesystem-image.segment.digest";
/// The length of the file in bytes, in decimal; on the manifest.
pub const SIZE: &str = "vnd.filesystem-image.size";
/// The SHA-256 of the file, 64 digits; on the manifest.
pub const SHA256: &str = "vnd.filesystem-image.sha256";
/// What the tree in the filesystem runs on, as `linux/arm64/v8`, where that is known; on the manifest.
pub const PLATFORM: &str = "vnd.filesystem-image.platform";

/// Segments begin at multiples of so many bytes, and end there or with the file.
pub const ALIGNMENT_BYTES: u64 = 4096;
/// No segment is longer: whoever reads holds one of them in memory for each thread.
pub const MAX_SEGMENT_BYTES: u64 = 64 << 20;
/// No file is longer: more blocks of 4 KiB have no numbers of 32 bits.
pub const MAX_SIZE_BYTES: u64 = 16 << 40;

/// A filesystem image in pieces. It keeps all rules of the form: segments ascend and do not overlap,
/// and all lie within the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifact {
    /// The configuration: its length and digest.
    pub config: Descriptor,
    /// The length of the file in bytes.
    pub size_bytes: u64,
    /// The SHA-256 of the file, as a digest.
    pub sha256: Digest,
    /// What the tree in it runs on, where that is known.
    pub platform: Option<Platform>,
    /// Ascending; everything between them is zeros.
    pub segments: Vec<Segment>,
    /// The manifest of the container image that it was made of, where that is in the same repository.
    pub subject: Option<Descriptor>,
}

/// A stretch of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins, a multiple of [`ALIGNMENT_BYTES`].
    pub offset_bytes: u64,
    /// How long it is: at least 1 and at most [`MAX_SEGMENT_BYTES`], and a multiple of
    /// [`ALIGNMENT_BYTES`] unless the file ends with it.
    pub length_bytes: u64,
    /// The SHA-256 of the file's bytes there.
    pub digest: Digest,
    /// The digest of the zstd frame.
    pub stored_digest: Digest,
    /// The length of the zstd frame in bytes.
    pub stored_bytes: u64,
}

impl Segment {
    /// Where it ends in the file: the byte after its last.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes + self.length_bytes
    }
}

impl Artifact {
    /// An artifact of the file so described.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] for what no such file can have; see [`Artifact::check`].
    pub fn new(
        config: Descriptor,
        size_bytes: u64,
        sha256: Digest,
        segments: Vec<Segment>,
    ) -> crate::Result<Self> {
        let artifact = Self {
            config,
            size_bytes,
            sha256,
            platform: None,
            segments,
            subject: None,
        };
        artifact.check()?;
        Ok(artifact)
    }

    /// Bytes of all segments in the file.
    pub fn plain_bytes(&self) -> u64 {
        // No more than the file has, for they do not overlap.
        let lengths = self.segments.iter().map(|segment| segment.length_bytes);
        lengths.sum()
    }

    /// Bytes of all segments as they are stored, one that comes twice counted twice.
    pub fn stored_bytes(&self) -> u64 {
        let stored = self.segments.iter().map(|segment| segment.stored_bytes);
        stored.fold(0, u64::saturating_add)
    }
}

/// Whether a manifest with these is such an artifact: by its type, or, where a tool left that out, by
/// the type of its configuration, as it was before version 1.1 of the image-spec.
pub fn is_artifact(artifact_type: &str, config_type: &str) -> bool {
    match artifact_type {
        "" => config_type.eq_ignore_ascii_case(CONFIG_TYPE),
        own => own.eq_ignore_ascii_case(ARTIFACT_TYPE),
    }
}
