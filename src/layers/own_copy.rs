//! Stored bytes that others may write, taken as they are now.
//!
//! An uncompressed layer is hashed by one reading and copied into the filesystem by another. What
//! is changed in between would get in unverified, so that both read a copy that nobody else can
//! reach. A compressed layer needs none: its tar is in a file of our own, and hashed from there.

use std::io::Read;
use std::os::unix::fs::FileExt;

use super::ReadOptions;
use super::stored::{read_failed, stopped};
use super::tee::spool_failed;
use crate::error::{Error, Result};
use crate::leftovers;
use crate::ownership;
use crate::page_buffer::PageBuffer;
use crate::region::FileRegion;
use crate::source::{OpenBlob, StoredBlob};

const BUFFER_BYTES: usize = 256 << 10;

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
    let failed = |error| spool_failed(&options.work_dir, error);
    let file =
        leftovers::undisturbed(|| tempfile::tempfile_in(&options.work_dir)).map_err(failed)?;
    let mut reader = region.reader();
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    let mut position = 0;
    loop {
        if stop() {
            return Err(stopped());
        }
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.map_err(read_failed)?,
        };
        // A hole as large as a disk takes no more in the copy than in the original.
        if buffer[..read].iter().any(|&byte| byte != 0) {
            file.write_all_at(&buffer[..read], position)
                .map_err(failed)?;
        }
        position += read as u64;
    }
    file.set_len(position).map_err(failed)?;
    let copy = FileRegion::whole(file).map_err(failed)?;
    StoredBlob::AtHand(copy).open(stop).map(Some)
}
