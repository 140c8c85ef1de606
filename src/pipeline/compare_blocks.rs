//! Two files held against each other by blocks.

use std::path::Path;

use crate::blocks::{self, BlockDifferences};
use crate::error::{Error, Result};
use crate::progress::Reporter;

/// Compares two files, or block devices, block by block at the same offsets; where one holds an ext
/// filesystem, each block that differs is told by what it is part of.
///
/// # Errors
/// [`Error::Io`] when one cannot be read, [`Error::Unsupported`] for what is no file.
pub fn compare_blocks(
    before: &Path,
    after: &Path,
    reporter: &dyn Reporter,
) -> Result<BlockDifferences> {
    for path in [before, after] {
        let name = path.display().to_string();
        if name.contains(':') && !path.exists() {
            let what = "expected a file or a block device to compare by blocks, found none of this name: an image has to be built first";
            return Err(Error::unsupported(what).in_image(&name));
        }
    }
    blocks::compare_blocks(before, after, reporter)
}
