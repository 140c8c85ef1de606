//! What stands in a directory on disk: the tree's children, and in the root also `lost+found`.

use crate::ext::plan::inode_numbers::InodeNumbers;
use crate::ondisk::directory_entry::LOST_FOUND;
use crate::ondisk::inode::FileType;
use crate::tree::{NodeId, NodeKind, Tree};
use crate::units::InodeNumber;

/// A directory's names, ascending by their bytes.
#[derive(Debug)]
pub struct DirectoryEntries<'a> {
    /// The names.
    pub names: Vec<&'a [u8]>,
    /// The child behind each name; `None` for `lost+found` where the tree has none.
    pub children: Vec<Option<NodeId>>,
}

impl<'a> DirectoryEntries<'a> {
    /// The entries of a directory node; nothing for any other node.
    pub fn of(tree: &'a Tree, id: NodeId) -> Self {
        let NodeKind::Directory(directory) = &tree.node(id).kind else {
            return Self {
                names: Vec::new(),
                children: Vec::new(),
            };
        };
        let children = &directory.children;
        let mut entries = Self {
            names: children.iter().map(|(name, _)| &**name).collect(),
            children: children.iter().map(|(_, child)| Some(*child)).collect(),
        };
        if id == NodeId::ROOT
            && let Err(position) = entries.names.binary_search(&LOST_FOUND)
        {
            entries.names.insert(position, LOST_FOUND);
            entries.children.insert(position, None);
        }
        entries
    }

    /// The inode and the `file_type` of the entry at a position.
    pub fn target(
        &self,
        position: usize,
        tree: &Tree,
        numbers: &InodeNumbers,
    ) -> (InodeNumber, u8) {
        match self.children[position] {
            Some(child) => (
                numbers.of(child),
                file_type(&tree.node(child).kind).directory_entry_type(),
            ),
            None => (
                InodeNumber::LOST_FOUND,
                FileType::Directory.directory_entry_type(),
            ),
        }
    }
}

/// A node's type as its inode names it.
pub fn file_type(kind: &NodeKind) -> FileType {
    match kind {
        NodeKind::Regular(_) => FileType::Regular,
        NodeKind::Directory(_) => FileType::Directory,
        NodeKind::Symlink(_) => FileType::Symlink,
        NodeKind::CharacterDevice(_) => FileType::CharacterDevice,
        NodeKind::BlockDevice(_) => FileType::BlockDevice,
        NodeKind::Fifo => FileType::Fifo,
    }
}
