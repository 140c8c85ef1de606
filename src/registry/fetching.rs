//! One blob, out of the cache or from the registry, by one process at a time.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::blob::Download;
use super::client::{Client, Waiting};
use super::kept::Kept;
use crate::blobs::Arrival;
use crate::cache::{BlobLock, Cache};
use crate::error::{Error, Result};
use crate::oci::{Digest, DigestHasher};
use crate::page_buffer::PageBuffer;

const BUFFER_BYTES: usize = 256 << 10;

/// How often it is looked whether another process is done with a blob.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Who is told how far a blob is.
pub(super) trait Told {
    /// What is being done now.
    fn status(&self, status: &str);

    /// What holds it.
    fn wait(&self, for_what: &str);

    /// So many bytes more were read of the cache.
    fn read(&self, bytes: u64);

    /// The registry is asked for it now.
    fn begins_to_download(&self);

    /// So many bytes more came from the registry.
    fn came(&self, bytes: u64);
}

/// A blob that is wanted.
pub(super) struct Fetching<'a> {
    pub(super) client: &'a Client,
    pub(super) kept: &'a Kept,
    pub(super) work_dir: &'a Path,
    pub(super) digest: &'a Digest,
    pub(super) arrival: &'a Arrival,
    pub(super) told: &'a dyn Told,
    pub(super) waiting: Waiting<'a>,
}

impl Fetching<'_> {
    /// Fetches the blob; the arrival knows then that it is verified.
    ///
    /// # Errors
    /// Those of [`Download::run`], and of a cache that was named.
    pub(super) fn run(&self) -> Result<()> {
        if self.is_in_cache()? {
            return Ok(());
        }
        let _lock = self.lock()?;
        // Another process may have downloaded it meanwhile.
        if self.is_in_cache()? {
            return Ok(());
        }
        self.download()
    }

    /// Waits for the lock on the blob; none where there is no cache.
    fn lock(&self) -> Result<Option<BlobLock>> {
        let kept = self.kept;
        let mut is_told = false;
        loop {
            if (self.waiting.stop)() {
                return Err(Error::Cancelled);
            }
            let Some(cache) = kept.cache() else {
                return Ok(None);
            };
            let lock = cache.try_lock(self.digest);
            match kept.outcome(lock, self.waiting.reporter)? {
                Some(None) => {}
                lock => return Ok(lock.flatten()),
            }
            if !is_told {
                self.told.wait("another process that downloads it");
                is_told = true;
            }
            self.waiting.sleep(LOOK_AGAIN)?;
        }
    }

    /// Gives the blob out of the cache, held against its digest while it is read.
    fn is_in_cache(&self) -> Result<bool> {
        let kept = self.kept;
        let Some(cache) = kept.cache() else {
            return Ok(false);
        };
        let found = kept.outcome(self.find_in(cache), self.waiting.reporter)?;
        Ok(found.unwrap_or(false))
    }

    fn find_in(&self, cache: &Cache) -> Result<bool> {
        let Some(file) = cache.find(self.digest)? else {
            return Ok(false);
        };
        let path = cache.path().display();
        let failed = |error| {
            Error::io(
                format!("cannot read {} in the cache {path}", self.digest),
                error,
            )
        };
        let length = file.metadata().map_err(failed)?.len();
        self.told.status("already there");
        if length == self.arrival.length_bytes() && self.verify(Arc::new(file), failed)? {
            self.has_come();
            return Ok(true);
        }
        self.waiting.reporter.note(&format!(
            "{}: damaged in the cache {path}, downloading it again",
            self.digest
        ));
        cache.discard(self.digest)?;
        Ok(false)
    }

    /// Passes a file on as it is read and hashed.
    fn verify(&self, file: Arc<File>, failed: impl Fn(std::io::Error) -> Error) -> Result<bool> {
        let Ok(mut hasher) = DigestHasher::like(self.digest) else {
            return Ok(false);
        };
        self.arrival.begin(Arc::clone(&file), true);
        let mut buffer = PageBuffer::new(BUFFER_BYTES);
        let mut passed = 0;
        loop {
            if (self.waiting.stop)() {
                return Err(Error::Cancelled);
            }
            let read = match (&*file).read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.map_err(&failed)?,
            };
            hasher.update(&buffer[..read]);
            passed += read as u64;
            self.arrival.advance_to(passed);
            self.told.read(read as u64);
        }
        Ok(passed == self.arrival.length_bytes() && hasher.finish() == *self.digest)
    }

    fn download(&self) -> Result<()> {
        self.told.status("downloading");
        self.told.begins_to_download();
        let download = Download {
            client: self.client,
            kept: self.kept,
            work_dir: self.work_dir,
            digest: self.digest,
            length_bytes: self.arrival.length_bytes(),
            arrival: self.arrival,
            came: &|bytes| self.told.came(bytes),
            waiting: self.waiting,
        };
        download.run()?;
        self.has_come();
        Ok(())
    }

    /// The rest is a reader's.
    fn has_come(&self) {
        self.arrival.verified(|is_read| match is_read {
            true => self.told.status("reading"),
            false => self.told.wait("a free reader"),
        });
    }
}
