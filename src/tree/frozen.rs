//! The finished tree, in the order everything after it works in.

use crate::layers::{Content, Device, Origin, Xattr, set_permissions};
use crate::units::{FileFlags, Timestamp};
use crate::warnings::Warnings;

/// A root filesystem, complete and never changed again.
///
/// Nodes stand in canonical order: the root, then for each directory its children that are not
/// directories by the bytes of their names, then each child directory with all below it. A node
/// with several names stands where it is met first in this order.
#[derive(Debug)]
pub struct Tree {
    pub(super) nodes: Vec<Node>,
    /// The layer of each node, beside it.
    pub(super) layers: Vec<u32>,
    /// What was left out or changed while flattening.
    pub warnings: Warnings,
}

/// A node's place in the canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The root directory.
    pub const ROOT: Self = Self(0);

    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an inode will hold: attributes and contents, but no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Mode, owner, time, extended attributes.
    pub attributes: Attributes,
    /// Its type, with what belongs to that type.
    pub kind: NodeKind,
    /// How many names lead to it. A directory's is 2 and one for each child directory.
    pub link_count: u32,
}

/// What every type of node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Permission, setuid, setgid and sticky bits: `0o7777` at most.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Extended attributes, sorted by name, each name once.
    pub xattrs: Box<[Xattr]>,
    /// What chattr sets, where that was to be kept.
    pub file_flags: FileFlags,
}

impl Attributes {
    /// Gives it another mode, and its ACL with it, as `chmod` does.
    pub(super) fn set_mode(&mut self, mode: u16) {
        self.mode = mode;
        set_permissions(&mut self.xattrs, mode);
    }
}

/// A node's type, with what belongs to that type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    Regular(ContentRef),
    /// A directory.
    Directory(Directory),
    /// A symbolic link and its target.
    Symlink(Box<[u8]>),
    /// A character device.
    CharacterDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A FIFO.
    Fifo,
}

/// A directory's children.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Names and nodes, ascending by the names' bytes; never `.` or `..`.
    pub children: Box<[(Box<[u8]>, NodeId)]>,
}

/// Where a regular file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRef {
    /// Whose they are.
    pub origin: Origin,
    /// Where in that.
    pub content: Content,
}

impl Tree {
    /// All nodes in canonical order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, &Node)> {
        self.nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (NodeId(index as u32), node))
    }

    /// How many names there are, the root's among them.
    pub fn name_count(&self) -> u64 {
        let children = |node: &Node| match &node.kind {
            NodeKind::Directory(directory) => directory.children.len() as u64,
            _ => 0,
        };
        1 + self.nodes.iter().map(children).sum::<u64>()
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The layer that made a node or last said something about it: 0 is the base layer, what is put in
    /// counts on behind the layers.
    pub fn layer_of(&self, id: NodeId) -> u32 {
        self.layers[id.index()]
    }

    /// The root directory's children.
    pub fn root(&self) -> &Directory {
        match &self.nodes[0].kind {
            NodeKind::Directory(directory) => directory,
            // The only way to make a tree starts with a directory.
            _ => unreachable!("the root is a directory"),
        }
    }

    /// Every name with its node, each directory before what is in it, paths without a leading `/`
    /// and the root's empty; siblings ascend by the bytes of their names.
    pub fn for_each_path<E>(
        &self,
        mut visit: impl FnMut(&[u8], NodeId, &Node) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut path = Vec::new();
        visit(&path, NodeId::ROOT, &self.nodes[0])?;
        // (directory, next child, length of the directory's own path)
        let mut open = vec![(self.root(), 0_usize, 0_usize)];
        while let Some((directory, next, length)) = open.last_mut() {
            path.truncate(*length);
            let Some((name, id)) = directory.children.get(*next) else {
                open.pop();
                continue;
            };
            *next += 1;
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let node = self.node(*id);
            visit(&path, *id, node)?;
            if let NodeKind::Directory(directory) = &node.kind {
                let length = path.len();
                open.push((directory, 0, length));
            }
        }
        Ok(())
    }
}
