//! What populating gives: everything but what names the tree, and the checksums of it all.

use crate::ondisk::superblock::SUPERBLOCK_BYTES;
use crate::partial_file::PartialFile;
use crate::units::{BlockNumber, InodeNumber};

/// A filesystem with the tree in it. It is called by [`PLACE_HOLDER_UUID`], its superblocks and
/// descriptors are not written yet, and wherever its kind wants a checksum there are zeros, or
/// what mke2fs has left.
///
/// [`PLACE_HOLDER_UUID`]: crate::ext::plan::identity::PLACE_HOLDER_UUID
#[derive(Debug)]
pub struct Unsealed {
    /// The file it is in.
    pub partial: PartialFile,
    /// The primary superblock as it is to be, but for UUID and checksum.
    pub superblock: Box<[u8; SUPERBLOCK_BYTES]>,
    /// The group descriptors' table as it is to be, whole blocks, but for checksums.
    pub descriptors: Vec<u8>,
    /// Every block with a checksum in it that is neither a bitmap nor in a table, in the order in
    /// which they are met; none where the kind has no checksums. Those of the `lost+found` that
    /// mke2fs made are among them.
    pub checksummed: Vec<Checksummed>,
}

/// Blocks side by side that each end with, or hold, a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksummed {
    /// The first of them.
    pub first: BlockNumber,
    /// How many there are.
    pub count: u32,
    /// The inode they belong to, of generation 0; attributes may be shared, and belong to none.
    pub inode: InodeNumber,
    /// What they are.
    pub form: ChecksumForm,
}

/// What a block with a checksum in it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumForm {
    /// Names of a directory.
    Directory,
    /// The first block of an indexed directory.
    IndexRoot,
    /// An interior block of a directory's index.
    IndexNode,
    /// A block of a file's extent tree.
    Extents,
    /// Extended attributes.
    Attributes,
}
