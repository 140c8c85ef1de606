//! An uncompressed layer's tar where it is stored: headers are read, data is passed over.

use std::io::{self, Read};

use rustix::fs::{Advice, fadvise};

use super::budget::Budget;
use super::carried;
use super::tar::TarBytes;
use crate::region::FileRegion;
use crate::source::OpenBlob;

/// Read after a jump: a header, and the next few where files are small.
const FIRST_STRETCH_BYTES: usize = 4 << 10;

/// Read in one go where nothing was left out for a while.
const MAX_STRETCH_BYTES: usize = 256 << 10;

/// How far ahead of the reader the kernel is told to read. Jumps from header to header look like
/// random access to it, which on a disk is slower than reading everything.
const AHEAD_BYTES: u64 = 8 << 20;

/// Reads a region and skips in it, counting both against the limits.
pub(super) struct PlainTar<'a> {
    blob: &'a OpenBlob,
    region: &'a FileRegion,
    position: u64,
    stretch_bytes: usize,
    advised_bytes: u64,
    budget: &'a Budget<'a>,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> PlainTar<'a> {
    pub(super) fn new(
        blob: &'a OpenBlob,
        budget: &'a Budget<'a>,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            blob,
            region: blob.region(),
            position: 0,
            stretch_bytes: FIRST_STRETCH_BYTES,
            advised_bytes: 0,
            budget,
            stop,
        }
    }

    fn left(&self) -> u64 {
        self.region.length_bytes - self.position
    }

    fn advance(&mut self, bytes: u64) -> io::Result<()> {
        self.position += bytes;
        self.budget.add_tar_bytes(bytes).map_err(carried::wrap)
    }

    fn advise(&mut self) {
        if self.position + AHEAD_BYTES / 2 < self.advised_bytes || self.left() == 0 {
            return;
        }
        let start = self.advised_bytes.max(self.position);
        let end = (self.position + AHEAD_BYTES).min(self.region.length_bytes);
        if let Some(length) = std::num::NonZeroU64::new(end.saturating_sub(start)) {
            let offset = self.region.offset_bytes + start;
            // Advice that is not taken costs speed only.
            let _ = fadvise(&*self.region.file, offset, Some(length), Advice::WillNeed);
            self.advised_bytes = end;
        }
    }
}

impl Read for PlainTar<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(carried::wrap(super::stored::stopped()));
        }
        self.advise();
        let want = usize::try_from(self.left()).map_or(target.len(), |left| left.min(target.len()));
        self.blob
            .wait_for(self.position + want as u64, self.stop)
            .map_err(carried::wrap)?;
        self.region
            .read_exact_at(&mut target[..want], self.position)
            .map_err(|error| carried::wrap(super::stored::read_failed(error)))?;
        self.advance(want as u64)?;
        self.stretch_bytes = (self.stretch_bytes * 2).min(MAX_STRETCH_BYTES);
        Ok(want)
    }
}

impl TarBytes for PlainTar<'_> {
    fn leave_out(&mut self, length: u64) -> io::Result<u64> {
        let left_out = length.min(self.left());
        self.advance(left_out)?;
        self.stretch_bytes = FIRST_STRETCH_BYTES;
        Ok(left_out)
    }

    fn stretch_bytes(&self) -> usize {
        self.stretch_bytes
    }
}
