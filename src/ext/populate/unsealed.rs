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
    /// The journal's first block, where there is a journal in the filesystem.
    pub journal: Option<BlockNumber>,
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

/// Collects blocks with checksums, neighbours as one run; nothing where the kind has none.
#[derive(Debug)]
pub struct ChecksummedRuns {
    has_checksums: bool,
    runs: Vec<Checksummed>,
}

impl ChecksummedRuns {
    /// None yet.
    pub fn new(has_checksums: bool) -> Self {
        Self {
            has_checksums,
            runs: Vec::new(),
        }
    }

    /// Takes in a block.
    pub fn add(&mut self, block: BlockNumber, inode: InodeNumber, form: ChecksumForm) {
        if !self.has_checksums {
            return;
        }
        let one = Checksummed {
            first: block,
            count: 1,
            inode,
            form,
        };
        let follows = |last: &&mut Checksummed| {
            let end = last.first.0.checked_add(last.count);
            (end, last.inode, last.form) == (Some(block.0), inode, form)
        };
        match self.runs.last_mut().filter(follows) {
            Some(last) => last.count += 1,
            None => self.runs.push(one),
        }
    }

    /// All runs, in the order in which they were met.
    pub fn finish(self) -> Vec<Checksummed> {
        self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MET: [(u32, u32, ChecksumForm); 6] = [
        (7, 2, ChecksumForm::Directory),
        (8, 2, ChecksumForm::Directory),
        (9, 3, ChecksumForm::Directory),
        (10, 3, ChecksumForm::Extents),
        (12, 3, ChecksumForm::Extents),
        (11, 3, ChecksumForm::Extents),
    ];

    fn runs(has_checksums: bool) -> Vec<(u32, u32)> {
        let mut runs = ChecksummedRuns::new(has_checksums);
        for (block, inode, form) in MET {
            runs.add(BlockNumber(block), InodeNumber(inode), form);
        }
        let runs = runs.finish().into_iter();
        runs.map(|run| (run.first.0, run.count)).collect()
    }

    #[test]
    fn blocks_side_by_side_of_one_inode_and_one_form_are_one_run() {
        assert_eq!(runs(true), [(7, 2), (9, 1), (10, 1), (12, 1), (11, 1)]);
        assert_eq!(runs(false), []);
    }
}
