//! Stored bytes on their way into a decoder.

use std::fs::File;
use std::io::{self, BufRead, Read};

use crate::error::{Error, Result};
use crate::page_buffer::PageBuffer;

const BUFFER_BYTES: usize = 128 << 10;

/// Where stored bytes come from, the next one first.
pub trait StoredBytes {
    /// Puts the next bytes at the start of `buffer`, which is not empty; gives how many, 0 at the end
    /// only.
    ///
    /// # Errors
    /// Why there are none; reading fails with it, whichever the compression.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize>;
}

/// A file from where it is read next.
impl StoredBytes for &File {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.read(buffer);
        read.map_err(|error| Error::io("cannot read a compressed file", error))
    }
}

/// Buffers them for decoders, which pass the errors on as they are.
pub(super) struct Stored<S> {
    source: S,
    buffer: PageBuffer,
    start: usize,
    end: usize,
}

impl<S: StoredBytes> Stored<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            buffer: PageBuffer::new(BUFFER_BYTES),
            start: 0,
            end: 0,
        }
    }
}

/// The error that a reader here has passed on; any other is a decoder's, about what it has read.
pub(super) fn own(error: io::Error) -> std::result::Result<Error, io::Error> {
    error.downcast::<Error>()
}

impl<S: StoredBytes> BufRead for Stored<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.end = self
                .source
                .next(&mut self.buffer)
                .map_err(io::Error::other)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }
}

impl<S: StoredBytes> Read for Stored<S> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && target.len() >= BUFFER_BYTES {
            return self.source.next(target).map_err(io::Error::other);
        }
        let available = self.fill_buf()?;
        let read = available.len().min(target.len());
        target[..read].copy_from_slice(&available[..read]);
        self.consume(read);
        Ok(read)
    }
}
