//! What a filesystem image says of itself, without reading what is in it: an ext superblock, its
//! journal's inode and the note that a build leaves.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::error::Result;
use crate::file_kind;
use crate::listing::Kind;
use crate::oci::ChainId;
use crate::ondisk::inode::StoredInode;
use crate::ondisk::superblock::{STATE_CLEAN, STATE_ERRORS, Superblock};
use crate::ondisk::xattr::{CHAIN_ID_XATTR, FoundValue, decode_in_inode};
use crate::units::{Hex, InodeNumber};
use crate::view::Image;

/// A filesystem as its superblock shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Its fields.
    pub superblock: Superblock,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Length of the file it is in; shorter than the filesystem where it was cut.
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
        Ok(file_kind::is_ext(&file_kind::head(&fs::File::open(path)?)?))
    };
    read().unwrap_or(false)
}

impl Filesystem {
    /// Reads what the filesystem in `path` says of itself.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when it cannot be read,
    /// [`Error::BadImage`](crate::Error::BadImage) where it is none or its superblock makes no
    /// sense.
    pub fn read(path: &Path) -> Result<Self> {
        let image = Image::open(path)?;
        Ok(Self {
            superblock: image.superblock.clone(),
            block_bytes: image.block_bytes,
            file_bytes: image.file_bytes,
            host_bytes: image.host_bytes()?,
            journal: journal(&image),
            chain_id: chain_id(&image),
        })
    }

    /// What the superblock says of its state; nothing was checked.
    pub fn state(&self) -> &'static str {
        match self.superblock.state {
            state if state & STATE_ERRORS != 0 => "errors",
            state if state & STATE_CLEAN != 0 => "clean",
            _ => "not clean",
        }
    }
}

fn journal(image: &Image) -> Option<Journal> {
    let superblock = &image.superblock;
    let number = superblock.journal_inode;
    (superblock.features.has_journal() && number != 0).then(|| Journal {
        size_bytes: image
            .inode(InodeNumber(number))
            .map(|bytes| StoredInode::decode(&bytes).size_bytes)
            .ok(),
        needs_recovery: superblock.features.needs_recovery(),
    })
}

fn chain_id(image: &Image) -> Option<ChainId> {
    let bytes = image.inode(InodeNumber::LOST_FOUND).ok()?;
    let inode = StoredInode::decode(&bytes);
    if Kind::from_st_mode(inode.mode.into()) != Some(Kind::Directory) {
        return None;
    }
    let attributes = decode_in_inode(&bytes[inode.xattr_offset?..]).ok()?;
    let is_note = |name: Vec<u8>| name == CHAIN_ID_XATTR;
    let note = attributes
        .into_iter()
        .find(|attribute| attribute.full_name().is_some_and(is_note))?;
    match note.value {
        FoundValue::Here(value) if value.len() == 32 => {
            format!("sha256:{}", Hex(&value)).parse().ok().map(ChainId)
        }
        _ => None,
    }
}
