//! Every block of an image with what it is part of, by the reader's walk, which shares nothing with
//! what wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use layerpress::units::InodeNumber;
use layerpress::view::{Owner, Part, View};

use crate::support::archive::digest;

const BLOCK: usize = 4096;

/// What of the tree a block holds, or what only the filesystem has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    Directory,
    Attributes,
    Map,
    /// Of files, and targets of symlinks.
    Data,
    /// Superblocks, descriptors, bitmaps, inode tables and the journal.
    Table,
    Free,
}

impl Use {
    fn of(owner: &Owner) -> Self {
        match owner.part {
            Part::Directory(_) => Self::Directory,
            Part::Attributes => Self::Attributes,
            Part::BlockMap => Self::Map,
            Part::Content(_) | Part::Target => Self::Data,
            Part::Free => Self::Free,
            Part::Unknown => panic!("what is {owner}?"),
            _ => Self::Table,
        }
    }
}

/// A block of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub used: Use,
    pub inode: InodeNumber,
    /// As it is told: the path, and which block of what.
    pub name: String,
    pub digest: String,
}

/// The tree's blocks of an image by their numbers.
pub fn blocks_of(image: &Path) -> BTreeMap<u64, Block> {
    let bytes = fs::read(image).unwrap();
    let all: BTreeSet<u64> = (0..(bytes.len() / BLOCK) as u64).collect();
    let owners = View::open(image).unwrap().owners(&all);
    assert_eq!(owners.len(), all.len());
    let of_the_tree = owners.into_iter().filter_map(|(number, owner)| {
        let used = Use::of(&owner);
        if used >= Use::Table {
            return None;
        }
        let start = number as usize * BLOCK;
        let block = Block {
            used,
            inode: owner.inode.unwrap(),
            name: owner.to_string(),
            digest: digest(&bytes[start..start + BLOCK]),
        };
        Some((number, block))
    });
    of_the_tree.collect()
}
