//! The cache, as a registry's blobs use it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::options::CacheChoice;
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::oci::Digest;
use crate::progress::Reporter;

/// An open cache, if there is to be one. Trouble in one that was named is an error; the usual one is
/// given up with a warning, and the build goes on without.
#[derive(Debug)]
pub(super) struct Kept {
    cache: Option<Cache>,
    is_named: bool,
    is_given_up: AtomicBool,
}

impl Kept {
    pub(super) fn open(choice: &CacheChoice, reporter: &dyn Reporter) -> Result<Self> {
        let mut kept = Self {
            cache: None,
            is_named: matches!(choice, CacheChoice::Given(_)),
            is_given_up: AtomicBool::new(false),
        };
        if let CacheChoice::Given(path) | CacheChoice::Usual(path) = choice {
            kept.cache = kept.outcome(Cache::open(path), reporter)?;
        }
        Ok(kept)
    }

    /// The cache, unless there is none or it was given up.
    pub(super) fn cache(&self) -> Option<&Cache> {
        let is_given_up = self.is_given_up.load(Ordering::Relaxed);
        self.cache.as_ref().filter(|_| !is_given_up)
    }

    /// Whether the cache has a file of that name; nothing of it is read.
    pub(super) fn seems_to_have(&self, digest: &Digest) -> bool {
        let found = self.cache().map(|cache| cache.find(digest));
        matches!(found, Some(Ok(Some(_))))
    }

    /// What came of something that was done with the cache; `None` where that was given up.
    ///
    /// # Errors
    /// That of a cache that was named, and always what is wrong with the bytes.
    pub(super) fn outcome<T>(
        &self,
        outcome: Result<T>,
        reporter: &dyn Reporter,
    ) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error @ (Error::BadImage { .. } | Error::Cancelled)) => Err(error),
            Err(error) if self.is_named => Err(error),
            Err(error) => {
                if !self.is_given_up.swap(true, Ordering::Relaxed) {
                    reporter.warn(&format!("nothing is kept for the next time: {error}"));
                }
                Ok(None)
            }
        }
    }
}
