//! Removing what is not wanted any more.

use rustix::fs::OFlags;

use super::contents::{CachedBlob, Contents};
use super::partial::is_named;
use super::{Cache, LOCKS, PARTIAL};
use crate::error::Result;
use crate::units::Timestamp;

/// Which blobs may stay: those that meet every condition given; none where none is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneOptions {
    /// The last used ones, together at most so many bytes.
    pub keep_bytes: Option<u64>,
    /// Those used at this time or later.
    pub used_since: Option<Timestamp>,
}

/// What was removed, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The blobs that were removed, least recently used first.
    pub removed: Vec<CachedBlob>,
    /// What is left.
    pub left: Contents,
    /// Files of killed processes that were removed: unfinished blobs and locks.
    pub stale_files: usize,
    /// The bytes of those.
    pub stale_bytes: u64,
}

impl Pruned {
    /// The sum of the sizes of what was removed.
    pub fn freed_bytes(&self) -> u64 {
        let blobs = self.removed.iter().map(|blob| blob.size_bytes);
        blobs.sum::<u64>().saturating_add(self.stale_bytes)
    }
}

impl PruneOptions {
    /// Parts blobs into those to remove and those to keep, both least recently used first.
    fn part(self, mut blobs: Vec<CachedBlob>) -> (Vec<CachedBlob>, Vec<CachedBlob>) {
        blobs.sort_by(CachedBlob::by_last_use);
        if self == Self::default() {
            return (blobs, Vec::new());
        }
        let mut kept_bytes = 0_u64;
        // From the last used on, up to the first that may not stay.
        let may_stay = |blob: &&CachedBlob| {
            kept_bytes = kept_bytes.saturating_add(blob.size_bytes);
            self.keep_bytes.is_none_or(|keep| kept_bytes <= keep)
                && self.used_since.is_none_or(|since| blob.last_used >= since)
        };
        let kept = blobs.iter().rev().take_while(may_stay).count();
        let kept = blobs.split_off(blobs.len() - kept);
        (blobs, kept)
    }
}

impl Cache {
    /// Removes blobs that may not stay, and what killed processes left. Builds that run meanwhile
    /// keep what they have open.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where something cannot be read or removed; what was removed before is
    /// gone.
    pub fn prune(&self, options: PruneOptions) -> Result<Pruned> {
        let Contents { blobs, foreign } = self.contents()?;
        let (unwanted, kept) = options.part(blobs);
        let mut pruned = Pruned {
            left: Contents {
                blobs: kept,
                foreign,
            },
            ..Pruned::default()
        };
        for blob in unwanted {
            let directory = self.blobs(&blob.digest)?;
            // Another prune may have been faster.
            if let Some(directory) = directory
                && directory.remove(blob.digest.digest())?
            {
                pruned.removed.push(blob);
            }
        }
        for name in [LOCKS, PARTIAL] {
            self.remove_stale(name, &mut pruned)?;
        }
        Ok(pruned)
    }

    /// Removes the files of a directory that nobody has locked: who uses one holds its lock.
    fn remove_stale(&self, name: &str, pruned: &mut Pruned) -> Result<()> {
        let Some(directory) = self.root.child(name)? else {
            return Ok(());
        };
        for name in directory.names()? {
            let Some((_, metadata)) = directory.open_file(&name)? else {
                if directory.has(&name) {
                    pruned.left.foreign.push(directory.path().join(name));
                }
                continue;
            };
            // Over NFS only what can be written can be locked.
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
            let Ok(file) = directory.open(&name, flags) else {
                continue;
            };
            // While it is locked by us, its new owner sees that it lost its name and takes another.
            if file.try_lock().is_ok() && is_named(&file) && directory.remove(&name)? {
                pruned.stale_files += 1;
                pruned.stale_bytes = pruned.stale_bytes.saturating_add(metadata.len());
            }
        }
        Ok(())
    }
}
