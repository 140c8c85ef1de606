//! The finished tree, in the order everything after it works in.

use crate::layers::{Content, Device, Origin, Xattr};
use crate::units::Timestamp;
use crate::warnings::Warnings;

/// A root filesystem, complete and never changed again.
///
/// Nodes stand in canonical order: the root, then for each directory its children that are not
/// directories by the bytes of their names, then each child directory with all below it. A node
/// with several names stands where it is met first in this order.
#[derive(Debug)]
pub struct Tree {
    pub(super) nodes: Vec<Node>,
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
    /// A tree of nodes that already stand in canonical order, with nothing to warn of.
    ///
    /// # Errors
    /// What is wrong, where the order, a directory's sorting or a link count is not as it must be.
    pub fn from_nodes(nodes: Vec<Node>) -> Result<Self, String> {
        let mut name_counts = vec![0_u32; nodes.len()];
        let mut next = 0;
        // Directories still to be met, the next one last.
        let mut open = vec![NodeId::ROOT];
        while let Some(id) = open.pop() {
            let node = nodes.get(id.index());
            let Some(NodeKind::Directory(directory)) = node.map(|node| &node.kind) else {
                return Err(format!("node {} is not a directory", id.0));
            };
            if id.index() != next {
                return Err(format!(
                    "directory {} stands where node {next} should",
                    id.0
                ));
            }
            next += 1;
            name_counts[id.index()] = 2;
            let names = || directory.children.iter().map(|(name, _)| name);
            if names()
                .zip(names().skip(1))
                .any(|(one, other)| one >= other)
            {
                return Err(format!("the names in directory {} do not ascend", id.0));
            }
            let mut directories = Vec::new();
            for (_, child) in &directory.children {
                match nodes.get(child.index()).map(|node| &node.kind) {
                    Some(NodeKind::Directory(_)) => directories.push(*child),
                    Some(_) if child.index() <= next => {
                        next = next.max(child.index() + 1);
                        name_counts[child.index()] += 1;
                    }
                    _ => return Err(format!("node {} is named before its place", child.0)),
                }
            }
            name_counts[id.index()] += u32::try_from(directories.len()).unwrap_or(u32::MAX - 2);
            open.extend(directories.into_iter().rev());
        }
        if next != nodes.len() {
            return Err(format!("node {next} has no name"));
        }
        for (index, (node, count)) in nodes.iter().zip(name_counts).enumerate() {
            if node.link_count != count {
                return Err(format!(
                    "node {index} has {count} links and says {}",
                    node.link_count
                ));
            }
        }
        Ok(Self {
            nodes,
            warnings: Warnings::default(),
        })
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: NodeKind, link_count: u32) -> Node {
        let attributes = Attributes {
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            xattrs: Box::default(),
        };
        Node {
            attributes,
            kind,
            link_count,
        }
    }

    fn directory(children: &[(&str, u32)], link_count: u32) -> Node {
        let children = children
            .iter()
            .map(|(name, id)| (name.as_bytes().into(), NodeId(*id)))
            .collect();
        node(NodeKind::Directory(Directory { children }), link_count)
    }

    #[test]
    fn nodes_in_canonical_order_make_a_tree() {
        let tree = Tree::from_nodes(vec![
            directory(&[("a", 3), ("b", 1), ("c", 2), ("d", 5)], 4),
            node(NodeKind::Fifo, 2),
            node(NodeKind::Fifo, 1),
            directory(&[("b", 4), ("e", 1)], 2),
            node(NodeKind::Fifo, 1),
            directory(&[], 2),
        ])
        .unwrap();
        let mut paths = Vec::new();
        let visited: Result<(), ()> = tree.for_each_path(|path, id, _| {
            paths.push((String::from_utf8_lossy(path).into_owned(), id.0));
            Ok(())
        });
        visited.unwrap();
        let paths: Vec<_> = paths.iter().map(|(path, id)| (&**path, *id)).collect();
        assert_eq!(
            paths,
            [
                ("", 0),
                ("a", 3),
                ("a/b", 4),
                ("a/e", 1),
                ("b", 1),
                ("c", 2),
                ("d", 5)
            ]
        );
    }

    #[test]
    fn nodes_in_any_other_order_are_refused() {
        let fifo = |links| node(NodeKind::Fifo, links);
        for wrong in [
            vec![],
            vec![fifo(1)],
            vec![directory(&[("a", 1)], 2)],
            vec![directory(&[("a", 1)], 2), fifo(2)],
            vec![directory(&[("a", 1)], 3), fifo(1)],
            vec![directory(&[], 2), fifo(0)],
            vec![directory(&[("b", 1), ("a", 2)], 2), fifo(1), fifo(1)],
            vec![directory(&[("a", 2), ("b", 1)], 2), fifo(1), fifo(1)],
            vec![
                directory(&[("a", 1), ("b", 2)], 3),
                directory(&[], 2),
                fifo(1),
            ],
            vec![directory(&[("a", 0)], 3)],
        ] {
            assert!(Tree::from_nodes(wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
