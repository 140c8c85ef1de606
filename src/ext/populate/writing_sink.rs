//! The block map's writing side: allocates, copies and writes what it asks for.

use std::ops::Range;

use super::block_writer::write_failed;
use super::streams::Stream;
use super::unsealed::{ChecksumForm, ChecksummedRuns};
use crate::error::{Error, Result};
use crate::ext::plan::Plan;
use crate::ext::plan::block_map::{BlockSink, map_blocks};
use crate::ext::plan::kept_blocks::KeptBlocks;
use crate::ext::profile::BlockMap;
use crate::ondisk::inode::{FLAG_EXTENTS, I_BLOCK_BYTES};
use crate::page_buffer::PageBuffer;
use crate::units::{BLOCK_SIZE, BlockNumber, InodeNumber};

/// Blocks read and written in one go.
const COPIED_BLOCKS: u32 = 64;

/// Where a file's blocks come from.
pub trait BlockSource {
    /// Fills whole blocks from the file's block `file_block` on, zeros behind the file's end.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn read(&mut self, file_block: u64, buffer: &mut [u8]) -> Result<()>;

    /// What a block is where it may have a checksum in it; data have none.
    fn checksum_form(&self, _file_block: u64) -> Option<ChecksumForm> {
        None
    }
}

/// What mapping a node's content gave.
#[derive(Default)]
pub struct Mapped {
    /// The map, or what else stands there; zeros if `None`.
    pub i_block: Option<[u8; I_BLOCK_BYTES]>,
    /// `i_size`.
    pub size_bytes: u64,
    /// Blocks of data and of the map.
    pub blocks: u64,
    /// `i_flags`.
    pub flags: u32,
}

/// Blocks that a content has already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept<'a> {
    /// The first ones, made by mke2fs.
    pub made: &'a [Range<u32>],
    /// Those that stay where they were, in the order of the file.
    pub data: &'a [Range<u32>],
    /// Those of its map, in the order in which they are asked for.
    pub maps: &'a [Range<u32>],
}

/// What each sink needs of what outlives it.
#[derive(Debug)]
pub struct Lasting {
    /// For copying.
    buffer: PageBuffer,
    /// What has been met with checksums in it.
    pub checksummed: ChecksummedRuns,
}

impl Lasting {
    /// For the sinks of a filesystem.
    pub fn new(has_checksums: bool) -> Self {
        Self {
            buffer: PageBuffer::new(COPIED_BLOCKS as usize * BLOCK_SIZE as usize),
            checksummed: ChecksummedRuns::new(has_checksums),
        }
    }
}

/// Allocates, copies and writes what the block map asks for.
pub struct WritingSink<'s, 'f> {
    source: &'s mut dyn BlockSource,
    made: KeptBlocks<'s>,
    kept: KeptBlocks<'s>,
    kept_maps: KeptBlocks<'s>,
    stream: &'s mut Stream<'f>,
    /// Where blocks of the map go unless they go into `stream`, too.
    maps: Option<&'s mut Stream<'f>>,
    checksummed: &'s mut ChecksummedRuns,
    own: InodeNumber,
    buffer: &'s mut [u8],
    used_blocks: u64,
}

impl<'s, 'f> WritingSink<'s, 'f> {
    /// A sink for the content of the inode `own`, which goes into `stream`. Blocks of the map go into
    /// `maps`, or where there is none behind what they map.
    pub fn new(
        source: &'s mut dyn BlockSource,
        own: InodeNumber,
        stream: &'s mut Stream<'f>,
        maps: Option<&'s mut Stream<'f>>,
        lasting: &'s mut Lasting,
    ) -> Self {
        Self {
            source,
            made: KeptBlocks::default(),
            kept: KeptBlocks::default(),
            kept_maps: KeptBlocks::default(),
            stream,
            maps,
            checksummed: &mut lasting.checksummed,
            own,
            buffer: &mut lasting.buffer,
            used_blocks: 0,
        }
    }

    /// Uses up these blocks first.
    pub fn keeping(mut self, kept: Kept<'s>) -> Self {
        self.made = KeptBlocks::new(kept.made);
        self.kept = KeptBlocks::new(kept.data);
        self.kept_maps = KeptBlocks::new(kept.maps);
        self
    }

    /// Maps and writes all of `ranges`; gives what the inode says of it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Mismatch`] when a block that it has already was left over.
    pub fn map_all(
        &mut self,
        plan: &Plan,
        ranges: &[Range<u64>],
        size_bytes: u64,
    ) -> Result<Mapped> {
        let i_block = map_blocks(plan.profile.block_map, ranges, self)?;
        if !self.made.is_empty() {
            return Err(Error::Mismatch(
                "expected to use all blocks of a directory that mke2fs made".to_owned(),
            ));
        }
        if !(self.kept.is_empty() && self.kept_maps.is_empty()) {
            return Err(Error::Mismatch(
                "expected to use all blocks planned to be kept, found some left".to_owned(),
            ));
        }
        Ok(Mapped {
            i_block: Some(i_block),
            size_bytes,
            blocks: self.used_blocks,
            flags: match plan.profile.block_map {
                BlockMap::Indirect => 0,
                BlockMap::Extents => FLAG_EXTENTS,
            },
        })
    }
}

impl<'f> WritingSink<'_, 'f> {
    fn map_stream(&mut self) -> &mut Stream<'f> {
        match &mut self.maps {
            Some(maps) => maps,
            None => self.stream,
        }
    }
}

impl BlockSink for WritingSink<'_, '_> {
    fn allocate_data(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        let kept = self.made.take(wanted).or_else(|| self.kept.take(wanted));
        let (first, count) = match kept {
            Some(kept) => kept,
            None => self.stream.allocate(wanted)?,
        };
        self.used_blocks += u64::from(count);
        Ok((first, count))
    }

    fn allocate_map(&mut self) -> Result<BlockNumber> {
        let block = match self.kept_maps.take(1) {
            Some((block, _)) => block,
            None => self.map_stream().allocate(1)?.0,
        };
        self.used_blocks += 1;
        Ok(block)
    }

    fn data(&mut self, file_block: u64, first: BlockNumber, count: u32) -> Result<()> {
        for (file_block, block) in (file_block..).zip(first.0..).take(count as usize) {
            let Some(form) = self.source.checksum_form(file_block) else {
                break;
            };
            self.checksummed.add(BlockNumber(block), self.own, form);
        }
        let mut done = 0;
        while done < count {
            let now = (count - done).min(COPIED_BLOCKS);
            let buffer = &mut self.buffer[..now as usize * BLOCK_SIZE as usize];
            self.source.read(file_block + u64::from(done), buffer)?;
            let target = BlockNumber(first.0 + done);
            self.stream
                .writer
                .write_blocks(target.offset_bytes(), buffer)
                .map_err(write_failed)?;
            self.stream.writer.note_progress(buffer.len() as u64);
            done += now;
        }
        Ok(())
    }

    fn map(&mut self, block: BlockNumber, bytes: &[u8; BLOCK_SIZE as usize]) -> Result<()> {
        if self.maps.is_none() {
            self.checksummed.add(block, self.own, ChecksumForm::Extents);
        }
        let written = self.map_stream().writer.write(block.offset_bytes(), bytes);
        written.map_err(write_failed)
    }
}
