//! A finished file given to a stream.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};
use crate::host_space::is_hole;
use crate::page_buffer::PageBuffer;
use crate::partial_file::PartialFile;
use crate::progress::{Phase, Reporter, Task};

/// Bytes read and written at once.
const PIECE_BYTES: usize = 256 << 10;

/// Writes all of a file to a stream, holes as zeros.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read or the stream not be written, as when nobody reads it
/// any more.
pub(super) fn send(partial: &PartialFile, stream: &File, reporter: &dyn Reporter) -> Result<()> {
    let file = partial.file();
    let unreadable = |error| Error::path("read", partial.output(), error);
    let length_bytes = file.metadata().map_err(unreadable)?.len();
    let meter = reporter.begin(Task::bytes(Phase::Finish, "write", length_bytes));
    let mut stream = stream;
    let mut buffer = PageBuffer::new(PIECE_BYTES);
    let mut done = 0;
    while done < length_bytes {
        let left = usize::try_from(length_bytes - done).unwrap_or(PIECE_BYTES);
        let piece = &mut buffer[..left.min(PIECE_BYTES)];
        if is_hole(file, done, done + piece.len() as u64) {
            piece.fill(0);
        } else {
            file.read_exact_at(piece, done).map_err(unreadable)?;
        }
        stream.write_all(piece).map_err(unwritable)?;
        meter.add(piece.len() as u64);
        done += piece.len() as u64;
    }
    stream.flush().map_err(unwritable)?;
    meter.finish("written");
    Ok(())
}

fn unwritable(error: io::Error) -> Error {
    Error::io("cannot write to standard output", error)
}
