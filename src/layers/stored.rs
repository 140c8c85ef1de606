//! A compressed layer's stored bytes: read once, counted, and stopped when nobody waits any more.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::layer_progress::LayerProgress;
use crate::error::Error;
use crate::page_buffer::PageBuffer;
use crate::source::OpenBlob;

const BUFFER_BYTES: usize = 128 << 10;

/// Reads a blob to its end, as fast as it is there.
pub(super) struct StoredReader<'a> {
    blob: &'a OpenBlob,
    progress: Arc<LayerProgress>,
    stop: &'a (dyn Fn() -> bool + Sync),
    failure: Option<Error>,
    buffer: PageBuffer,
    start: usize,
    end: usize,
    unread_bytes: u64,
}

impl<'a> StoredReader<'a> {
    pub(super) fn new(
        blob: &'a OpenBlob,
        progress: Arc<LayerProgress>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            unread_bytes: blob.region().length_bytes,
            blob,
            progress,
            stop,
            failure: None,
            buffer: PageBuffer::new(BUFFER_BYTES),
            start: 0,
            end: 0,
        }
    }

    /// Why reading failed, where it was not what had been read: decoders pass errors on in their
    /// own words.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// How many bytes a decoder has not taken.
    pub(super) fn left_bytes(&self) -> u64 {
        self.unread_bytes + (self.end - self.start) as u64
    }

    fn refill(&mut self) -> io::Result<usize> {
        if (self.stop)() {
            self.failure = Some(stopped());
            return Err(io::ErrorKind::Other.into());
        }
        let region = self.blob.region();
        let position = region.length_bytes - self.unread_bytes;
        if self.unread_bytes == 0 {
            return Ok(0);
        }
        let available = match self.blob.wait_for(position + 1, self.stop) {
            Ok(available) => available - position,
            Err(error) => return Err(self.failed(error)),
        };
        let buffer = self.buffer.len();
        let want = usize::try_from(available).map_or(buffer, |most| most.min(buffer));
        if let Err(error) = region.read_exact_at(&mut self.buffer[..want], position) {
            return Err(self.failed(read_failed(error)));
        }
        self.progress.add(want as u64);
        self.unread_bytes -= want as u64;
        Ok(want)
    }

    fn failed(&mut self, error: Error) -> io::Error {
        self.failure = Some(error);
        io::ErrorKind::Other.into()
    }
}

/// What nobody sees: a layer below has the error that is reported.
pub(super) fn stopped() -> Error {
    Error::Cancelled
}

pub(super) fn read_failed(error: io::Error) -> Error {
    Error::io("cannot read the layer's stored bytes", error)
}

impl BufRead for StoredReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = self.refill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }
}

impl Read for StoredReader<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let read = available.len().min(target.len());
        target[..read].copy_from_slice(&available[..read]);
        self.consume(read);
        Ok(read)
    }
}
