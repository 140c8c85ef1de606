//! From a path to its node, inside the image whatever links say.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::path::{Follow, Names, look_up};
use super::{DirectoryEntry, Node, View};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::listing::Kind;
use crate::units::InodeNumber;

/// What a path leads to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The path without links, `.` and `..`, and without a leading `/`; the root's is empty.
    pub path: Vec<u8>,
    /// The inode there.
    pub node: Node,
}

/// Looks paths up, any number of them, and reads each directory once, however often they lead
/// through it.
#[derive(Debug)]
pub struct Lookups<'a> {
    view: &'a View,
    directories: BTreeMap<InodeNumber, Vec<DirectoryEntry>>,
    kinds: BTreeMap<InodeNumber, Kind>,
    targets: BTreeMap<InodeNumber, Vec<u8>>,
    blocks_left: u64,
    names_left: u64,
}

impl View {
    /// Looks one path up from the root; links on the way are followed, `..` stops at the root.
    ///
    /// # Errors
    /// [`Error::Usage`] for an empty path, [`Error::Io`] where there is no such path or it loops,
    /// [`Error::BadImage`] where a directory on the way is damaged.
    pub fn lookup(&self, path: &[u8], follow: Follow) -> Result<Found> {
        self.lookups().find(path, follow)
    }

    /// For several paths.
    pub fn lookups(&self) -> Lookups<'_> {
        Lookups {
            view: self,
            directories: BTreeMap::new(),
            kinds: BTreeMap::new(),
            targets: BTreeMap::new(),
            blocks_left: self.image.blocks(),
            names_left: Limits::default().max_entries,
        }
    }
}

impl Lookups<'_> {
    /// Looks a path up from the root, as [`View::lookup`].
    ///
    /// # Errors
    /// Those of [`View::lookup`].
    pub fn find(&mut self, path: &[u8], follow: Follow) -> Result<Found> {
        let (inode, path) = look_up(self, path, follow)?;
        let node = self.view.node(inode);
        Ok(Found {
            node: node.map_err(|error| error.in_entry(&path))?,
            path,
        })
    }
}

impl Names for Lookups<'_> {
    type Id = InodeNumber;

    fn name(&self) -> &str {
        &self.view.image.name
    }

    fn root(&self) -> InodeNumber {
        InodeNumber::ROOT
    }

    fn kind(&mut self, inode: InodeNumber) -> Result<Kind> {
        if let Some(kind) = self.kinds.get(&inode) {
            return Ok(*kind);
        }
        let kind = self.view.node(inode)?.kind;
        self.kinds.insert(inode, kind);
        Ok(kind)
    }

    fn target(&mut self, inode: InodeNumber) -> Result<&[u8]> {
        match self.targets.entry(inode) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let node = self.view.node(inode)?;
                Ok(place.insert(self.view.target(&node)?))
            }
        }
    }

    fn child(&mut self, directory: InodeNumber, name: &[u8]) -> Result<Option<InodeNumber>> {
        let names = match self.directories.entry(directory) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let node = self.view.node(directory)?;
                let blocks = node.stored.size_bytes.div_ceil(self.view.image.block_bytes);
                // Directories that share their blocks could go on for ever.
                self.blocks_left = self.blocks_left.checked_sub(blocks).ok_or_else(|| {
                    self.view
                        .bad("the directories on the way are larger than the filesystem")
                })?;
                let names = self.view.read_dir(&node)?;
                self.names_left =
                    self.names_left
                        .checked_sub(names.len() as u64)
                        .ok_or_else(|| {
                            Error::unsupported(format!(
                                "more than {} names on the way",
                                Limits::default().max_entries
                            ))
                        })?;
                place.insert(names)
            }
        };
        let index = names.binary_search_by(|entry| (*entry.name).cmp(name));
        Ok(index.ok().map(|index| names[index].inode))
    }
}
