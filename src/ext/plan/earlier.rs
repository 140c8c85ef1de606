//! What an earlier filesystem tells of its places: which path had which blocks and which inode.
//!
//! It is told by whoever reads that filesystem, which may be foreign, damaged or in use, so that
//! nothing here is trusted: whatever it says, the worst that comes of it is that fewer places are
//! kept.

use std::ops::Range;

use crate::ext::profile::Kind;
use crate::ondisk::inode::FileType;
use crate::units::BlockNumber;

/// An earlier filesystem, as far as a new one may be laid out like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its kind.
    pub kind: Kind,
    /// `s_blocks_count`, of 4 KiB each.
    pub blocks: u32,
    /// `s_inodes_count`.
    pub inodes: u32,
    /// Blocks of the journal inode's content, 0 without a journal.
    pub journal_blocks: u32,
    /// `s_reserved_gdt_blocks`.
    pub reserved_descriptor_blocks: u32,
    /// `s_hash_seed`.
    pub hash_seed: [u8; 16],
    /// The SHA-256 of the bytes that all of this was read from.
    pub sha256: [u8; 32],
    /// Its nodes, the root first; none where the tree could not be read.
    pub nodes: Vec<EarlierNode>,
}

/// What an inode had, under whatever names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierNode {
    /// The inode's number.
    pub inode: u32,
    /// What it was.
    pub kind: FileType,
    /// The blocks that hold its content, in the order of the file, holes left out. Blocks side by
    /// side should be one range.
    pub data: Vec<Range<u32>>,
    /// The blocks that map it, in the order in which [`map_blocks`] asks for them: a block of
    /// indirect pointers before what it maps, blocks of extents from the top level to the leaves.
    ///
    /// [`map_blocks`]: super::block_map::map_blocks
    pub maps: Vec<Range<u32>>,
    /// The block of its attributes, where it has one.
    pub attributes: Option<BlockNumber>,
    /// A directory's names, ascending by their bytes, each with its place in [`Earlier::nodes`];
    /// `.` and `..` are none of them.
    pub children: Vec<(Box<[u8]>, u32)>,
}

impl EarlierNode {
    /// A node without blocks or names.
    pub fn new(inode: u32, kind: FileType) -> Self {
        Self {
            inode,
            kind,
            data: Vec::new(),
            maps: Vec::new(),
            attributes: None,
            children: Vec::new(),
        }
    }

    /// The place of a child in [`Earlier::nodes`].
    pub fn child(&self, name: &[u8]) -> Option<u32> {
        let found = self
            .children
            .binary_search_by(|(child, _)| (**child).cmp(name));
        found.ok().map(|position| self.children[position].1)
    }
}

impl Earlier {
    /// Its hash seed, if mke2fs takes it: zeros it takes for none.
    pub fn usable_hash_seed(&self) -> Option<[u8; 16]> {
        (self.hash_seed != [0; 16]).then_some(self.hash_seed)
    }

    /// An earlier filesystem of so many blocks and inodes without a journal, of which only these
    /// nodes are known.
    pub fn new(kind: Kind, blocks: u32, inodes: u32, nodes: Vec<EarlierNode>) -> Self {
        Self {
            kind,
            blocks,
            inodes,
            journal_blocks: 0,
            reserved_descriptor_blocks: 0,
            hash_seed: [0; 16],
            sha256: [0; 32],
            nodes,
        }
    }
}
