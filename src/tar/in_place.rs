//! An uncompressed tar where it is stored: headers are read, data is passed over.

use std::io::IoSliceMut;
use std::num::NonZeroU64;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::blocks::{BUFFER_BYTES, TarBytes};
use crate::error::{Error, Result};
use crate::page_buffer::PageBuffer;
use crate::region::FileRegion;

/// Read after a jump: a header, and the next few where files are small.
const FIRST_STRETCH_BYTES: usize = 4 << 10;

/// How far ahead of the reader the kernel is told to read. Jumps from header to header look like
/// random access to it, which on a disk is slower than reading everything.
const AHEAD_BYTES: u64 = 8 << 20;

/// Who goes along with reading a tar in its place; `()` lets everything pass.
pub trait Passage {
    /// So many bytes of the region are about to be read, counted from its start.
    ///
    /// # Errors
    /// Why they cannot be.
    fn reach(&self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    /// So many bytes more have been read or passed over.
    ///
    /// # Errors
    /// Why that is too much.
    fn pass(&self, _bytes: u64) -> Result<()> {
        Ok(())
    }
}

impl Passage for () {}

/// Reads a region and skips in it.
pub struct InPlace<'a, P> {
    region: &'a FileRegion,
    passage: P,
    position: u64,
    /// Grows while nothing is left out.
    stretch_bytes: usize,
    advised_bytes: u64,
    /// Whether the file's filesystem can tell what is in the page cache: tmpfs cannot, and would be asked
    /// in vain at each read.
    tells_cached: bool,
}

impl<'a, P: Passage> InPlace<'a, P> {
    /// From the region's start.
    pub fn new(region: &'a FileRegion, passage: P) -> Self {
        Self {
            region,
            passage,
            position: 0,
            stretch_bytes: FIRST_STRETCH_BYTES,
            advised_bytes: 0,
            tells_cached: true,
        }
    }

    fn left(&self) -> u64 {
        self.region.length_bytes - self.position
    }

    fn advance(&mut self, bytes: u64) -> Result<()> {
        self.position += bytes;
        self.passage.pass(bytes)
    }

    /// Reads what is in the page cache, or tells that something is not.
    fn read_cached(&mut self, target: &mut [u8]) -> bool {
        if !self.tells_cached {
            return false;
        }
        let offset = self.region.offset_bytes + self.position;
        let mut targets = [IoSliceMut::new(target)];
        let length = targets[0].len();
        let read = preadv2(
            &*self.region.file,
            &mut targets,
            offset,
            ReadWriteFlags::NOWAIT,
        );
        self.tells_cached = read != Err(Errno::OPNOTSUPP);
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

impl<P: Passage> TarBytes for InPlace<'_, P> {
    fn next(&mut self, buffer: &mut PageBuffer) -> Result<usize> {
        let want = usize::try_from(self.left())
            .map_or(self.stretch_bytes, |left| left.min(self.stretch_bytes));
        self.passage.reach(self.position + want as u64)?;
        let target = &mut buffer[..want];
        if !self.read_cached(target) {
            self.advise();
            self.region
                .read_exact_at(target, self.position)
                .map_err(|error| Error::io("cannot read a tar", error))?;
        }
        self.advance(want as u64)?;
        self.stretch_bytes = (self.stretch_bytes * 2).min(BUFFER_BYTES);
        Ok(want)
    }

    fn leave_out(&mut self, length: u64) -> Result<u64> {
        let left_out = length.min(self.left());
        self.advance(left_out)?;
        self.stretch_bytes = FIRST_STRETCH_BYTES;
        Ok(left_out)
    }
}
