//! The dm-verity tree over a finished filesystem: behind it or in a file of its own.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::filesystem::{Filesystem, Measured};
use crate::partial_file::PartialFile;
use crate::progress::Reporter;
use crate::verity::{self, BLOCK_BYTES, Place, RootHash, Salt, Shape, Superblock};

/// That a tree is wanted, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerityOptions {
    /// Where superblock and tree go.
    pub place: VerityPlace,
    /// What is hashed before each block.
    pub salt: Salt,
}

/// Where a filesystem's superblock and tree of dm-verity are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerityPlace {
    /// In the filesystem's file, behind its last block.
    Appended,
    /// In a file of their own, from its start.
    File(PathBuf),
}

impl VerityOptions {
    /// The same to be changed.
    pub fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match &mut self.place {
            VerityPlace::Appended => None,
            VerityPlace::File(file) => Some(file),
        }
    }

    /// The file beside the filesystem that they go to, where they do.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            VerityPlace::Appended => None,
            VerityPlace::File(file) => Some(file),
        }
    }
}

/// A tree that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedVerity {
    /// The hash that vouches for all data.
    pub root_hash: RootHash,
    /// What is hashed before each block.
    pub salt: Salt,
    /// The UUID in its superblock: the filesystem's.
    pub uuid: [u8; 16],
    /// Blocks of the filesystem, of 4 KiB each.
    pub data_blocks: u64,
    /// Blocks of the tree, of 4 KiB each, the superblock's not counted.
    pub tree_blocks: u64,
    /// Where in its file the superblock is, in bytes.
    pub hash_offset_bytes: u64,
    /// The file of its own that it is in; `None` where that is the filesystem's.
    pub file: Option<PathBuf>,
}

/// A filesystem of whole blocks that waits for its tree.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    partial: &'a PartialFile,
    options: &'a VerityOptions,
    measured: Measured,
    own_file: Option<PartialFile>,
}

impl<'a> Waiting<'a> {
    /// Cuts the file to the filesystem's blocks: the tree is over these, and begins where they end.
    pub fn new<F: Filesystem>(
        partial: &'a PartialFile,
        options: &'a VerityOptions,
    ) -> Result<Self> {
        let measured = F::measured(partial.file(), partial.output())?;
        let length = measured.blocks * BLOCK_BYTES;
        let cut = partial.file().set_len(length);
        cut.map_err(|error| Error::path("write", partial.output(), error))?;
        let own_file = options.file().map(PartialFile::create).transpose()?;
        Ok(Self {
            partial,
            options,
            measured,
            own_file,
        })
    }

    /// Makes the tree; gives the file of its own, too, not yet named.
    pub fn write(self, reporter: &dyn Reporter) -> Result<(FinishedVerity, Option<PartialFile>)> {
        let Measured { blocks, uuid } = self.measured;
        let superblock = Superblock {
            uuid,
            data_blocks: blocks,
            salt: self.options.salt.clone(),
        };
        let data = Place::start(self.partial.file(), self.partial.output());
        let area = match &self.own_file {
            Some(own) => Place::start(own.file(), own.output()),
            None => Place {
                offset_bytes: blocks * BLOCK_BYTES,
                ..data
            },
        };
        let made = FinishedVerity {
            root_hash: verity::write_area(data, area, &superblock, reporter)?,
            salt: superblock.salt,
            uuid,
            data_blocks: blocks,
            tree_blocks: Shape::of(blocks).tree_blocks(),
            hash_offset_bytes: area.offset_bytes,
            file: self.options.file().map(Path::to_owned),
        };
        Ok((made, self.own_file))
    }
}
