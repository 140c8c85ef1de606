//! Which inode each node gets: dense, in the tree's own order.

use crate::error::{Error, Result};
use crate::ondisk::directory_entry::LOST_FOUND;
use crate::tree::{NodeId, NodeKind, Tree};
use crate::units::InodeNumber;

/// The numbering of a tree's nodes: the root is inode 2, a `/lost+found` of the tree's own inode
/// 11, all others follow from 12 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InodeNumbers {
    lost_found: Option<NodeId>,
    nodes: u32,
}

impl InodeNumbers {
    /// Numbers a tree.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the tree's `/lost+found` is not a directory, which e2fsck
    /// would call damage.
    pub fn of_tree(tree: &Tree) -> Result<Self> {
        let children = &tree.root().children;
        let own = children.binary_search_by(|(name, _)| (**name).cmp(LOST_FOUND));
        let lost_found = own.ok().map(|position| children[position].1);
        if let Some(id) = lost_found
            && !matches!(tree.node(id).kind, NodeKind::Directory(_))
        {
            return Err(Error::unsupported(
                "expected a directory or nothing, found another type of entry: e2fsck needs this name for itself",
            )
            .in_entry(LOST_FOUND));
        }
        Ok(Self {
            lost_found,
            nodes: tree.nodes().len() as u32,
        })
    }

    /// A node's inode.
    pub fn of(&self, id: NodeId) -> InodeNumber {
        if id == NodeId::ROOT {
            InodeNumber::ROOT
        } else if Some(id) == self.lost_found {
            InodeNumber::LOST_FOUND
        } else {
            let before = u32::from(self.lost_found.is_some_and(|lost_found| lost_found < id));
            InodeNumber(InodeNumber::FIRST_FREE.0 + id.0 - 1 - before)
        }
    }

    /// The tree's own `/lost+found`.
    pub fn lost_found(&self) -> Option<NodeId> {
        self.lost_found
    }

    /// Inodes to be taken from the free ones.
    pub fn new_inodes(&self) -> u32 {
        self.nodes - 1 - u32::from(self.lost_found.is_some())
    }
}
