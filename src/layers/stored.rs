//! A layer's stored bytes: read once, counted, hashed, and stopped when nobody waits any more.

use std::io::{self, BufRead, Read};

use super::verification::Verification;
use crate::error::{Error, Result};
use crate::progress::Meter;
use crate::region::{FileRegion, RegionReader};

const BUFFER_BYTES: usize = 128 << 10;

/// Reads a region to its end. Every byte goes through here exactly once.
pub(super) struct StoredReader<'a> {
    source: Source<'a>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

struct Source<'a> {
    reader: RegionReader,
    verification: Verification,
    meter: &'a dyn Meter,
    stop: &'a dyn Fn() -> bool,
    failure: Option<Error>,
}

impl<'a> StoredReader<'a> {
    pub(super) fn new(
        region: &FileRegion,
        verification: Verification,
        meter: &'a dyn Meter,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            source: Source {
                reader: region.reader(),
                verification,
                meter,
                stop,
                failure: None,
            },
            buffer: vec![0; BUFFER_BYTES].into(),
            start: 0,
            end: 0,
        }
    }

    /// Why reading failed, where it was not what had been read: decoders pass errors on in their
    /// own words.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.source.failure.take()
    }

    /// Reads what is left, gives how much that was, and compares the digests.
    ///
    /// # Errors
    /// Read errors; a digest that differs.
    pub(super) fn finish(mut self) -> Result<u64> {
        let mut left = 0;
        loop {
            let available = match self.fill_buf() {
                Ok(available) => available.len(),
                Err(error) => {
                    return Err(self.take_failure().unwrap_or_else(|| read_failed(error)));
                }
            };
            if available == 0 {
                break;
            }
            left += available as u64;
            self.consume(available);
        }
        self.source.verification.finish()?;
        Ok(left)
    }
}

impl Source<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() {
            let error = Error::unsupported("not read further after another layer failed");
            self.failure = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        loop {
            match self.reader.read(target) {
                Ok(read) => {
                    self.verification.update(&target[..read]);
                    self.meter.add(read as u64);
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

fn read_failed(error: io::Error) -> Error {
    Error::io("cannot read the layer's stored bytes", error)
}

impl BufRead for StoredReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.end = 0;
            self.start = 0;
            self.end = self.source.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }
}

impl Read for StoredReader<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        // An uncompressed layer is read in stretches as long as this buffer: no need of it then.
        if self.start == self.end && target.len() >= self.buffer.len() {
            return self.source.read(target);
        }
        let available = self.fill_buf()?;
        let read = available.len().min(target.len());
        target[..read].copy_from_slice(&available[..read]);
        self.consume(read);
        Ok(read)
    }
}
