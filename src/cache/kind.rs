//! What a blob seems to be, by looking at it.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// More bytes than any manifest or configuration has.
const MAX_DOCUMENT_BYTES: u64 = 8 << 20;

/// What a cached blob holds. It is a help for the eye and decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobKind {
    /// An image index or a docker manifest list.
    Index,
    /// An image manifest.
    Manifest,
    /// An image configuration.
    Config,
    /// A layer, compressed with gzip.
    GzipLayer,
    /// A layer, compressed with zstd.
    ZstdLayer,
    /// A layer that is an uncompressed tar.
    TarLayer,
    /// None of these.
    Unknown,
}

impl fmt::Display for BlobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::GzipLayer => "layer (gzip)",
            Self::ZstdLayer => "layer (zstd)",
            Self::TarLayer => "layer (tar)",
            Self::Unknown => "unknown",
        })
    }
}

/// The members that tell the documents from each other.
#[derive(Deserialize)]
struct Document {
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    rootfs: Option<IgnoredAny>,
}

impl BlobKind {
    /// Looks at a blob of this size.
    pub(super) fn of(file: &File, size_bytes: u64) -> Self {
        // A tar's magic is at byte 257 (POSIX pax, "ustar Interchange Format").
        let mut head = [0; 262];
        let known = file.read_at(&mut head, 0).unwrap_or(0);
        match &head[..known] {
            [0x1f, 0x8b, ..] => Self::GzipLayer,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::ZstdLayer,
            [.., b'u', b's', b't', b'a', b'r'] if known == head.len() => Self::TarLayer,
            [b'{' | b' ' | b'\t' | b'\r' | b'\n', ..] if size_bytes <= MAX_DOCUMENT_BYTES => {
                Self::of_document(file, size_bytes)
            }
            _ => Self::Unknown,
        }
    }

    fn of_document(file: &File, size_bytes: u64) -> Self {
        let mut bytes = vec![0; usize::try_from(size_bytes).unwrap_or(0)];
        if file.read_exact_at(&mut bytes, 0).is_err() {
            return Self::Unknown;
        }
        match serde_json::from_slice(&bytes) {
            Ok(Document {
                manifests: Some(_), ..
            }) => Self::Index,
            Ok(Document {
                layers: Some(_), ..
            }) => Self::Manifest,
            Ok(Document {
                rootfs: Some(_), ..
            }) => Self::Config,
            _ => Self::Unknown,
        }
    }
}
