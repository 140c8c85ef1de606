//! Outputs of several images that would meet.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, escape_path};
use crate::pipeline::claimed::FileName;

/// Every file that was told of, and of which item of the list it is.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<FileName, (usize, PathBuf)>);

impl Written {
    /// Takes in what an item writes; once more is as good as once. Names that differ in case alone are
    /// one on some filesystems, and so they are here.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with both, where another item writes one of them, by whatever path.
    pub(super) fn add(&mut self, index: usize, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            // One that cannot be opened fails by itself, and alone.
            let Ok(name) = FileName::of(path) else {
                continue;
            };
            let (other, before) = self
                .0
                .entry(name.without_case())
                .or_insert_with(|| (index, path.clone()));
            if *other != index {
                return Err(Error::unsupported(format!(
                    "expected outputs that do not meet, found {} of image {} and {} of image {}",
                    shown(before),
                    *other + 1,
                    shown(path),
                    index + 1
                )));
            }
        }
        Ok(())
    }
}

fn shown(path: &Path) -> String {
    escape_path(path.as_os_str().as_bytes())
}
