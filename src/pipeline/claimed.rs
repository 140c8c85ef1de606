//! Files that this process is about to write: each by one build at a time.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result, escape_path};
use crate::partial_file::directory_of;

static CLAIMED: Mutex<BTreeSet<FileName>> = Mutex::new(BTreeSet::new());

/// A name in a directory, links on the way to that followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName {
    directory: PathBuf,
    name: OsString,
}

impl FileName {
    /// # Errors
    /// [`Error::Io`] where the directory cannot be opened.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let directory = directory_of(path).canonicalize();
        Ok(Self {
            directory: directory.map_err(|error| Error::path("open", path, error))?,
            name: path.file_name().unwrap_or_default().to_owned(),
        })
    }

    /// Where it is, without any link on the way.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The same for all names that differ in case alone.
    pub(super) fn without_case(&self) -> Self {
        let name = self.name.to_string_lossy().to_lowercase();
        Self {
            directory: self.directory.clone(),
            name: name.into(),
        }
    }
}

/// Files that no other build of this process can begin to write as long as this lives.
#[derive(Debug)]
pub(super) struct Claimed(Vec<FileName>);

impl Claimed {
    /// Claims what one build writes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where that is one file for two, or another build is writing it.
    pub(super) fn new(written: &[PathBuf]) -> Result<Self> {
        let own = distinct(written)?;
        let mut claimed = lock();
        for path in written {
            if claimed.contains(&FileName::of(path)?) {
                return Err(Error::unsupported(format!(
                    "{}: expected one build of this process to write it, found another that does",
                    escape_path(path.as_os_str().as_bytes())
                )));
            }
        }
        claimed.extend(own.iter().cloned());
        Ok(Self(own.into_iter().collect()))
    }
}

/// What one build writes, each file once.
///
/// # Errors
/// [`Error::Unsupported`] where that is one file for two.
pub(super) fn distinct(written: &[PathBuf]) -> Result<BTreeSet<FileName>> {
    let mut own = BTreeSet::new();
    for path in written {
        if !own.insert(FileName::of(path)?) {
            return Err(Error::unsupported(format!(
                "{}: expected a file of its own for each of the output, what stands beside it and --verity-file, found one for two",
                escape_path(path.as_os_str().as_bytes())
            )));
        }
    }
    Ok(own)
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut claimed = lock();
        for name in &self.0 {
            claimed.remove(name);
        }
    }
}

fn lock() -> MutexGuard<'static, BTreeSet<FileName>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_builds_until_that_ends_by_whatever_path() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        std::fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        let first = Claimed::new(&[at("real/a"), at("real/b")]).unwrap();
        for path in ["real/a", "link/b", "real/../link/./a"] {
            let error = Claimed::new(&[at("other"), at(path)]).unwrap_err();
            assert!(error.to_string().contains("found another"), "{error}");
        }
        // What was refused has claimed nothing.
        drop(Claimed::new(&[at("other"), at("real/c")]).unwrap());
        let error = Claimed::new(&[at("real/c"), at("link/c")]).unwrap_err();
        assert!(error.to_string().contains("found one for two"), "{error}");
        drop(first);
        drop(Claimed::new(&[at("link/a")]).unwrap());
    }
}
