//! Where the cache is.

use std::path::PathBuf;

use clap::Args;

use super::environment::home;
use crate::error::{Error, Result};

/// Where the cache is.
#[derive(Debug, Args)]
pub struct CacheDirectory {
    /// Where fetched blobs are kept [default: $XDG_CACHE_HOME/layerpress, or else
    /// ~/.cache/layerpress]
    #[arg(long, value_name = "DIRECTORY", global = true)]
    pub cache_dir: Option<PathBuf>,
}

impl CacheDirectory {
    /// The directory that is meant.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where none is given and there is no home.
    pub fn path(&self) -> Result<PathBuf> {
        if let Some(path) = &self.cache_dir {
            return Ok(path.clone());
        }
        // Relative paths there are to be ignored (XDG Base Directory Specification).
        let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let caches = caches
            .filter(|path| path.is_absolute())
            .or_else(|| Some(home()?.join(".cache")));
        caches.map(|caches| caches.join("layerpress")).ok_or_else(|| {
            Error::unsupported("no directory for the cache: expected HOME or XDG_CACHE_HOME to be set to an absolute path (--cache-dir names a directory)")
        })
    }
}
