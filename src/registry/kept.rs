//! The cache, as a registry's blobs use it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::options::CacheChoice;
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::progress::Reporter;

/// An open cache. Trouble in one that was named is an error; the usual one is given up with a warning,
/// and the build goes on without.
#[derive(Debug)]
pub(super) struct Kept {
    cache: Cache,
    is_named: bool,
    is_given_up: AtomicBool,
}

impl Kept {
    pub(super) fn open(choice: &CacheChoice, reporter: &dyn Reporter) -> Result<Option<Self>> {
        let (path, is_named) = match choice {
            CacheChoice::None => return Ok(None),
            CacheChoice::Given(path) => (path, true),
            CacheChoice::Usual(path) => (path, false),
        };
        match Cache::open(path) {
            Ok(cache) => Ok(Some(Self {
                cache,
                is_named,
                is_given_up: AtomicBool::new(false),
            })),
            Err(error) if is_named => Err(error),
            Err(error) => {
                warn(&error, reporter);
                Ok(None)
            }
        }
    }

    /// The cache, unless it was given up.
    pub(super) fn cache(&self) -> Option<&Cache> {
        (!self.is_given_up.load(Ordering::Relaxed)).then_some(&self.cache)
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
            Err(error @ Error::BadImage { .. }) => Err(error),
            Err(error) if self.is_named => Err(error),
            Err(error) => {
                if !self.is_given_up.swap(true, Ordering::Relaxed) {
                    warn(&error, reporter);
                }
                Ok(None)
            }
        }
    }
}

fn warn(error: &Error, reporter: &dyn Reporter) {
    reporter.warn(&format!("nothing is kept for the next time: {error}"));
}
