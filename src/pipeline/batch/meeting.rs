//! Outputs of several images that would meet.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::BatchItem;
use crate::error::{Error, Result, escape_path};
use crate::pipeline::claimed::FileName;

/// Refuses a list of which two images would write one file, by whatever path. Names that differ in
/// case alone are one on some filesystems, and so they are here.
///
/// # Errors
/// [`Error::Unsupported`] with both outputs.
pub(super) fn refuse(items: &[BatchItem]) -> Result<()> {
    let mut names: BTreeMap<FileName, (usize, PathBuf)> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        for path in item.output.paths() {
            // One that cannot be opened fails by itself, and alone.
            let Ok(name) = FileName::of(&path) else {
                continue;
            };
            let before = names.insert(name.without_case(), (index, path.clone()));
            let Some((other, before)) = before.filter(|(other, _)| *other != index) else {
                continue;
            };
            return Err(Error::unsupported(format!(
                "expected outputs that do not meet, found {} of image {} and {} of image {}",
                shown(&before),
                other + 1,
                shown(&path),
                index + 1
            )));
        }
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    escape_path(path.as_os_str().as_bytes())
}
