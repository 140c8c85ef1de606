//! Block groups while they fill: descriptors, bitmaps, and the next free block.

use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};
use crate::ext::profile::Profile;
use crate::ondisk::bitmap;
use crate::ondisk::group_descriptor::GroupDescriptor;
use crate::ondisk::inode::INODE_BYTES;
use crate::ondisk::superblock::Superblock;
use crate::partial_file::PartialFile;
use crate::units::{BLOCK_SIZE, BlockNumber, InodeNumber};

const BLOCK: usize = BLOCK_SIZE as usize;

/// All groups of a filesystem. Blocks are handed out from the front to the back, never twice.
pub struct Groups<'a> {
    partial: &'a PartialFile,
    descriptor_bytes: usize,
    blocks_count: u32,
    blocks_per_group: u32,
    inodes_per_group: u32,
    /// The descriptor table as it stands on disk.
    table: Vec<u8>,
    descriptors: Vec<GroupDescriptor>,
    open: OpenGroup,
}

/// The group whose blocks are being handed out.
struct OpenGroup {
    group: usize,
    bitmap: Box<[u8; BLOCK]>,
    /// The first bit not looked at yet.
    cursor: u32,
}

impl<'a> Groups<'a> {
    /// Reads the descriptors of an empty filesystem.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Mismatch`] when a bitmap contradicts its descriptor.
    pub fn read(
        partial: &'a PartialFile,
        profile: &Profile,
        superblock: &Superblock,
    ) -> Result<Self> {
        // Held against the plan, which counts so far only.
        let blocks_count = u32::try_from(superblock.blocks_count).unwrap_or(u32::MAX);
        let count = blocks_count.div_ceil(superblock.blocks_per_group);
        let table_blocks = count.div_ceil(profile.descriptors_per_block());
        let mut groups = Self {
            partial,
            descriptor_bytes: profile.descriptor_bytes,
            blocks_count,
            blocks_per_group: superblock.blocks_per_group,
            inodes_per_group: superblock.inodes_per_group,
            table: vec![0; table_blocks as usize * BLOCK],
            descriptors: Vec::new(),
            open: OpenGroup {
                group: 0,
                bitmap: Box::new([0; BLOCK]),
                cursor: 0,
            },
        };
        read_at(partial, &mut groups.table, BLOCK_SIZE)?;
        let table = groups.table.chunks_exact(profile.descriptor_bytes);
        groups.descriptors = table
            .take(count as usize)
            .map(GroupDescriptor::decode)
            .collect();
        groups.open_group(0)?;
        Ok(groups)
    }

    /// The next free blocks: at least one, at most `wanted`, side by side.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when there is none, which the plan rules out; [`Error::Io`].
    pub fn allocate(&mut self, wanted: u32) -> Result<(BlockNumber, u32)> {
        loop {
            let bits = self.blocks_in(self.open.group);
            let open = &mut self.open;
            let run = bitmap::next_clear_run(&open.bitmap[..], open.cursor, bits, wanted);
            if let Some(run) = run {
                open.cursor = run.end;
                bitmap::set_range(&mut open.bitmap[..], run.clone());
                let first = open.group as u32 * self.blocks_per_group + run.start;
                return Ok((BlockNumber(first), run.end - run.start));
            }
            self.close_group()?;
            let next = self.open.group + 1;
            if next == self.descriptors.len() {
                return Err(Error::Mismatch(
                    "expected a free block, found none".to_owned(),
                ));
            }
            self.open_group(next)?;
        }
    }

    /// Where an inode is in the filesystem, in bytes.
    pub fn inode_offset_bytes(&self, number: InodeNumber) -> u64 {
        let index = number.0 - 1;
        let group = (index / self.inodes_per_group) as usize;
        self.descriptors[group].inode_table.offset_bytes()
            + u64::from(index % self.inodes_per_group) * INODE_BYTES as u64
    }

    /// Counts a new directory.
    pub fn note_directory(&mut self, number: InodeNumber) {
        let group = (number.0 - 1) / self.inodes_per_group;
        // At most one for each inode of the group.
        self.descriptors[group as usize].used_dirs_count += 1;
    }

    /// Writes the bitmaps, all inodes below `first_unused` in use; gives the free blocks and
    /// inodes that are left, counted from the bitmaps.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(&mut self, first_unused: InodeNumber) -> Result<(u64, u64)> {
        self.close_group()?;
        let used = first_unused.0 - 1;
        for group in 0..self.descriptors.len() {
            let before = group as u32 * self.inodes_per_group;
            let used_here = used.saturating_sub(before).min(self.inodes_per_group);
            if used_here == 0 {
                break;
            }
            let mut bytes = [0; BLOCK];
            let offset_bytes = self.descriptors[group].inode_bitmap.offset_bytes();
            read_at(self.partial, &mut bytes, offset_bytes)?;
            bitmap::set_range(&mut bytes, 0..used_here);
            self.write_at(&bytes, offset_bytes)?;
            let free = bitmap::count_clear(&bytes, self.inodes_per_group);
            self.descriptors[group].free_inodes_count = free as u16;
        }
        let free_blocks = self
            .descriptors
            .iter()
            .map(|group| u64::from(group.free_blocks_count));
        let free_inodes = self
            .descriptors
            .iter()
            .map(|group| u64::from(group.free_inodes_count));
        Ok((free_blocks.sum(), free_inodes.sum()))
    }

    /// The descriptor table as it is to be written.
    pub fn into_descriptors(mut self) -> Vec<u8> {
        let encoded = self.table.chunks_exact_mut(self.descriptor_bytes);
        for (bytes, descriptor) in encoded.zip(&self.descriptors) {
            descriptor.encode_counts_and_flags(bytes);
        }
        self.table
    }

    fn blocks_in(&self, group: usize) -> u32 {
        let before = group as u32 * self.blocks_per_group;
        (self.blocks_count - before).min(self.blocks_per_group)
    }

    fn open_group(&mut self, group: usize) -> Result<()> {
        let descriptor = self.descriptors[group];
        let offset_bytes = descriptor.block_bitmap.offset_bytes();
        read_at(self.partial, &mut self.open.bitmap[..], offset_bytes)?;
        self.open.group = group;
        self.open.cursor = 0;
        let free = bitmap::count_clear(&self.open.bitmap[..], self.blocks_in(group));
        if free != u32::from(descriptor.free_blocks_count) {
            return Err(Error::Mismatch(format!(
                "mke2fs' block group {group}: expected {} free blocks in the bitmap, found {free}",
                descriptor.free_blocks_count
            )));
        }
        Ok(())
    }

    /// Writes the open group's bitmap; the group takes no more.
    fn close_group(&mut self) -> Result<()> {
        let group = self.open.group;
        let free = bitmap::count_clear(&self.open.bitmap[..], self.blocks_in(group));
        let descriptor = &mut self.descriptors[group];
        // At most 32,768 blocks in a group.
        descriptor.free_blocks_count = free as u16;
        let offset_bytes = descriptor.block_bitmap.offset_bytes();
        self.write_at(&self.open.bitmap[..], offset_bytes)
    }

    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> Result<()> {
        let written = self.partial.file().write_all_at(bytes, offset_bytes);
        written.map_err(|error| Error::path("write", self.partial.output(), error))
    }
}

/// Errors are of the file that is being written.
fn read_at(partial: &PartialFile, buffer: &mut [u8], offset_bytes: u64) -> Result<()> {
    let read = partial.file().read_exact_at(buffer, offset_bytes);
    read.map_err(|error| Error::path("write", partial.output(), error))
}
