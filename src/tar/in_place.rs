//! An uncompressed layer's tar where it is stored: headers are read, data is passed over.

use std::io;
use std::num::NonZeroU64;

use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, preadv2};

use super::budget::Budget;
use super::carried;
use super::stored::{read_failed, stopped};
use super::tar::{BUFFER_BYTES, TarBytes};
use crate::page_buffer::PageBuffer;
use crate::region::FileRegion;
use crate::source::OpenBlob;

/// Read after a jump: a header, and the next few where files are small.
const FIRST_STRETCH_BYTES: usize = 4 << 10;

/// How far ahead of the reader the kernel is told to read. Jumps from header to header look like
/// random access to it, which on a disk is slower than reading everything.
const AHEAD_BYTES: u64 = 8 << 20;

/// Reads a region and skips in it, counting both against the limits.
pub(super) struct PlainTar<'a> {
    blob: &'a OpenBlob,
    region: &'a FileRegion,
    position: u64,
    /// Grows while nothing is left out.
    stretch_bytes: usize,
    advised_bytes: u64,
    budget: &'a Budget<'a>,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> PlainTar<'a> {
    pub(super) fn new(
        blob: &'a OpenBlob,
        budget: &'a Budget<'a>,
        stop: &'a (dyn Fn() -> bool + Sync),
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

    /// Reads what is in the page cache, or tells that something is not.
    fn read_cached(&self, target: &mut [u8]) -> bool {
        let offset = self.region.offset_bytes + self.position;
        let mut targets = [io::IoSliceMut::new(target)];
        let length = targets[0].len();
        let read = preadv2(
            &*self.region.file,
            &mut targets,
            offset,
            ReadWriteFlags::NOWAIT,
        );
        read == Ok(length)
    }

    /// Tells the kernel to read ahead.
    fn advise(&mut self) {
        let end = (self.position + AHEAD_BYTES).min(self.region.length_bytes);
        if end.saturating_sub(self.advised_bytes) < AHEAD_BYTES / 2 {
            return;
        }
        let start = self.advised_bytes.max(self.position);
        let offset = self.region.offset_bytes + start;
        // Advice that is not taken costs speed only.
        let _ = fadvise(
            &*self.region.file,
            offset,
            NonZeroU64::new(end - start),
            Advice::WillNeed,
        );
        self.advised_bytes = end;
    }
}

impl TarBytes for PlainTar<'_> {
    fn next(&mut self, buffer: &mut PageBuffer) -> io::Result<usize> {
        if (self.stop)() {
            return Err(carried::wrap(stopped()));
        }
        let want = self.left().min(self.stretch_bytes as u64);
        self.blob
            .wait_for(self.position + want, self.stop)
            .map_err(carried::wrap)?;
        // No more than the buffer holds.
        let target = &mut buffer[..want as usize];
        if !self.read_cached(target) {
            self.advise();
            self.region
                .read_exact_at(target, self.position)
                .map_err(|error| carried::wrap(read_failed(error)))?;
        }
        self.advance(want)?;
        self.stretch_bytes = (self.stretch_bytes * 2).min(BUFFER_BYTES);
        Ok(want as usize)
    }

    fn leave_out(&mut self, length: u64) -> io::Result<u64> {
        let left_out = length.min(self.left());
        self.advance(left_out)?;
        self.stretch_bytes = FIRST_STRETCH_BYTES;
        Ok(left_out)
    }
}
