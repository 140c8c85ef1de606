//! Block groups: which blocks are free at first, and what is written of them at the end.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::block_writer::{BlockWriter, FEW_BYTES};
use crate::error::{Error, Result};
use crate::ext::plan::{Cursor, FreeRuns};
use crate::ext::profile::Profile;
use crate::ondisk::bitmap;
use crate::ondisk::group_descriptor::{GroupDescriptor, set_unused_inodes};
use crate::ondisk::inode::{self, INODE_BYTES};
use crate::ondisk::superblock::{Superblock, has_superblock};
use crate::partial_file::PartialFile;
use crate::progress::Silent;
use crate::units::{BLOCK_SIZE, GroupNumber, InodeNumber};

const BLOCK: usize = BLOCK_SIZE as usize;

/// Bits of a bitmap.
const BITS: u32 = 8 * BLOCK_SIZE as u32;

/// All groups of a filesystem.
pub struct Groups<'a> {
    partial: &'a PartialFile,
    descriptor_bytes: usize,
    blocks_count: u32,
    blocks_per_group: u32,
    inodes_per_group: u32,
    /// Blocks of a copy of the superblock and what follows it.
    blocks_per_copy: u32,
    /// Whether what is written of a group is written of all: the versions of mke2fs leave different
    /// ones without bitmaps.
    rewrites_all: bool,
    /// The descriptor table as it stands on disk.
    table: Vec<u8>,
    descriptors: Vec<GroupDescriptor>,
    /// How many groups' block bitmaps have been read, and are written anew.
    opened: usize,
    /// How many inodes at the end of each group's table are not in use.
    unused_inodes: Vec<u16>,
}

