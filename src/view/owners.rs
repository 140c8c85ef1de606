//! What blocks belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::claimants::ClaimSink;
use super::part::Part;
use super::{View, shown};
use crate::units::InodeNumber;

/// A block's part, and of which inode where it is one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// What it is.
    pub part: Part,
    /// The inode of a file that it belongs to.
    pub inode: Option<InodeNumber>,
    /// That inode's path without a leading `/`, the first one in order; `None` where no directory
    /// that can be read leads there.
    pub path: Option<Vec<u8>>,
}

/// As in `/usr/bin/perl: block 20 of the file`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.inode) {
            (Some(path), _) => write!(f, "{}: ", shown(path))?,
            (None, Some(inode)) => write!(f, "inode {inode}: ")?,
            (None, None) => {}
        }
        self.part.fmt(f)
    }
}

impl View {
    /// What each of these blocks is part of. Inodes that cannot be read own nothing; reads no more
    /// blocks of block maps than there are.
    pub fn owners(&self, wanted: &BTreeSet<u64>) -> BTreeMap<u64, Owner> {
        let mut search = Search {
            wanted,
            found: BTreeMap::new(),
        };
        self.claims(&mut search);
        let mut found = search.found;
        let inodes = found.values().filter_map(|owner| owner.inode).collect();
        let paths = self.first_paths(inodes);
        for owner in found.values_mut() {
            let named = owner.inode.and_then(|inode| paths.get(&inode));
            owner.path = named.map(|(path, _)| path.clone());
        }
        let mut free = self.free_blocks();
        for block in wanted {
            found.entry(*block).or_insert_with(|| Owner {
                part: match free.is_free(*block) {
                    Some(true) => Part::Free,
                    _ => Part::Unknown,
                },
                inode: None,
                path: None,
            });
        }
        found
    }
}

/// Notes who claims the wanted blocks.
struct Search<'a> {
    wanted: &'a BTreeSet<u64>,
    found: BTreeMap<u64, Owner>,
}

impl ClaimSink for Search<'_> {
    fn claim(
        &mut self,
        blocks: Range<u64>,
        inode: Option<InodeNumber>,
        part: &dyn Fn(u64) -> Part,
    ) {
        for block in self.wanted.range(blocks) {
            self.found.entry(*block).or_insert_with(|| Owner {
                part: part(*block),
                inode,
                path: None,
            });
        }
    }

    fn is_done(&self) -> bool {
        self.found.len() == self.wanted.len()
    }
}
