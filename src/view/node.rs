//! One inode and what it says.

use super::View;
use crate::error::{Error, Result};
use crate::listing::Kind;
use crate::ondisk::checksum::InodeSeed;
use crate::ondisk::features::{
    INCOMPAT_64BIT, INCOMPAT_INLINE_DATA, INCOMPAT_LARGE_DIR, RO_COMPAT_HUGE_FILE,
};
use crate::ondisk::inode::{
    FLAG_EA_INODE, FLAG_EXTENTS, FLAG_HUGE_FILE, FLAG_INLINE_DATA, FLAG_LETTERS, StoredInode,
};
use crate::units::{FileFlags, InodeNumber};

/// An inode.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its number: names with the same number are hard links.
    pub number: InodeNumber,
    /// The type.
    pub kind: Kind,
    /// What it says, field by field.
    pub stored: StoredInode,
    /// Sectors of 512 bytes that it takes, metadata included.
    pub sectors: u64,
}

impl View {
    /// An inode by its number.
    ///
    /// # Errors
    /// [`Error::BadImage`] for a number or an inode that is none, and
    /// where the image ends before it; and for what the kernel does not show either: one that was
    /// deleted, that is the filesystem's own, or that has its content in two places.
    pub fn node(&self, number: InodeNumber) -> Result<Node> {
        let bytes = self.image.inode(number)?;
        let seed = self.image.seed();
        if seed.is_some_and(|seed| !seed.inode_holds(number, &bytes)) {
            return Err(self.bad(format!(
                "inode {number}: expected the checksum of its bytes, found another"
            )));
        }
        let features = self.image.features();
        let mut stored = StoredInode::decode(&bytes);
        let Some(kind) = Kind::from_st_mode(stored.mode.into()) else {
            return Err(self.bad(format!(
                "inode {number}: expected a type, found mode {:#o}",
                stored.mode
            )));
        };
        if kind == Kind::Directory && features.has_incompat(INCOMPAT_LARGE_DIR) {
            stored.size_bytes |= u64::from(stored.size_high) << 32;
        }
        if !features.has_incompat(INCOMPAT_64BIT) {
            stored.xattr_block &= u64::from(u32::MAX);
        }
        if let Some(what) = self.unfit(number, kind, &stored) {
            return Err(self.bad(format!("inode {number}: {what}")));
        }
        let sectors = if !features.has_ro_compat(RO_COMPAT_HUGE_FILE) {
            stored.blocks & u64::from(u32::MAX)
        } else if stored.flags & FLAG_HUGE_FILE != 0 {
            // 48 bits of blocks of at most 128 sectors.
            stored.blocks * (self.image.block_bytes / 512)
        } else {
            stored.blocks
        };
        // As many blocks as a file of either kind can have, and no more than the kernel takes.
        if stored.size_bytes > i64::MAX.unsigned_abs()
            || stored.size_bytes.div_ceil(self.image.block_bytes) > 1 << 32
        {
            return Err(self.bad(format!(
                "inode {number}: expected a size that ext can have, found {} bytes",
                stored.size_bytes
            )));
        }
        Ok(Node {
            number,
            kind,
            stored,
            sectors,
        })
    }

    /// What the checksums of a node's own blocks start with, where these are held against any.
    pub(super) fn seed(&self, node: &Node) -> Option<InodeSeed> {
        let seed = self.image.seed()?;
        Some(seed.of_inode(node.number, node.stored.generation))
    }

    /// A block of an inode that the kernel would not take for its own.
    pub(super) fn wrong_checksum(&self, number: InodeNumber, block: u64) -> Error {
        self.bad(format!(
            "inode {number}: block {block}: expected the checksum of its bytes, found another"
        ))
    }

    /// Why an inode cannot be what a name leads to.
    fn unfit(&self, number: InodeNumber, kind: Kind, stored: &StoredInode) -> Option<&'static str> {
        let is_root = number == InodeNumber::ROOT;
        let is_inline = stored.flags & FLAG_INLINE_DATA != 0;
        if is_root && kind != Kind::Directory {
            Some("expected a directory as the root, found something else")
        } else if !is_root && number.0 < self.image.superblock.first_inode {
            Some("expected a file's inode, found one of the filesystem's own")
        } else if stored.links_count == 0 {
            Some("expected an inode in use, found a deleted one")
        } else if is_inline && !self.image.features().has_incompat(INCOMPAT_INLINE_DATA) {
            Some(
                "expected content in blocks, found it in the inode without the feature inline_data",
            )
        } else if is_inline && stored.flags & FLAG_EXTENTS != 0 {
            Some("expected content in the inode or in extents, found flags for both")
        } else {
            None
        }
    }
}

impl Node {
    /// Permission, setuid, setgid and sticky bits.
    pub fn mode(&self) -> u16 {
        self.stored.mode & 0o7777
    }

    /// The flags that chattr sets.
    pub fn file_flags(&self) -> FileFlags {
        FileFlags::of_inode(self.stored.flags)
    }

    /// The letters that `lsattr` shows the flags by.
    pub fn flag_letters(&self) -> String {
        let set = FLAG_LETTERS
            .iter()
            .filter(|(bit, _)| self.stored.flags & bit != 0);
        set.map(|(_, letter)| letter).collect()
    }

    /// Major and minor of a device.
    pub fn device(&self) -> Option<(u32, u32)> {
        matches!(self.kind, Kind::CharacterDevice | Kind::BlockDevice).then(|| self.stored.device())
    }

    pub(super) fn expect(&self, kind: Kind) -> Result<()> {
        if self.kind != kind {
            return Err(Error::unsupported(format!(
                "expected a {}, found a {}",
                long_name(kind),
                long_name(self.kind)
            )));
        }
        Ok(())
    }

    pub(super) fn has_extents(&self) -> bool {
        self.stored.flags & FLAG_EXTENTS != 0
    }

    /// Whether it is a symbolic link whose target is in the inode, where the map would be.
    pub(super) fn is_fast_symlink(&self) -> bool {
        let is_short = self.stored.size_bytes < self.stored.i_block.len() as u64;
        self.kind == Kind::Symlink && is_short && !self.has_extents()
    }

    /// Whether it holds the value of another inode's attribute.
    pub(super) fn is_attribute_value(&self) -> bool {
        self.stored.flags & FLAG_EA_INODE != 0
    }

    pub(super) fn has_inline_data(&self) -> bool {
        self.stored.flags & FLAG_INLINE_DATA != 0
    }
}

/// A type as a person calls it.
fn long_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Regular => "regular file",
        Kind::Directory => "directory",
        Kind::Symlink => "symbolic link",
        Kind::CharacterDevice => "character device",
        Kind::BlockDevice => "block device",
        Kind::Fifo => "FIFO",
        Kind::Socket => "socket",
    }
}
