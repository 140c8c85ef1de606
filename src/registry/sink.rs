//! Where a blob goes while it is downloaded: a file of the cache, or one that is nobody's.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::kept::Kept;
use crate::cache::{Cache, PartialBlob};
use crate::error::{Error, Result};
use crate::oci::document::check_found;
use crate::oci::{Digest, DigestHasher};
use crate::progress::Reporter;
use crate::spool::Spool;

/// A blob in the making. It is hashed as it comes.
pub(super) struct Sink<'a> {
    kept: &'a Kept,
    digest: &'a Digest,
    reporter: &'a dyn Reporter,
    to: To<'a>,
}

enum To<'a> {
    Cache(&'a Cache, PartialBlob),
    Spool(Spool<'a>, DigestHasher),
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
        let to = if let Some(cache) = kept.cache()
            && let Some(partial) = kept.outcome(cache.partial(digest), reporter)?
        {
            To::Cache(cache, partial)
        } else {
            let spool = Spool::new(work_dir, "a download")?;
            To::Spool(spool, DigestHasher::like(digest)?)
        };
        Ok(Self {
            kept,
            digest,
            reporter,
            to,
        })
    }

    /// The same file, to be read behind the writer.
    pub(super) fn reader(&self) -> Result<Arc<File>> {
        match &self.to {
            To::Cache(_, partial) => {
                given_up(self.kept, partial.reader(), self.reporter).map(Arc::new)
            }
            To::Spool(spool, _) => Ok(Arc::clone(spool.file())),
        }
    }

    pub(super) fn written_bytes(&self) -> u64 {
        match &self.to {
            To::Cache(_, partial) => partial.written_bytes(),
            To::Spool(spool, _) => spool.written_bytes(),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.to {
            To::Cache(_, partial) => given_up(self.kept, partial.write_all(bytes), self.reporter),
            To::Spool(spool, hasher) => {
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
        match self.to {
            // What cannot be kept is right all the same, and open.
            To::Cache(cache, partial) => {
                let kept = self.kept.outcome(cache.insert(partial), self.reporter);
                kept.map(drop)
            }
            To::Spool(spool, hasher) => {
                spool.finish();
                check_found(self.digest, &hasher.finish())
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
