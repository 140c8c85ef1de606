//! What is in a cache.

use std::cmp::Ordering;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{ALGORITHMS, BLOBS, Cache};
use crate::compression::{Compression, Decompressor};
use crate::error::Result;
use crate::limits::Limits;
use crate::oci::Digest;
use crate::tar::is_header;
use crate::units::Timestamp;

/// A blob in a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedBlob {
    /// What it is stored under.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
    /// What it seems to be.
    pub kind: BlobKind,
    /// When it was stored or last [found](Cache::find).
    pub last_used: Timestamp,
}

impl CachedBlob {
    /// Orders blobs by their last use, the least recently used first.
    pub fn by_last_use(one: &Self, other: &Self) -> Ordering {
        let names = || one.digest.as_ref().cmp(other.digest.as_ref());
        one.last_used.cmp(&other.last_used).then_with(names)
    }
}

/// Everything under `blobs/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The blobs, by their digests.
    pub blobs: Vec<CachedBlob>,
    /// What is no regular file called by a digest. It is neither read nor removed.
    pub foreign: Vec<PathBuf>,
}

impl Contents {
    /// The sum of the blobs' sizes.
    pub fn total_bytes(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.size_bytes).sum()
    }
}

impl Cache {
    /// Lists what is stored.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where a directory or a file cannot be read.
    pub fn contents(&self) -> Result<Contents> {
        let mut contents = Contents::default();
        let Some(directory) = self.root.child(BLOBS)? else {
            return Ok(contents);
        };
        for name in directory.names()? {
            if !ALGORITHMS.iter().any(|known| name == *known.as_ref()) {
                contents.foreign.push(directory.path().join(name));
            }
        }
        for algorithm in &ALGORITHMS {
            let Some(blobs) = directory.child(algorithm.as_ref())? else {
                continue;
            };
            for name in blobs.names()? {
                let digest = name
                    .to_str()
                    .and_then(|name| format!("{algorithm}:{name}").parse::<Digest>().ok());
                match (digest, blobs.open_file(&name)?) {
                    (Some(digest), Some((file, metadata))) => contents.blobs.push(CachedBlob {
                        digest,
                        size_bytes: metadata.len(),
                        kind: BlobKind::of(&file, metadata.len()),
                        last_used: Timestamp::of_change(&metadata),
                    }),
                    // Gone meanwhile is not foreign.
                    _ if blobs.has(&name) => contents.foreign.push(blobs.path().join(name)),
                    _ => {}
                }
            }
        }
        Ok(contents)
    }
}

/// More bytes than any manifest or configuration has.
const MAX_DOCUMENT_BYTES: u64 = 8 << 20;

/// Of a tar.
const BLOCK_BYTES: usize = 512;

/// As many as are in the longest segment.
const MAX_BLOCKS_OF_ZEROS: usize = (64 << 20) / BLOCK_BYTES;

/// What a cached blob holds. It is a help for the eye and decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobKind {
    /// An image index or a docker manifest list.
    Index,
    /// An image manifest.
    Manifest,
    /// The configuration of an image, or of a filesystem that was pushed.
    Config,
    /// A layer, compressed with gzip.
    GzipLayer,
    /// A layer, compressed with zstd.
    ZstdLayer,
    /// A part of a filesystem, compressed with zstd.
    Segment,
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
            Self::Segment => "segment (zstd)",
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
    /// What the configuration of every filesystem has (`docs/ARTIFACT.md`).
    output: Option<IgnoredAny>,
}

impl BlobKind {
    /// Looks at a blob of this size.
    fn of(file: &File, size_bytes: u64) -> Self {
        // A tar's magic is at byte 257 (POSIX pax, "ustar Interchange Format").
        let mut head = [0; 262];
        let known = file.read_at(&mut head, 0).unwrap_or(0);
        match &head[..known] {
            [0x1f, 0x8b, ..] => Self::GzipLayer,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::of_zstd(file),
            [.., b'u', b's', b't', b'a', b'r'] if known == head.len() => Self::TarLayer,
            [b'{' | b' ' | b'\t' | b'\r' | b'\n', ..] if size_bytes <= MAX_DOCUMENT_BYTES => {
                Self::of_document(file, size_bytes)
            }
            _ => Self::Unknown,
        }
    }

    /// A tar begins with a header, or is nothing but zeros, which no segment is.
    fn of_zstd(file: &File) -> Self {
        let limits = Limits::default();
        let Ok(mut plain) = Decompressor::new(file, Compression::Zstd, &limits) else {
            return Self::ZstdLayer;
        };
        let mut block = [0; BLOCK_BYTES];
        for _ in 0..MAX_BLOCKS_OF_ZEROS {
            match plain.fill(&mut block) {
                Ok(BLOCK_BYTES) if block == [0; BLOCK_BYTES] => {}
                Ok(BLOCK_BYTES) if !is_header(&block) => return Self::Segment,
                _ => break,
            }
        }
        Self::ZstdLayer
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
            Ok(
                Document {
                    rootfs: Some(_), ..
                }
                | Document {
                    output: Some(_), ..
                },
            ) => Self::Config,
            _ => Self::Unknown,
        }
    }
}
