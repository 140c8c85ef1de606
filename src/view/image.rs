//! The image's blocks, its superblock and where its inodes are.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::file_kind;
use crate::ondisk::group_descriptor::{GROUP_DESCRIPTOR_BYTES, inode_table_block};
use crate::ondisk::superblock::{
    SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock, has_superblock,
};
use crate::units::{GroupNumber, InodeNumber};

// Features (kernel documentation, "Super Block") that matter to a reader.
const COMPAT_SPARSE_SUPER2: u32 = 0x200;
const INCOMPAT_FILETYPE: u32 = 0x2;
const INCOMPAT_RECOVER: u32 = 0x4;
const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_JOURNAL_DEV: u32 = 0x8;
const INCOMPAT_64BIT: u32 = 0x80;
const INCOMPAT_EA_INODE: u32 = 0x400;
const INCOMPAT_LARGE_DIR: u32 = 0x4000;
const INCOMPAT_INLINE_DATA: u32 = 0x8000;
/// filetype, recover, meta_bg, extents, 64bit, mmp, flex_bg, ea_inode, csum_seed, large_dir,
/// inline_data, encrypt, casefold.
const INCOMPAT_KNOWN: u32 = 0x3_e7d6;
const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
const RO_COMPAT_HUGE_FILE: u32 = 0x8;
const RO_COMPAT_DIR_NLINK: u32 = 0x20;
const RO_COMPAT_BIGALLOC: u32 = 0x200;
const RO_COMPAT_SHARED_BLOCKS: u32 = 0x4000;

/// `s_first_ino` where the superblock has no such field.
const FIRST_INODE_OF_REVISION_0: u32 = 11;

/// An image whose superblock makes sense.
#[derive(Debug)]
pub(super) struct Image {
    file: File,
    pub name: String,
    superblock: Superblock,
    pub block_bytes: u64,
    pub blocks: u64,
    inode_bytes: u64,
    descriptor_bytes: u64,
    /// Blocks that were read, those of which a part was included.
    pub blocks_read: AtomicU64,
}

