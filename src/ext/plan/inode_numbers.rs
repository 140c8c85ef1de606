//! Which inode each node gets, dense and in the tree's own order, and which names on disk lead to it:
//! the tree's, and in the root also `lost+found`.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::ondisk::inode::FileType;
use crate::tree::{NodeId, NodeKind, Tree};
use crate::units::{InodeNumber, LOST_FOUND};

/// The numbering of a tree's nodes: the root is inode 2, a `/lost+found` of the tree's own inode
/// 11, all others follow from 12 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InodeNumbers {
    lost_found: Option<NodeId>,
    nodes: u32,
    /// Each node's, where they are not dense.
    placed: Option<Box<[InodeNumber]>>,
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
            placed: None,
        })
    }

    /// The same nodes, where those that `kept` gives a number have it: a free one, none twice. The
    /// others take the first free ones that are left, in the tree's order.
    #[must_use]
    pub fn keeping(&self, kept: &[Option<InodeNumber>]) -> Self {
        let mut in_use: Vec<_> = kept.iter().flatten().copied().collect();
        in_use.sort_unstable();
        let mut in_use = in_use.into_iter().peekable();
        let mut next = InodeNumber::FIRST_FREE.0;
        let mut first_free = || {
            while in_use.next_if(|used| used.0 <= next).is_some() {
                next += 1;
            }
            next += 1;
            InodeNumber(next - 1)
        };
        let placed = (0..self.nodes).map(|index| {
            let id = NodeId(index);
            if id == NodeId::ROOT || Some(id) == self.lost_found {
                return self.of(id);
            }
            let kept = kept.get(id.index()).copied().flatten();
            kept.unwrap_or_else(&mut first_free)
        });
        Self {
            placed: Some(placed.collect()),
            ..self.clone()
        }
    }

    /// A node's inode.
    pub fn of(&self, id: NodeId) -> InodeNumber {
        if let Some(placed) = &self.placed {
            placed[id.index()]
        } else if id == NodeId::ROOT {
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

    /// All inodes in use, mke2fs' own among them, as ascending ranges of their numbers.
    pub fn in_use(&self) -> Vec<Range<u32>> {
        let first_free = InodeNumber::FIRST_FREE.0;
        let Some(placed) = &self.placed else {
            return std::iter::once(1..first_free + self.new_inodes()).collect();
        };
        let mut numbers: Vec<u32> = placed.iter().map(|number| number.0).collect();
        numbers.sort_unstable();
        let own = InodeNumber::ROOT.0..=InodeNumber::LOST_FOUND.0;
        let mut in_use: Vec<Range<u32>> = std::iter::once(1..first_free).collect();
        for number in numbers.into_iter().filter(|number| !own.contains(number)) {
            match in_use.last_mut() {
                Some(last) if last.end == number => last.end += 1,
                _ => in_use.push(number..number + 1),
            }
        }
        in_use
    }
}

/// A directory's names, ascending by their bytes.
#[derive(Debug, Default)]
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
            return Self::default();
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
        let (inode, kind) = match self.children[position] {
            Some(child) => (numbers.of(child), file_type(&tree.node(child).kind)),
            None => (InodeNumber::LOST_FOUND, FileType::Directory),
        };
        (inode, kind.directory_entry_type())
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
