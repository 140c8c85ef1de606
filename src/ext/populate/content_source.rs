//! A regular file's blocks, read from its layer's tar.

use super::writing_sink::BlockSource;
use crate::error::{Error, Result};
use crate::layers::{Content, Data, DataExtent};
use crate::region::FileRegion;
use crate::units::BLOCK_SIZE;

/// Reads a file's content block by block.
pub struct ContentSource<'a> {
    /// The layer's uncompressed tar.
    pub tar: &'a FileRegion,
    /// Where in it the file is.
    pub content: &'a Content,
}

impl BlockSource for ContentSource<'_> {
    fn read(&mut self, file_block: u64, buffer: &mut [u8]) -> Result<()> {
        let start = file_block * BLOCK_SIZE;
        let end = start + buffer.len() as u64;
        match &self.content.data {
            Data::Contiguous { offset_bytes } => {
                let length = self.content.size_bytes.min(end) - start;
                self.fill(buffer, 0, length, offset_bytes + start)
            }
            Data::Sparse(extents) => {
                buffer.fill(0);
                let end_of = |extent: &DataExtent| extent.file_offset_bytes + extent.length_bytes;
                let first = extents.partition_point(|extent| end_of(extent) <= start);
                let starts_before = |extent: &&DataExtent| extent.file_offset_bytes < end;
                for extent in extents[first..].iter().take_while(starts_before) {
                    let from = extent.file_offset_bytes.max(start);
                    let until = end_of(extent).min(end);
                    let stored = extent.offset_bytes + (from - extent.file_offset_bytes);
                    self.overlay(buffer, from - start, until - from, stored)?;
                }
                Ok(())
            }
        }
    }
}

impl ContentSource<'_> {
    /// Reads into the buffer and clears what is behind.
    fn fill(&self, buffer: &mut [u8], at: u64, length: u64, stored: u64) -> Result<()> {
        self.overlay(buffer, at, length, stored)?;
        buffer[(at + length) as usize..].fill(0);
        Ok(())
    }

    /// Reads `length` bytes from the tar's `stored` into the buffer's `at`.
    fn overlay(&self, buffer: &mut [u8], at: u64, length: u64, stored: u64) -> Result<()> {
        // Both lie within the buffer.
        let piece = &mut buffer[at as usize..(at + length) as usize];
        self.tar
            .read_exact_at(piece, stored)
            .map_err(|error| Error::io("cannot read a layer again", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tar() -> FileRegion {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..40_000_u32)
            .map(|index| (index % 251) as u8 + 1)
            .collect();
        file.write_all(&bytes).unwrap();
        FileRegion::whole(file).unwrap()
    }

    #[test]
    fn the_last_block_is_filled_up_with_zeros() {
        let tar = tar();
        let content = Content {
            size_bytes: 5000,
            data: Data::Contiguous { offset_bytes: 512 },
        };
        let mut source = ContentSource {
            tar: &tar,
            content: &content,
        };
        let mut buffer = vec![9; 4096];
        source.read(1, &mut buffer).unwrap();
        let mut expected = vec![0; 904];
        tar.read_exact_at(&mut expected, 512 + 4096).unwrap();
        assert_eq!(buffer[..904], expected);
        assert!(buffer[904..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn pieces_of_a_sparse_file_stand_in_zeros() {
        let tar = tar();
        let extent = |file_offset_bytes, length_bytes, offset_bytes| DataExtent {
            file_offset_bytes,
            length_bytes,
            offset_bytes,
        };
        let extents = [
            extent(100, 10, 0),
            extent(4090, 20, 10),
            extent(9000, 5000, 30),
        ];
        let content = Content {
            size_bytes: 20_000,
            data: Data::Sparse(extents.into()),
        };
        let mut whole = vec![0; 20_480];
        for extent in extents {
            let range = extent.file_offset_bytes as usize
                ..(extent.file_offset_bytes + extent.length_bytes) as usize;
            tar.read_exact_at(&mut whole[range], extent.offset_bytes)
                .unwrap();
        }
        for (block, count) in [(0, 5), (0, 1), (1, 1), (2, 2), (4, 1)] {
            let mut buffer = vec![9; count * 4096];
            ContentSource {
                tar: &tar,
                content: &content,
            }
            .read(block as u64, &mut buffer)
            .unwrap();
            assert_eq!(buffer, whole[block * 4096..(block + count) * 4096]);
        }
    }
}