impl<'a> Groups<'a> {
    /// Reads the descriptors of an empty filesystem.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(
        partial: &'a PartialFile,
        profile: &Profile,
        superblock: &Superblock,
    ) -> Result<Self> {
        // Held against the plan, which counts so far only.
        let blocks_count = u32::try_from(superblock.blocks_count).unwrap_or(u32::MAX);
        let count = blocks_count.div_ceil(superblock.blocks_per_group);
        let table_blocks = count.div_ceil(profile.descriptors_per_block());
        let mut table = vec![0; table_blocks as usize * BLOCK];
        read_at(partial, &mut table, BLOCK_SIZE)?;
        let descriptors = table.chunks_exact(profile.descriptor_bytes);
        let descriptors = descriptors.take(count as usize);
        Ok(Self {
            partial,
            descriptor_bytes: profile.descriptor_bytes,
            blocks_count,
            blocks_per_group: superblock.blocks_per_group,
            inodes_per_group: superblock.inodes_per_group,
            blocks_per_copy: 1 + table_blocks + u32::from(superblock.reserved_gdt_blocks),
            rewrites_all: profile.checksums,
            descriptors: descriptors.map(GroupDescriptor::decode).collect(),
            table,
            opened: 0,
            unused_inodes: vec![0; count as usize],
        })
    }

    /// Reads the bitmaps until at least the first `wanted` free blocks are known; those of later
    /// groups stay as they are where they can.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Mismatch`] when a bitmap contradicts its descriptor.
    pub fn free_runs(&mut self, wanted: u64) -> Result<FreeRuns> {
        let mut free = FreeRuns::default();
        let mut bitmap = [0; BLOCK];
        for (group, descriptor) in self.descriptors.iter().enumerate() {
            if free.count() >= wanted && !self.rewrites_all {
                break;
            }
            read_at(
                self.partial,
                &mut bitmap,
                descriptor.block_bitmap.offset_bytes(),
            )?;
            let blocks = self.blocks_of(group);
            let bits = blocks.end - blocks.start;
            if descriptor.has_no_block_bitmap() {
                bitmap.fill(0);
                if has_superblock(GroupNumber(group as u32)) {
                    bitmap::set_range(&mut bitmap, 0..self.blocks_per_copy);
                }
            }
            let found = bitmap::count_clear(&bitmap, bits);
            if found != u32::from(descriptor.free_blocks_count) {
                return Err(Error::Mismatch(format!(
                    "mke2fs' block group {group}: expected {} free blocks in the bitmap, found {found}",
                    descriptor.free_blocks_count
                )));
            }
            let mut from = 0;
            while let Some(run) = bitmap::next_clear_run(&bitmap, from, bits, bits) {
                from = run.end;
                free.push(blocks.start + run.start..blocks.start + run.end);
            }
            self.opened = group + 1;
        }
        Ok(free)
    }

    /// Where an inode is in the filesystem, in bytes.
    pub fn inode_offset_bytes(&self, number: InodeNumber) -> u64 {
        let (group, within) = inode::place(number, self.inodes_per_group);
        self.descriptors[group.0 as usize]
            .inode_table
            .offset_bytes()
            + u64::from(within) * INODE_BYTES as u64
    }

    /// Counts a new directory.
    pub fn note_directory(&mut self, number: InodeNumber) {
        let (group, _) = inode::place(number, self.inodes_per_group);
        // At most one for each inode of the group.
        self.descriptors[group.0 as usize].used_dirs_count += 1;
    }

    /// Writes the bitmaps: only what the cursor still gives is free, and the inodes of these
    /// ascending ranges are in use. Gives the free blocks and inodes that are left.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(&mut self, free: Cursor<'_>, inodes_in_use: &[Range<u32>]) -> Result<(u64, u64)> {
        let partial = self.partial;
        let mut writer = BlockWriter::new(partial.file(), &Silent, FEW_BYTES);
        self.write_block_bitmaps(free, &mut writer)
            .and_then(|()| self.write_inode_bitmaps(inodes_in_use, &mut writer))
            .and_then(|()| writer.finish())
            .map_err(|error| Error::path("write", partial.output(), error))?;
        let groups = self.descriptors.iter();
        Ok(groups.fold((0, 0), |(blocks, inodes), group| {
            (
                blocks + u64::from(group.free_blocks_count),
                inodes + u64::from(group.free_inodes_count),
            )
        }))
    }

    /// Writes the opened groups' block bitmaps; what the cursor still gives is free.
    fn write_block_bitmaps(
        &mut self,
        mut free: Cursor<'_>,
        writer: &mut BlockWriter<'_>,
    ) -> io::Result<()> {
        let mut run = 0..0;
        for group in 0..self.opened {
            let blocks = self.blocks_of(group);
            let mut bitmap = [0; BLOCK];
            let (mut used_from, mut free_here) = (0, 0);
            loop {
                if run.is_empty() {
                    let next = free.allocate(u32::MAX);
                    run = next.map_or(0..0, |(first, count)| first.0..first.0 + count);
                }
                if run.is_empty() || run.start >= blocks.end {
                    break;
                }
                let end = run.end.min(blocks.end);
                bitmap::set_range(&mut bitmap, used_from..run.start - blocks.start);
                used_from = end - blocks.start;
                free_here += end - run.start;
                run.start = end;
            }
            // What lies behind the group counts as used, as mke2fs writes it.
            bitmap::set_range(&mut bitmap, used_from..BITS);
            let descriptor = &mut self.descriptors[group];
            // At most 32,768 blocks in a group.
            descriptor.free_blocks_count = free_here as u16;
            writer.write(descriptor.block_bitmap.offset_bytes(), &bitmap)?;
        }
        Ok(())
    }

    /// Writes the inode bitmaps of the groups that have inodes in use, or of all.
    fn write_inode_bitmaps(
        &mut self,
        in_use: &[Range<u32>],
        writer: &mut BlockWriter<'_>,
    ) -> io::Result<()> {
        let mut in_use = in_use.iter().cloned();
        let mut run = in_use.next().unwrap_or_default();
        for group in 0..self.descriptors.len() {
            let first = group as u32 * self.inodes_per_group + 1;
            let end = first + self.inodes_per_group;
            let mut bitmap = [0; BLOCK];
            let (mut used_here, mut used_end) = (0, 0);
            while !run.is_empty() && run.start < end {
                let here = run.end.min(end);
                used_end = here - first;
                used_here += here - run.start;
                bitmap::set_range(&mut bitmap, run.start - first..used_end);
                run.start = here;
                if run.is_empty() {
                    run = in_use.next().unwrap_or_default();
                }
            }
            // At most 32,768 inodes in a group.
            self.unused_inodes[group] = (self.inodes_per_group - used_end) as u16;
            if used_here == 0 && !self.rewrites_all {
                continue;
            }
            bitmap::set_range(&mut bitmap, self.inodes_per_group..BITS);
            let descriptor = &mut self.descriptors[group];
            descriptor.free_inodes_count = (self.inodes_per_group - used_here) as u16;
            writer.write(descriptor.inode_bitmap.offset_bytes(), &bitmap)?;
        }
        Ok(())
    }

    /// The descriptor table as it is to be written.
    pub fn into_descriptors(mut self) -> Vec<u8> {
        let encoded = self.table.chunks_exact_mut(self.descriptor_bytes);
        let groups = self.descriptors.iter().zip(&self.unused_inodes);
        for (bytes, (descriptor, &unused)) in encoded.zip(groups) {
            descriptor.encode_counts_and_flags(bytes);
            if self.rewrites_all {
                set_unused_inodes(bytes, unused);
            }
        }
        self.table
    }

    /// The blocks of a group.
    fn blocks_of(&self, group: usize) -> Range<u32> {
        let start = group as u32 * self.blocks_per_group;
        start
            ..self
                .blocks_count
                .min(start.saturating_add(self.blocks_per_group))
    }
}

/// Errors are of the file that is being written.
fn read_at(partial: &PartialFile, buffer: &mut [u8], offset_bytes: u64) -> Result<()> {
    let read = partial.file().read_exact_at(buffer, offset_bytes);
    read.map_err(|error| Error::path("write", partial.output(), error))
}
