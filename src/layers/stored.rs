//! A compressed layer's stored bytes: read once, counted, and stopped when nobody waits any more.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::layer_progress::LayerProgress;
use crate::error::Error;
use crate::region::{FileRegion, RegionReader};

const BUFFER_BYTES: usize = 128 << 10;

/// Reads a region to its end.
pub(super) struct StoredReader<'a> {
    reader: RegionReader,
    progress: Arc<LayerProgress>,
    stop: &'a (dyn Fn() -> bool + Sync),
    failure: Option<Error>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    unread_bytes: u64,
}

impl<'a> StoredReader<'a> {
    pub(super) fn new(
        region: &FileRegion,
        progress: Arc<LayerProgress>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            reader: region.reader(),
            progress,
            stop,
            failure: None,
            buffer: vec![0; BUFFER_BYTES].into(),
            start: 0,
            end: 0,
            unread_bytes: region.length_bytes,
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
        loop {
            match self.reader.read(&mut self.buffer) {
                Ok(read) => {
                    self.progress.meter().add(read as u64);
                    self.unread_bytes -= read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(read_failed(error));
                    return Err(io::ErrorKind::Other.into());
                }
            }
        }
    }
}

/// What nobody sees: a layer below has the error that is reported.
pub(super) fn stopped() -> Error {
    Error::unsupported("not read further after another layer failed")
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
