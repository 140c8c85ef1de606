//! What kind of filesystem an image holds, as far as mounting asks.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};
use crate::file_kind;
use crate::ondisk::superblock::{
    COMPAT_HAS_JOURNAL, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock,
};

/// `s_feature_incompat` that ext2 and ext3 know: filetype, recover, meta_bg.
const INCOMPAT_BEFORE_EXT4: u32 = 0x16;
/// `s_feature_ro_compat` that ext2 and ext3 know: sparse_super, large_file, btree_dir.
const RO_COMPAT_BEFORE_EXT4: u32 = 0x7;
/// `s_feature_incompat`: the journal holds changes that are not in their places yet.
const INCOMPAT_RECOVER: u32 = 0x4;
/// `s_feature_incompat`: the whole device is some other filesystem's journal.
const INCOMPAT_JOURNAL_DEV: u32 = 0x8;

const S_MTIME: usize = 0x2c;
const S_WTIME: usize = 0x30;

/// The filesystems that can be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesystemType {
    /// Without a journal.
    Ext2,
    /// With a journal.
    Ext3,
    /// With anything that ext3 does not know.
    Ext4,
}

impl FilesystemType {
    /// The name the kernel knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
        }
    }
}

impl fmt::Display for FilesystemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the superblock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filesystem {
    /// Its type, from its features.
    pub kind: FilesystemType,
    /// Whether it has a journal, in itself or elsewhere.
    pub has_journal: bool,
    /// Whether the journal holds changes that are not in their places yet.
    pub needs_recovery: bool,
    /// When it was last mounted or written, in seconds since 1970.
    pub last_used_seconds: u32,
}

impl Filesystem {
    /// Reads the superblock of an image, which errors call `name`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where it is no ext2, ext3 or ext4 filesystem, [`Error::BadImage`]
    /// where the file is shorter than the filesystem, [`Error::Io`].
    pub fn read(image: &File, name: &str) -> Result<Self> {
        let io = |error| Error::io(format!("cannot read {name}"), error);
        let file_bytes = image.metadata().map_err(io)?.len();
        let head = file_kind::head(image).map_err(io)?;
        file_kind::expect_ext(&head, name)?;
        let mut bytes = [0; SUPERBLOCK_BYTES];
        image
            .read_exact_at(&mut bytes, SUPERBLOCK_OFFSET_BYTES)
            .map_err(io)?;
        let superblock = Superblock::decode(&bytes);
        if superblock.feature_incompat & INCOMPAT_JOURNAL_DEV != 0 {
            return Err(Error::unsupported(
                "expected an ext2, ext3 or ext4 filesystem, found the journal of one",
            )
            .in_image(name));
        }
        // The high half of 64-bit counts left out: more blocks than these it has in any case.
        let filesystem_bytes = 1024_u64
            .checked_shl(superblock.log_block_size)
            .filter(|block_bytes| (1024..=65536).contains(block_bytes))
            .map(|block_bytes| block_bytes * u64::from(superblock.blocks_count))
            .ok_or_else(|| {
                Error::bad_image(format!(
                    "damaged superblock: expected a block size of 1 to 64 KiB, found 2^{} KiB",
                    superblock.log_block_size
                ))
                .in_image(name)
            })?;
        if filesystem_bytes > file_bytes {
            return Err(Error::bad_image(format!(
                "cut short: expected a filesystem of {filesystem_bytes} bytes, found a file of {file_bytes}"
            ))
            .in_image(name));
        }
        Ok(Self::of(&superblock, &bytes))
    }

    fn of(superblock: &Superblock, bytes: &[u8; SUPERBLOCK_BYTES]) -> Self {
        let has_journal = superblock.feature_compat & COMPAT_HAS_JOURNAL != 0;
        let is_ext4 = superblock.feature_incompat & !INCOMPAT_BEFORE_EXT4 != 0
            || superblock.feature_ro_compat & !RO_COMPAT_BEFORE_EXT4 != 0;
        let seconds =
            |offset: usize| u32::from_le_bytes(std::array::from_fn(|index| bytes[offset + index]));
        Self {
            kind: match (is_ext4, has_journal) {
                (true, _) => FilesystemType::Ext4,
                (false, true) => FilesystemType::Ext3,
                (false, false) => FilesystemType::Ext2,
            },
            has_journal,
            needs_recovery: superblock.feature_incompat & INCOMPAT_RECOVER != 0,
            last_used_seconds: seconds(S_MTIME).max(seconds(S_WTIME)),
        }
    }

    /// What the mount is told beyond flags. The journal is left alone, and errors found later
    /// never panic the host, whatever the superblock asks for.
    pub(super) fn mount_data(self) -> &'static str {
        if self.has_journal {
            "errors=remount-ro,noload"
        } else {
            "errors=remount-ro"
        }
    }
}
