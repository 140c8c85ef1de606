//! A file's content read straight from the image, by a block map that another reader gave.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::seen::length_of;
use crate::error::{Error, Result};
use crate::listing::{ContentDigest, ContentHasher};
use crate::ondisk::extent::BlockRun;
use crate::page_buffer::PageBuffer;
use crate::region::FileRegion;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Where a file's blocks are, ascending within the file; what is in no run is a hole.
pub type BlockMap = Box<[BlockRun]>;

/// Reads contents from an image by block maps. Only mapped blocks are read, and over all files not
/// more of them than the image has: a sound filesystem gives each block to one file at most.
#[derive(Debug)]
pub struct MappedReader {
    image: Arc<File>,
    block_size: u64,
    image_blocks: u64,
    blocks_left: u64,
    buffer: PageBuffer,
}

impl MappedReader {
    /// A reader of the filesystem in `image`, whose blocks are `block_size` bytes.
    ///
    /// # Errors
    /// [`Error::Io`] when the image cannot be opened, [`Error::BadImage`] for a block size that is
    /// none.
    pub fn open(image: &Path, block_size: u64) -> Result<Self> {
        if !block_size.is_power_of_two() || !(1 << 10..=1 << 16).contains(&block_size) {
            return Err(Error::bad_image(format!(
                "{}: expected a block size of 1 KiB to 64 KiB, found {block_size}",
                image.display()
            )));
        }
        let file = File::open(image).map_err(|error| Error::path("open", image, error))?;
        let length = length_of(&file, image)?;
        Ok(Self {
            image: Arc::new(file),
            block_size,
            image_blocks: length.div_ceil(block_size),
            blocks_left: length.div_ceil(block_size),
            buffer: PageBuffer::new(BUFFER_BYTES),
        })
    }

    /// The digest of a file of `size_bytes` bytes; blocks beyond its end are not read.
    ///
    /// # Errors
    /// Why the content is unreadable.
    pub fn digest(&mut self, map: &[BlockRun], size_bytes: u64) -> Result<ContentDigest, String> {
        let mut hasher = ContentHasher::default();
        self.read(map, size_bytes, |offset, bytes| {
            hasher
                .data(offset, bytes)
                .map_err(|error| error.to_string())
        })?;
        Ok(hasher.finish(size_bytes))
    }

    /// The first `size_bytes` bytes, holes as zeros, where they are `limit_bytes` at most.
    ///
    /// # Errors
    /// Why the content is unreadable.
    pub fn bytes(
        &mut self,
        map: &[BlockRun],
        size_bytes: u64,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, String> {
        let length = usize::try_from(size_bytes)
            .ok()
            .filter(|_| size_bytes <= limit_bytes);
        let length = length
            .ok_or_else(|| format!("expected at most {limit_bytes} bytes, found {size_bytes}"))?;
        let mut content = vec![0; length];
        self.read(map, size_bytes, |offset, bytes| {
            // The offset lies within the size, which fits.
            let start = offset as usize;
            content[start..start + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })?;
        Ok(content)
    }

    /// Gives the mapped bytes before `size_bytes` to `take`, each piece with its offset in the
    /// file, in the map's order.
    ///
    /// # Errors
    /// Why the content is unreadable, or what `take` found wrong.
    pub fn read(
        &mut self,
        map: &[BlockRun],
        size_bytes: u64,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        for run in map {
            let start = run.file_block.checked_mul(self.block_size);
            let Some(start) = start.filter(|start| *start < size_bytes) else {
                continue;
            };
            let end = run.disk_block.checked_add(run.count);
            if run.disk_block == 0 || end.is_none_or(|end| end > self.image_blocks) {
                return Err(format!(
                    "expected blocks before {}, found {} and {} more",
                    self.image_blocks, run.disk_block, run.count
                ));
            }
            if run.unwritten {
                continue;
            }
            self.blocks_left = self
                .blocks_left
                .checked_sub(run.count)
                .ok_or("its blocks belong to other files as well")?;
            // Both ends lie within the image, and so within 64 bits.
            let region = FileRegion {
                file: Arc::clone(&self.image),
                offset_bytes: run.disk_block * self.block_size,
                length_bytes: (run.count * self.block_size).min(size_bytes - start),
            };
            region.for_each_piece(&mut self.buffer, |done, piece| {
                let byte = region.offset_bytes + done;
                take(
                    start + done,
                    piece.map_err(|error| format!("byte {byte} of the image: {error}"))?,
                )
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn image() -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for block in 0..8 {
            file.write_all(&[block; 1024]).unwrap();
        }
        file
    }

    fn run(file_block: u64, disk_block: u64, count: u64) -> BlockRun {
        BlockRun {
            file_block,
            disk_block,
            count,
            unwritten: false,
        }
    }

    #[test]
    fn mapped_blocks_are_read_and_holes_and_unwritten_ones_are_zeros() {
        let image = image();
        let mut reader = MappedReader::open(image.path(), 1024).unwrap();
        let unwritten = BlockRun {
            unwritten: true,
            ..run(3, 6, 1)
        };
        let map = [run(0, 3, 2), unwritten, run(4, 5, 2)];
        let mut content = [[3; 1024], [4; 1024], [0; 1024], [0; 1024], [5; 1024]].concat();
        content.extend_from_slice(&[6; 100]);
        let size = content.len() as u64;
        assert_eq!(reader.bytes(&map, size, size).unwrap(), content);
        assert_eq!(
            reader.digest(&map, size).unwrap(),
            ContentHasher::digest(&content)
        );
        assert!(reader.bytes(&map, size, size - 1).is_err());
    }

    #[test]
    fn a_map_that_leaves_the_image_or_repeats_itself_is_refused() {
        let image = image();
        let open = || MappedReader::open(image.path(), 1024).unwrap();
        for wrong in [
            run(0, 0, 1),
            run(0, 8, 1),
            run(0, 7, 2),
            run(0, 2, u64::MAX),
        ] {
            assert!(open().digest(&[wrong], 4096).is_err(), "{wrong:?}");
        }
        let twice = [run(0, 1, 5), run(5, 1, 5)];
        assert!(open().digest(&twice, 10_240).is_err());
        let backwards = [run(4, 1, 1), run(0, 2, 1)];
        assert!(open().digest(&backwards, 10_240).is_err());
        assert!(MappedReader::open(image.path(), 3000).is_err());
    }
}
