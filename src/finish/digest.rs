//! The output's SHA-256.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::oci::{Digest, DigestHasher};
use crate::page_buffer::PageBuffer;
use crate::progress::{Reporter, Unit};

const BUFFER_BYTES: usize = 256 << 10;

/// Hashes a file from its start to its end.
///
/// # Errors
/// The file's read errors.
pub fn sha256(file: &File, length_bytes: u64, reporter: &dyn Reporter) -> io::Result<Digest> {
    let meter = reporter.begin("sha256", Unit::Bytes, Some(length_bytes));
    let mut hasher = DigestHasher::sha256();
    let mut buffer = PageBuffer::new(BUFFER_BYTES);
    let mut done = 0;
    loop {
        let read = file.read_at(&mut buffer, done)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        meter.add(read as u64);
        done += read as u64;
    }
    meter.finish("computed");
    Ok(hasher.finish())
}
