//! Where a blob goes while it is downloaded: a file of the cache, or one that is nobody's.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::kept::Kept;
use crate::cache::{Cache, PartialBlob};
use crate::error::{Error, Result};
use crate::oci::{Digest, DigestHasher};
use crate::progress::Reporter;
use crate::spool::Spool;

/// A blob in the making. It is hashed as it comes.
pub(super) enum Sink<'a> {
    Cached {
        kept: &'a Kept,
        cache: &'a Cache,
        partial: PartialBlob,
        reporter: &'a dyn Reporter,
    },
    Spooled {
        spool: Spool<'a>,
        digest: &'a Digest,
        hasher: DigestHasher,
    },
}

impl<'a> Sink<'a> {
    /// # Errors
    /// [`Error::Io`] where there can be no file.
    pub(super) fn new(
        kept: &'a Kept,
        work_dir: &'a Path,
        digest: &'a Digest,
        reporter: &'a dyn Reporter,
    ) -> Result<Self> {
        if let Some(cache) = kept.cache()
            && let Some(partial) = kept.outcome(cache.partial(digest), reporter)?
        {
            return Ok(Self::Cached {
                kept,
                cache,
                partial,
                reporter,
            });
        }
        Ok(Self::Spooled {
            spool: Spool::new(work_dir, "a download")?,
            digest,
            hasher: DigestHasher::like(digest)?,
        })
    }

    /// The same file, to be read behind the writer.
    pub(super) fn reader(&self) -> Result<Arc<File>> {
        match self {
            Self::Cached {
                kept,
                partial,
                reporter,
                ..
            } => given_up(kept, partial.reader(), *reporter).map(Arc::new),
            Self::Spooled { spool, .. } => Ok(Arc::clone(spool.file())),
        }
    }

    pub(super) fn written_bytes(&self) -> u64 {
        match self {
            Self::Cached { partial, .. } => partial.written_bytes(),
            Self::Spooled { spool, .. } => spool.written_bytes(),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Cached {
                kept,
                cache,
                partial,
                reporter,
            } => {
                let written = partial.write_all(bytes).map_err(|error| {
                    let path = cache.path().display();
                    Error::io(
                        format!(
                            "cannot write to the cache {path} (--cache-dir names another directory, --no-cache does without)"
                        ),
                        error,
                    )
                });
                given_up(kept, written, *reporter)
            }
            Self::Spooled { spool, hasher, .. } => {
                spool.write(bytes)?;
                hasher.update(bytes);
                Ok(())
            }
        }
    }

    /// Holds what was written against its digest; the cache has it then.
    ///
    /// # Errors
    /// [`Error::BadImage`] where it is something else.
    pub(super) fn finish(self) -> Result<()> {
        match self {
            // What cannot be kept is right all the same, and open.
            Self::Cached {
                kept,
                cache,
                partial,
                reporter,
            } => kept.outcome(cache.insert(partial), reporter).map(drop),
            Self::Spooled {
                spool,
                digest,
                hasher,
            } => {
                spool.finish();
                let found = hasher.finish();
                if found == *digest {
                    return Ok(());
                }
                Err(Error::bad_image(format!(
                    "expected bytes of the digest {digest}, found {found}"
                )))
            }
        }
    }
}

/// An error all the same, after which the download begins anew without the cache.
fn given_up<T>(kept: &Kept, outcome: Result<T>, reporter: &dyn Reporter) -> Result<T> {
    kept.outcome(outcome, reporter)?.ok_or_else(|| {
        let error = std::io::Error::other("it was given up");
        Error::io("cannot write to the cache", error)
    })
}
