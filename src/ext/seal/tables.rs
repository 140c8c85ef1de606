//! Where the superblock and the descriptors say that things are.

use std::io;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};
use crate::ondisk::group_descriptor::GroupDescriptor;
use crate::ondisk::inode::{self, INODE_BYTES};
use crate::ondisk::superblock::Superblock;
use crate::partial_file::PartialFile;
use crate::units::{GroupNumber, InodeNumber};

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
        let (group, within) = inode::place(number, self.superblock.inodes_per_group);
        self.descriptor(group).inode_table.offset_bytes() + u64::from(within) * INODE_BYTES as u64
    }
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
