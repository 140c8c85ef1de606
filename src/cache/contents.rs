//! What is in a cache.

use std::cmp::Ordering;
use std::path::PathBuf;

use super::kind::BlobKind;
use super::{ALGORITHMS, BLOBS, Cache};
use crate::error::Result;
use crate::oci::Digest;
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
        let is_known =
            |name: &std::ffi::OsString| ALGORITHMS.iter().any(|known| name == known.as_ref());
        for name in directory
            .names()?
            .into_iter()
            .filter(|name| !is_known(name))
        {
            contents.foreign.push(directory.path().join(name));
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
