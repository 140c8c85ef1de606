//! Where the superblock and the descriptors say that things are.

use std::io;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};
use crate::ondisk::extent::ExtentNode;
use crate::ondisk::group_descriptor::GroupDescriptor;
use crate::ondisk::indirect::decode_pointers;
use crate::ondisk::inode::{FLAG_EXTENTS, INODE_BYTES, StoredInode};
use crate::ondisk::superblock::Superblock;
use crate::partial_file::PartialFile;
use crate::units::{BLOCK_SIZE, BlockNumber, GroupNumber, InodeNumber};

/// The descriptors of all groups, and what is needed to read them.
pub struct Tables {
    pub superblock: Superblock,
    /// As they are to be written, whole blocks.
    pub descriptors: Vec<u8>,
}

impl Tables {
    /// Bytes of a descriptor.
    fn descriptor_bytes(&self) -> usize {
        usize::from(self.superblock.descriptor_size_bytes)
    }

    /// All groups.
    pub fn groups(&self) -> impl Iterator<Item = GroupNumber> + use<> {
        let blocks_per_group = u64::from(self.superblock.blocks_per_group);
        let count = self.superblock.blocks_count.div_ceil(blocks_per_group);
        (0..count as u32).map(GroupNumber)
    }

    /// A group's encoded descriptor.
    pub fn encoded(&mut self, group: GroupNumber) -> &mut [u8] {
        let bytes = self.descriptor_bytes();
        &mut self.descriptors[group.0 as usize * bytes..][..bytes]
    }

    /// A group's descriptor.
    pub fn descriptor(&self, group: GroupNumber) -> GroupDescriptor {
        let bytes = self.descriptor_bytes();
        GroupDescriptor::decode(&self.descriptors[group.0 as usize * bytes..][..bytes])
    }

    /// Where an inode is, in bytes.
    pub fn inode_offset_bytes(&self, number: InodeNumber) -> u64 {
        let index = number.0 - 1;
        let group = GroupNumber(index / self.superblock.inodes_per_group);
        let within = index % self.superblock.inodes_per_group;
        self.descriptor(group).inode_table.offset_bytes() + u64::from(within) * INODE_BYTES as u64
    }

    /// The first block of the journal.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where it is not mapped as mke2fs maps one, and read errors.
    pub fn journal(&self, partial: &PartialFile) -> Result<BlockNumber> {
        let mut bytes = [0; INODE_BYTES];
        read(
            partial,
            &mut bytes,
            self.inode_offset_bytes(InodeNumber::JOURNAL),
        )?;
        let inode = StoredInode::decode(&bytes);
        let block = match inode.flags & FLAG_EXTENTS {
            0 => decode_pointers(&inode.i_block).next().map(u64::from),
            _ => first_of_extents(partial, &inode.i_block)?,
        };
        let block = block.filter(|block| (1..self.superblock.blocks_count).contains(block));
        let block = block.and_then(|block| u32::try_from(block).ok());
        block.map(BlockNumber).ok_or_else(|| {
            Error::Mismatch("expected a journal in the filesystem, found none".to_owned())
        })
    }
}

/// The first block that an extent tree maps.
fn first_of_extents(partial: &PartialFile, i_block: &[u8]) -> Result<Option<u64>> {
    let mut bytes = vec![0; BLOCK_SIZE as usize];
    let mut node = ExtentNode::decode(i_block).map_err(Error::Mismatch)?;
    while node.depth > 0 && node.entries > 0 {
        let child = BlockNumber(node.child(0) as u32);
        read(partial, &mut bytes, child.offset_bytes())?;
        let below = ExtentNode::decode(&bytes).map_err(Error::Mismatch)?;
        if below.depth + 1 != node.depth {
            return Ok(None);
        }
        node = below;
    }
    Ok((node.entries > 0).then(|| node.extent(0).disk_block))
}

/// Reads all of `buffer`.
pub fn read(partial: &PartialFile, buffer: &mut [u8], offset_bytes: u64) -> Result<()> {
    let read = partial.file().read_exact_at(buffer, offset_bytes);
    read.map_err(|error| failed(partial, error))
}

/// Writes all of `bytes`.
pub fn write(partial: &PartialFile, bytes: &[u8], offset_bytes: u64) -> Result<()> {
    let written = partial.file().write_all_at(bytes, offset_bytes);
    written.map_err(|error| failed(partial, error))
}

/// Errors are of the file that is being written.
pub fn failed(partial: &PartialFile, error: io::Error) -> Error {
    Error::path("write", partial.output(), error)
}
