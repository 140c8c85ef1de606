//! A decompressed tar as it passes: counted against the limits, spooled.

use super::budget::Budget;
use super::verifying::Growing;
use crate::compression::check_expansion;
use crate::error::Result;
use crate::limits::Limits;
use crate::page_buffer::PageBuffer;
use crate::spool::Spool;
use crate::tar::TarBytes;

/// Passes on what `reader` gives, after everything has been done with it that must be.
pub(super) struct Tee<'a, R> {
    pub(super) reader: R,
    pub(super) spool: Spool<'a>,
    /// Told how far the spool has got, for who hashes it.
    pub(super) growing: &'a Growing,
    pub(super) budget: &'a Budget<'a>,
    pub(super) limits: &'a Limits,
    /// How long the blob is.
    pub(super) stored_bytes: u64,
}

impl<R: TarBytes> TarBytes for &mut Tee<'_, R> {
    fn next(&mut self, buffer: &mut PageBuffer) -> Result<usize> {
        let length = self.reader.next(buffer)?;
        self.budget.add_expanded_bytes(length as u64)?;
        check_expansion(self.stored_bytes, self.budget.tar_bytes(), self.limits)?;
        self.spool.write(&buffer[..length])?;
        self.growing.grow(length as u64);
        Ok(length)
    }
}