impl Image {
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = file_kind::open_ext(path)?;
        let cannot_read = |error| Error::path("read", path, error);
        let length = file.seek(SeekFrom::End(0)).map_err(cannot_read)?;
        let mut bytes = [0; SUPERBLOCK_BYTES];
        file.read_exact_at(&mut bytes, SUPERBLOCK_OFFSET_BYTES)
            .map_err(cannot_read)?;
        let superblock = Superblock::decode(&bytes);
        check(&superblock)?;
        let is_64bit = superblock.feature_incompat & INCOMPAT_64BIT != 0;
        let high = if is_64bit {
            superblock.blocks_count_high
        } else {
            0
        };
        let image = Self {
            name: path.display().to_string(),
            file,
            block_bytes: 1024 << superblock.log_block_size,
            blocks: u64::from(high) << 32 | u64::from(superblock.blocks_count),
            inode_bytes: match superblock.revision {
                0 => 128,
                _ => u64::from(superblock.inode_size_bytes),
            },
            descriptor_bytes: if is_64bit {
                u64::from(superblock.descriptor_size_bytes)
            } else {
                GROUP_DESCRIPTOR_BYTES as u64
            },
            superblock,
            blocks_read: AtomicU64::new(0),
        };
        image.check_sizes(length)?;
        Ok(image)
    }

    fn check_sizes(&self, length: u64) -> Result<()> {
        let power_in = |value: u64, least: u64| {
            value.is_power_of_two() && (least..=self.block_bytes).contains(&value)
        };
        if !power_in(self.inode_bytes, 128) {
            return Err(Error::bad_image(format!(
                "superblock: expected inodes of 128 to {} bytes, found {}",
                self.block_bytes, self.inode_bytes
            )));
        }
        if !power_in(self.descriptor_bytes, GROUP_DESCRIPTOR_BYTES as u64) {
            return Err(Error::bad_image(format!(
                "superblock: expected group descriptors of 64 to {} bytes, found {}",
                self.block_bytes, self.descriptor_bytes
            )));
        }
        let first = u64::from(self.superblock.first_data_block);
        // The length is what bounds everything else that is read.
        let room = length.div_ceil(self.block_bytes);
        if self.blocks <= first || self.blocks > room {
            return Err(Error::bad_image(format!(
                "superblock: expected up to the {room} blocks of {} bytes that the image has, found {}",
                self.block_bytes, self.blocks
            )));
        }
        Ok(())
    }

    pub fn has_file_types(&self) -> bool {
        self.superblock.feature_incompat & INCOMPAT_FILETYPE != 0
    }

    pub fn is_64bit(&self) -> bool {
        self.superblock.feature_incompat & INCOMPAT_64BIT != 0
    }

    pub fn has_huge_files(&self) -> bool {
        self.superblock.feature_ro_compat & RO_COMPAT_HUGE_FILE != 0
    }

    /// Whether a directory with a link count of 1 has more than can be counted.
    pub fn has_uncounted_links(&self) -> bool {
        self.superblock.feature_ro_compat & RO_COMPAT_DIR_NLINK != 0
    }

    pub fn has_large_directories(&self) -> bool {
        self.superblock.feature_incompat & INCOMPAT_LARGE_DIR != 0
    }

    /// Whether values of attributes may be in inodes of their own.
    pub fn has_values_in_inodes(&self) -> bool {
        self.superblock.feature_incompat & INCOMPAT_EA_INODE != 0
    }

    /// Whether contents may be in their inodes.
    pub fn has_inline_data(&self) -> bool {
        self.superblock.feature_incompat & INCOMPAT_INLINE_DATA != 0
    }

    /// The first inode that is a file's; those before it are the filesystem's own, but for the root.
    pub fn first_inode(&self) -> u32 {
        match self.superblock.revision {
            0 => FIRST_INODE_OF_REVISION_0,
            _ => self.superblock.first_inode,
        }
    }

    /// Whether files may have blocks in common.
    pub fn shares_blocks(&self) -> bool {
        self.superblock.feature_ro_compat & RO_COMPAT_SHARED_BLOCKS != 0
    }

    pub fn needs_recovery(&self) -> bool {
        self.superblock.feature_incompat & INCOMPAT_RECOVER != 0
    }

    /// Sectors that an allocated block takes at least.
    pub fn cluster_sectors(&self) -> u64 {
        if self.superblock.feature_ro_compat & RO_COMPAT_BIGALLOC == 0 {
            return self.block_bytes / 512;
        }
        2_u64
            .checked_shl(self.superblock.log_cluster_size)
            .unwrap_or(u64::MAX)
    }

    /// One block.
    pub fn block(&self, block: u64) -> Result<Vec<u8>> {
        // At most 64 KiB.
        let mut bytes = vec![0; self.block_bytes as usize];
        self.read(block, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buffer` from `offset` within `block` on, also across blocks.
    pub fn read(&self, block: u64, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let start = block
            .checked_mul(self.block_bytes)
            .and_then(|start| start.checked_add(offset));
        let end = start.and_then(|start| start.checked_add(buffer.len() as u64));
        // The product is of what the superblock's check has seen fit into 64 bits.
        let (Some(start), Some(true)) = (start, end.map(|end| end <= self.end())) else {
            return Err(Error::bad_image(format!(
                "expected one of {} blocks, found block {block}",
                self.blocks
            ))
            .in_image(&self.name));
        };
        let blocks = (buffer.len() as u64).div_ceil(self.block_bytes);
        self.blocks_read.fetch_add(blocks, Ordering::Relaxed);
        self.file
            .read_exact_at(buffer, start)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    Error::bad_image(format!("the image ends before block {block} does"))
                        .in_image(&self.name)
                }
                _ => Error::io(format!("cannot read {}", self.name), error),
            })
    }

    fn end(&self) -> u64 {
        self.blocks.saturating_mul(self.block_bytes)
    }

    /// The bytes of an inode.
    pub fn inode(&self, number: InodeNumber) -> Result<Vec<u8>> {
        let count = self.superblock.inodes_count;
        if number.0 == 0 || number.0 > count {
            return Err(Error::bad_image(format!(
                "expected one of {count} inodes, found {number}"
            ))
            .in_image(&self.name));
        }
        let index = number.0 - 1;
        let group = GroupNumber(index / self.superblock.inodes_per_group);
        let within = u64::from(index % self.superblock.inodes_per_group);
        let table = self.inode_table(group)?;
        let mut bytes = vec![0; self.inode_bytes as usize];
        self.read(table, within * self.inode_bytes, &mut bytes)?;
        Ok(bytes)
    }

    /// The first block of a group's inode table.
    fn inode_table(&self, group: GroupNumber) -> Result<u64> {
        let first = u64::from(self.superblock.first_data_block);
        let per_group = u64::from(self.superblock.blocks_per_group);
        let start = |group: u64| first + group * per_group;
        let per_block = self.block_bytes / self.descriptor_bytes;
        let index = u64::from(group.0) / per_block;
        let within = u64::from(group.0) % per_block * self.descriptor_bytes;
        let is_meta = self.superblock.feature_incompat & INCOMPAT_META_BG != 0
            && index >= u64::from(self.superblock.first_meta_bg);
        // Not always the first data block: with bigalloc that is 0 for blocks of 1 KiB, too.
        let superblock_at = SUPERBLOCK_OFFSET_BYTES / self.block_bytes;
        let block = if is_meta {
            // The descriptors of as many groups as fill a block are in the first of them.
            let home = index * per_block;
            let home_group = GroupNumber(u32::try_from(home).unwrap_or(u32::MAX));
            // The block of 1 KiB before the superblock belongs to the group then.
            let is_behind_boot = home == 0 && superblock_at > first;
            start(home) + u64::from(self.has_backup(home_group)) + u64::from(is_behind_boot)
        } else {
            superblock_at + 1 + index
        };
        let mut descriptor = vec![0; self.descriptor_bytes as usize];
        self.read(block, within, &mut descriptor)?;
        let table = inode_table_block(&descriptor);
        if table <= first {
            return Err(Error::bad_image(format!(
                "expected an inode table of group {group}, found it at block {table}"
            ))
            .in_image(&self.name));
        }
        Ok(table)
    }

    fn has_backup(&self, group: GroupNumber) -> bool {
        if self.superblock.feature_compat & COMPAT_SPARSE_SUPER2 != 0 {
            return group.0 == 0 || self.superblock.backup_groups.contains(&group.0);
        }
        self.superblock.feature_ro_compat & RO_COMPAT_SPARSE_SUPER == 0 || has_superblock(group)
    }
}

fn check(superblock: &Superblock) -> Result<()> {
    let wrong = |what: &str, found: u32| {
        Err(Error::bad_image(format!(
            "superblock: expected {what}, found {found:#x}"
        )))
    };
    if superblock.feature_incompat & INCOMPAT_JOURNAL_DEV != 0 {
        return Err(Error::unsupported(
            "expected an ext2, ext3 or ext4 filesystem, found the journal of one",
        ));
    }
    if superblock.log_block_size > 6 {
        return wrong(
            "s_log_block_size of at most 6 (64 KiB)",
            superblock.log_block_size,
        );
    }
    if superblock.blocks_per_group == 0 || superblock.inodes_per_group == 0 {
        return wrong("blocks and inodes in each group", 0);
    }
    let unknown = superblock.feature_incompat & !INCOMPAT_KNOWN;
    if unknown != 0 {
        let names = [(0x1, "compression"), (0x1000, "data in directory entries")];
        let name = names.iter().find(|(bit, _)| unknown & bit != 0);
        let name = name.map_or_else(String::new, |(_, name)| format!(" ({name})"));
        return Err(Error::unsupported(format!(
            "superblock: incompatible features {unknown:#x}{name}, which are not known here"
        )));
    }
    Ok(())
}
