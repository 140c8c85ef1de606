//! Blocks changed where they are, read and written in few pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::page_buffer::PageBuffer;
use crate::units::{BLOCK_SIZE, BlockNumber};

/// Blocks read and written in one go.
const BLOCKS_AT_ONCE: u32 = 64;

const BLOCK: usize = BLOCK_SIZE as usize;

/// Changes blocks of a file, which stand in ascending order.
pub struct InPlace<'a> {
    file: &'a File,
    buffer: PageBuffer,
}

impl<'a> InPlace<'a> {
    pub fn new(file: &'a File) -> Self {
        Self {
            file,
            buffer: PageBuffer::new(BLOCKS_AT_ONCE as usize * BLOCK),
        }
    }

    /// Reads each of `blocks`, lets `change` have it beside what it stands with, and writes it back.
    /// Those that follow each other are read and written together.
    ///
    /// # Errors
    /// The file's.
    pub fn change<T>(
        &mut self,
        blocks: impl Iterator<Item = (BlockNumber, T)>,
        mut change: impl FnMut(BlockNumber, &T, &mut [u8]),
    ) -> io::Result<()> {
        let mut blocks = blocks.peekable();
        let mut together = Vec::new();
        while let Some((first, whose)) = blocks.next() {
            together.clear();
            together.push(whose);
            while together.len() < BLOCKS_AT_ONCE as usize
                && let Some((_, whose)) = blocks.next_if(|(block, _)| {
                    u64::from(block.0) == u64::from(first.0) + together.len() as u64
                })
            {
                together.push(whose);
            }
            let bytes = &mut self.buffer[..together.len() * BLOCK];
            self.file.read_exact_at(bytes, first.offset_bytes())?;
            for ((block, whose), bytes) in (first.0..).zip(&together).zip(bytes.chunks_mut(BLOCK)) {
                change(BlockNumber(block), whose, bytes);
            }
            self.file.write_all_at(bytes, first.offset_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_is_changed_once_and_no_other() {
        let file = tempfile::tempfile().unwrap();
        let blocks = 300;
        file.write_all_at(&vec![1; blocks * BLOCK], 0).unwrap();
        let changed: Vec<u32> = (0..3).chain(5..6).chain(7..200).chain([299]).collect();
        let each = changed.iter().map(|&block| (BlockNumber(block), block));
        let mut met = Vec::new();
        InPlace::new(&file)
            .change(each, |block, whose, bytes| {
                assert_eq!((block.0, bytes.len()), (*whose, BLOCK));
                met.push(block.0);
                bytes[7] += 1;
            })
            .unwrap();
        assert_eq!(met, changed);
        let mut found = vec![0; blocks * BLOCK];
        file.read_exact_at(&mut found, 0).unwrap();
        for (block, bytes) in (0..).zip(found.chunks(BLOCK)) {
            let sum: usize = bytes.iter().map(|&byte| usize::from(byte)).sum();
            let expected = BLOCK + usize::from(changed.contains(&block));
            assert_eq!(sum, expected, "block {block}");
        }
    }

    #[test]
    fn a_block_beyond_the_end_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(BLOCK_SIZE).unwrap();
        let blocks = [(BlockNumber(1), ())].into_iter();
        let changed = InPlace::new(&file).change(blocks, |_, (), _| {});
        assert_eq!(changed.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
