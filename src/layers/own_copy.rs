//! Stored bytes that others may write, taken as they are now.
//!
//! An uncompressed layer is hashed by one reading and copied into the filesystem by another. What
//! is changed in between would get in unverified, so that both read a copy that nobody else can
//! reach. A compressed layer needs none: its tar is in a file of our own, and hashed from there.

use super::ReadOptions;
use super::stored::{read_failed, stopped};
use crate::error::{Error, Result};
use crate::ownership;
use crate::source::{OpenBlob, StoredBlob};
use crate::spool;

/// A copy in the work directory of what is at hand; `None` where nobody else may write it.
///
/// # Errors
/// [`Error::Io`] where it cannot be read or written, [`Error::BadImage`] where no layer may be so long.
pub(super) fn own_copy(
    stored: &OpenBlob,
    options: &ReadOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Option<OpenBlob>> {
    let region = stored.region();
    if ownership::others_of(&region.file)
        .map_err(read_failed)?
        .is_none()
    {
        return Ok(None);
    }
    let most = options.limits.max_layer_bytes;
    if region.length_bytes > most {
        return Err(Error::bad_image(format!(
            "expected at most {most} uncompressed bytes in a layer, found {} (--max-layer-bytes raises the limit)",
            region.length_bytes
        )));
    }
    let copy = spool::copy(region, &options.work_dir, "a layer", |_| match stop() {
        true => Err(stopped()),
        false => Ok(()),
    })?;
    StoredBlob::AtHand(copy).open(stop).map(Some)
}
