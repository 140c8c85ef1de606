//! What kind of filesystem an image holds, as far as mounting asks.

use std::fs::File;

use crate::error::{Error, Result};
use crate::ondisk::features::FilesystemType;
use crate::ondisk::superblock::Superblock;
use crate::view::{expect_filesystem, read_superblock};

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
    pub last_used_seconds: u64,
}

impl Filesystem {
    /// Reads the superblock of an image, which errors call `name`.
    ///
    /// # Errors
    /// [`Error::BadImage`] where it is no ext filesystem, makes no sense or is longer than the
    /// file, [`Error::Unsupported`] for a journal of others, [`Error::Io`].
    pub fn read(image: &File, name: &str) -> Result<Self> {
        let superblock = read_superblock(image, name)?;
        expect_filesystem(&superblock).map_err(|error| error.in_image(name))?;
        let io = |error| Error::io(format!("cannot read {name}"), error);
        let file_bytes = image.metadata().map_err(io)?.len();
        let filesystem_bytes = superblock.bytes();
        if filesystem_bytes > file_bytes {
            return Err(Error::bad_image(format!(
                "cut short: expected a filesystem of {filesystem_bytes} bytes, found a file of {file_bytes}"
            ))
            .in_image(name));
        }
        Ok(Self::of(&superblock))
    }

    fn of(superblock: &Superblock) -> Self {
        Self {
            kind: superblock.features.filesystem_type(),
            has_journal: superblock.features.has_journal(),
            needs_recovery: superblock.features.needs_recovery(),
            last_used_seconds: superblock.mounted_seconds.max(superblock.written_seconds),
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
