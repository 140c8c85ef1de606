//! A block's worth of bytes from memory: a long symlink's target.

use super::writing_sink::BlockSource;
use crate::error::Result;

/// Bytes that fit into one block.
pub struct BytesSource<'a>(pub &'a [u8]);

impl BlockSource for BytesSource<'_> {
    fn read(&mut self, _: u64, buffer: &mut [u8]) -> Result<()> {
        buffer.fill(0);
        buffer[..self.0.len()].copy_from_slice(self.0);
        Ok(())
    }
}
