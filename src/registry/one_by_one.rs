//! Blobs of a repository that are asked for one by one, by as many threads as like to.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::FetchedBlob;
use super::client::{Client, Waiting};
use super::fetching::{Fetching, Told};
use super::kept::Kept;
use crate::blobs::{Arrival, StoredBlob};
use crate::error::Result;
use crate::oci::{Descriptor, Digest};
use crate::progress::Reporter;

/// A repository whose blobs are small and many. None of them stays open here.
#[derive(Debug)]
pub(crate) struct RepositoryBlobs {
    pub(super) client: Arc<Client>,
    pub(super) kept: Arc<Kept>,
    pub(super) work_dir: PathBuf,
}

impl RepositoryBlobs {
    /// Whether the cache seems to have a blob, so that nothing of it need come.
    pub(crate) fn is_at_hand(&self, digest: &Digest) -> bool {
        self.kept.seems_to_have(digest)
    }

    /// Takes a blob out of the cache, or else from the registry, where it is continued as often as it
    /// breaks off; the cache has it then. `came` is told of bytes from the registry, `stop` says
    /// whether nobody wants it any more.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] where the registry gives something else than the descriptor says,
    /// [`crate::Error::Network`] and [`crate::Error::Io`] where it gives nothing,
    /// [`crate::Error::Cancelled`] once `stop` says so.
    pub(crate) fn fetch(
        &self,
        descriptor: &Descriptor,
        came: &dyn Fn(u64),
        stop: &dyn Fn() -> bool,
        reporter: &dyn Reporter,
    ) -> Result<FetchedBlob> {
        let arrival = Arc::new(Arrival::new(descriptor.size));
        let told = Counted {
            came,
            is_downloaded: AtomicBool::new(false),
        };
        let fetching = Fetching {
            client: &self.client,
            kept: &self.kept,
            work_dir: &self.work_dir,
            digest: &descriptor.digest,
            arrival: &arrival,
            told: &told,
            waiting: Waiting { reporter, stop },
        };
        fetching.run()?;
        // Nothing is waited for: it is all there.
        let open = StoredBlob::Arriving(arrival).open(stop)?;
        Ok(FetchedBlob {
            region: open.region().clone(),
            is_downloaded: told.is_downloaded.into_inner(),
        })
    }
}

struct Counted<'a> {
    came: &'a dyn Fn(u64),
    is_downloaded: AtomicBool,
}

impl Told for Counted<'_> {
    fn status(&self, _: &str) {}

    fn wait(&self, _: &str) {}

    fn read(&self, _: u64) {}

    fn begins_to_download(&self) {
        self.is_downloaded.store(true, Ordering::Relaxed);
    }

    fn came(&self, bytes: u64) {
        (self.came)(bytes);
    }
}
