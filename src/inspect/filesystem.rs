//! An ext filesystem's superblock, its journal's inode and the note that a build leaves.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use crate::error::{Error, Result};
use crate::file_kind;
use crate::oci::ChainId;
use crate::ondisk::features::{Features, INCOMPAT_64BIT, INCOMPAT_RECOVER};
use crate::ondisk::group_descriptor::GroupDescriptor;
use crate::ondisk::inode::{FileType, decode_mode, decode_size};
use crate::ondisk::status::{STATE_CLEAN, STATE_ERRORS, Status};
use crate::ondisk::superblock::{
    COMPAT_HAS_JOURNAL, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock,
};
use crate::ondisk::xattr::{CHAIN_ID_XATTR, split_name};
use crate::ondisk::xattr_lookup::find_in_inode;
use crate::units::InodeNumber;

/// `s_log_block_size` of 64 KiB, the largest block.
const MAX_LOG_BLOCK_SIZE: u32 = 6;

/// Bytes of a group descriptor with 64-bit block numbers.
const WIDE_DESCRIPTOR_BYTES: usize = 64;
/// `bg_inode_table_hi`.
const BG_INODE_TABLE_HI: usize = 0x28;

/// A filesystem as its superblock shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// The fields that every revision has.
    pub superblock: Superblock,
    /// State, life and 64-bit numbers.
    pub status: Status,
    /// The features.
    pub features: Features,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Length of the file it is in.
    pub file_bytes: u64,
    /// What that file takes of the host's disk; the rest are holes.
    pub host_bytes: u64,
    /// The journal, where there is one inside.
    pub journal: Option<Journal>,
    /// The chain ID of the image that layerpress made it from.
    pub chain_id: Option<ChainId>,
}

/// A journal inside its filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journal {
    /// Its length; `None` where its inode cannot be read.
    pub size_bytes: Option<u64>,
    /// Whether it holds what has yet to be written to its place.
    pub needs_recovery: bool,
}

/// Whether `path` is a file or block device with an ext superblock, and no archive that happens to
/// have its mark.
pub fn is_filesystem(path: &Path) -> bool {
    let read = || -> io::Result<bool> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() && !metadata.file_type().is_block_device() {
            return Ok(false);
        }
        Ok(file_kind::is_ext(&file_kind::head(&File::open(path)?)?))
    };
    read().unwrap_or(false)
}

impl Filesystem {
    /// Reads what the filesystem in `path` says of itself.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Unsupported`] where it is none,
    /// [`Error::BadImage`] where its superblock makes no sense.
    pub fn read(path: &Path) -> Result<Self> {
        let cannot_read = |error| Error::path("read", path, error);
        let mut file = file_kind::open_ext(path)?;
        let metadata = file.metadata().map_err(cannot_read)?;
        let mut bytes = [0; SUPERBLOCK_BYTES];
        file.read_exact_at(&mut bytes, SUPERBLOCK_OFFSET_BYTES)
            .map_err(cannot_read)?;
        let superblock = Superblock::decode(&bytes);
        if superblock.log_block_size > MAX_LOG_BLOCK_SIZE {
            return Err(Error::bad_image(format!(
                "{}: superblock: expected an s_log_block_size of at most {MAX_LOG_BLOCK_SIZE}, found {}",
                path.display(),
                superblock.log_block_size
            )));
        }
        let mut filesystem = Self {
            status: Status::decode(&bytes),
            features: Features {
                compat: superblock.feature_compat,
                incompat: superblock.feature_incompat,
                ro_compat: superblock.feature_ro_compat,
            },
            block_bytes: 1024 << superblock.log_block_size,
            file_bytes: file.seek(SeekFrom::End(0)).map_err(cannot_read)?,
            host_bytes: metadata.blocks().saturating_mul(512),
            superblock,
            journal: None,
            chain_id: None,
        };
        filesystem.journal = filesystem.read_journal(&file);
        filesystem.chain_id = filesystem.read_chain_id(&file);
        Ok(filesystem)
    }

    /// The filesystem's length; the file may be shorter where it was cut.
    pub fn size_bytes(&self) -> u64 {
        self.status.blocks_count.saturating_mul(self.block_bytes)
    }

    /// Whether its journal holds what has yet to be written to its place.
    pub fn needs_recovery(&self) -> bool {
        self.features.incompat & INCOMPAT_RECOVER != 0
    }

    /// What the superblock says of its state; nothing was checked.
    pub fn state(&self) -> &'static str {
        match self.status.state {
            state if state & STATE_ERRORS != 0 => "errors",
            state if state & STATE_CLEAN != 0 => "clean",
            _ => "not clean",
        }
    }

    fn read_journal(&self, file: &File) -> Option<Journal> {
        let number = self.superblock.journal_inode;
        (self.features.compat & COMPAT_HAS_JOURNAL != 0 && number != 0).then(|| Journal {
            size_bytes: self
                .read_inode(file, InodeNumber(number))
                .map(|inode| decode_size(&inode)),
            needs_recovery: self.needs_recovery(),
        })
    }

    fn read_chain_id(&self, file: &File) -> Option<ChainId> {
        let inode = self.read_inode(file, InodeNumber::LOST_FOUND)?;
        let is_directory = decode_mode(&inode) & 0xf000 == FileType::Directory as u16;
        let (name_index, name) = split_name(CHAIN_ID_XATTR).filter(|_| is_directory)?;
        let value = find_in_inode(&inode, name_index, name).filter(|value| value.len() == 32)?;
        let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}").parse().ok().map(ChainId)
    }

    /// An inode of the first group; `None` where it is not there or cannot be read.
    fn read_inode(&self, file: &File, number: InodeNumber) -> Option<Vec<u8>> {
        let index = u64::from(number.0.checked_sub(1)?);
        if index >= u64::from(self.superblock.inodes_per_group) {
            return None;
        }
        // Revision 0 has no field for the size.
        let inode_bytes = match self.superblock.revision {
            0 => 128,
            _ => self.superblock.inode_size_bytes,
        };
        let mut descriptor = [0; WIDE_DESCRIPTOR_BYTES];
        // They come in the block behind the superblock's, whatever the first data block is.
        let descriptors = (SUPERBLOCK_OFFSET_BYTES / self.block_bytes + 1) * self.block_bytes;
        file.read_exact_at(&mut descriptor, descriptors).ok()?;
        let mut table = u64::from(GroupDescriptor::decode(&descriptor).inode_table.0);
        let is_wide = self.features.incompat & INCOMPAT_64BIT != 0
            && usize::from(self.status.descriptor_bytes) >= WIDE_DESCRIPTOR_BYTES;
        if is_wide {
            let high = descriptor[BG_INODE_TABLE_HI..].first_chunk()?;
            table |= u64::from(u32::from_le_bytes(*high)) << 32;
        }
        let offset = table
            .checked_mul(self.block_bytes)?
            .checked_add(index * u64::from(inode_bytes))?;
        let mut inode = vec![0; usize::from(inode_bytes).max(128)];
        file.read_exact_at(&mut inode, offset).ok()?;
        Some(inode)
    }
}
