//! The tree while layers are applied: nodes in an arena, names that come and go.

use std::collections::BTreeMap;

use super::frozen::{Attributes, NodeKind};
use super::tally::Tally;
use crate::error::{Error, Result};
use crate::layers::Xattr;
use crate::units::{FileFlags, Timestamp};

/// A node's place in the arena; reused after its last name is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

impl Slot {
    pub const ROOT: Self = Self(0);

    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A directory's names.
pub(super) type Children = BTreeMap<Box<[u8]>, Slot>;

/// A node that may still change.
#[derive(Debug, Clone)]
pub(super) struct GrowingNode {
    pub attributes: Attributes,
    pub kind: GrowingKind,
    /// The layer that made it or last said something about it.
    pub layer: u32,
    /// How many names lead here.
    names: u32,
}

#[derive(Debug, Clone)]
pub(super) enum GrowingKind {
    Directory(Children),
    /// Any kind that has no children.
    Leaf(NodeKind),
    /// A hard link whose target has not come yet.
    PendingLink(Box<HardLink>),
    /// Nothing: the slot waits to be used again.
    Vacant,
}

/// A hard link that is not one yet.
#[derive(Debug, Clone)]
pub(super) struct HardLink {
    /// The directory the link stands in.
    pub parent: Slot,
    /// Its name there.
    pub name: Box<[u8]>,
    /// What it links to, as the tar has it.
    pub target: Box<[u8]>,
    /// The entry's path as the tar has it.
    pub path: Box<[u8]>,
    /// The entry's byte in the tar.
    pub header_offset: u64,
    /// Whether the chain being resolved passed here already.
    pub visited: bool,
}

/// What a tree loses with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lost {
    /// Names, of what is below as well.
    pub names: u64,
    /// Bytes of files that have no name any more.
    pub bytes: u64,
}

/// A tree under construction. Only directories hold others, so nothing here recurses.
#[derive(Debug, Clone)]
pub(super) struct GrowingTree {
    nodes: Vec<GrowingNode>,
    vacant: Vec<Slot>,
    max_nodes: u64,
    /// Where somebody wants to know what each layer does.
    pub tally: Option<Box<Tally>>,
}

impl GrowingTree {
    /// An empty root directory; `max_nodes` besides it are allowed.
    pub fn new(root: Attributes, max_nodes: u64) -> Self {
        let root = GrowingNode {
            attributes: root,
            kind: GrowingKind::Directory(Children::new()),
            layer: 0,
            names: 1,
        };
        Self {
            nodes: vec![root],
            vacant: Vec::new(),
            max_nodes,
            tally: None,
        }
    }

    pub fn node(&self, slot: Slot) -> &GrowingNode {
        &self.nodes[slot.index()]
    }

    pub fn node_mut(&mut self, slot: Slot) -> &mut GrowingNode {
        &mut self.nodes[slot.index()]
    }

    pub fn is_directory(&self, slot: Slot) -> bool {
        matches!(self.node(slot).kind, GrowingKind::Directory(_))
    }

    /// What a child that a directory has is called there.
    pub fn name_of(&self, directory: Slot, child: Slot) -> &[u8] {
        let GrowingKind::Directory(children) = &self.node(directory).kind else {
            unreachable!("only directories are walked through");
        };
        let mut names = children.iter();
        let found = names.find(|(_, known)| **known == child);
        found.map_or(b"", |(name, _)| name)
    }

    pub fn child(&self, directory: Slot, name: &[u8]) -> Option<Slot> {
        match &self.node(directory).kind {
            GrowingKind::Directory(children) => children.get(name).copied(),
            _ => None,
        }
    }

    /// Nodes that are in use.
    pub fn len(&self) -> usize {
        self.nodes.len() - self.vacant.len()
    }

    /// Makes a node and gives it a name, taking the name from what had it.
    pub fn make(
        &mut self,
        directory: Slot,
        name: &[u8],
        attributes: Attributes,
        kind: GrowingKind,
        layer: u32,
    ) -> Result<Slot> {
        let before = self.child(directory, name);
        let before = before.map(|slot| self.node(slot).layer);
        self.unlink_replaced(directory, name);
        if self.len() as u64 > self.max_nodes || self.nodes.len() >= u32::MAX as usize {
            return Err(Error::bad_image(format!(
                "expected at most {} entries (--max-entries), found more, counting the directories that only their children name",
                self.max_nodes
            )));
        }
        let node = GrowingNode {
            attributes,
            kind,
            layer,
            names: 0,
        };
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.nodes[slot.index()] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                Slot((self.nodes.len() - 1) as u32)
            }
        };
        self.give(directory, name, slot, before);
        Ok(slot)
    }

    /// Gives a node one more name, taking the name from what had it.
    pub fn link(&mut self, directory: Slot, name: &[u8], slot: Slot) {
        let before = self.child(directory, name);
        let before = before.map(|slot| self.node(slot).layer);
        self.give(directory, name, slot, before);
    }

    /// The same where something of the layer `before` has the name, or had it until now.
    fn give(&mut self, directory: Slot, name: &[u8], slot: Slot, before: Option<u32>) {
        if let Some(tally) = &mut self.tally {
            tally.named(before);
        }
        // Counted first: the name may be taken from this very node.
        self.nodes[slot.index()].names += 1;
        let GrowingKind::Directory(children) = &mut self.nodes[directory.index()].kind else {
            unreachable!("names are only given in directories");
        };
        let before = match children.get_mut(name) {
            Some(known) => Some(std::mem::replace(known, slot)),
            None => {
                children.insert(name.into(), slot);
                None
            }
        };
        if let Some(before) = before {
            self.lose_name(before, true);
        }
    }

    /// Takes a name away, and with a directory's name all that is below it.
    pub fn unlink(&mut self, directory: Slot, name: &[u8]) -> Lost {
        self.take_name(directory, name, false)
    }

    /// The same for a name that something else gets.
    fn unlink_replaced(&mut self, directory: Slot, name: &[u8]) {
        self.take_name(directory, name, true);
    }

    fn take_name(&mut self, directory: Slot, name: &[u8], is_replaced: bool) -> Lost {
        match &mut self.nodes[directory.index()].kind {
            GrowingKind::Directory(children) => match children.remove(name) {
                Some(child) => self.lose_name(child, is_replaced),
                None => Lost::default(),
            },
            _ => Lost::default(),
        }
    }

    /// Takes away all names in a directory.
    pub fn empty(&mut self, directory: Slot) {
        if let GrowingKind::Directory(children) = &mut self.nodes[directory.index()].kind {
            for child in std::mem::take(children).into_values() {
                self.lose_name(child, false);
            }
        }
    }

    fn lose_name(&mut self, slot: Slot, is_replaced: bool) -> Lost {
        let mut lost = Lost::default();
        let first = is_replaced.then_some(slot);
        let mut losing = vec![slot];
        while let Some(slot) = losing.pop() {
            lost.names += 1;
            let node = &mut self.nodes[slot.index()];
            if let Some(tally) = &mut self.tally
                && (first != Some(slot) || lost.names > 1)
            {
                tally.hid(node.layer);
            }
            node.names -= 1;
            if node.names > 0 {
                continue;
            }
            match std::mem::replace(&mut node.kind, GrowingKind::Vacant) {
                GrowingKind::Directory(children) => losing.extend(children.into_values()),
                GrowingKind::Leaf(kind) => {
                    if let Some(tally) = &mut self.tally {
                        tally.lost(&kind);
                    }
                    if let NodeKind::Regular(file) = kind {
                        lost.bytes = lost.bytes.saturating_add(file.content.size_bytes);
                    }
                }
                _ => {}
            }
            node.attributes.xattrs = Box::default();
            self.vacant.push(slot);
        }
        lost
    }

    /// All nodes that are in use.
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut GrowingNode> {
        let nodes = self.nodes.iter_mut();
        nodes.filter(|node| !matches!(node.kind, GrowingKind::Vacant))
    }

    /// A directory's names; none of what is no directory.
    pub fn children(&self, slot: Slot) -> &Children {
        static NONE: Children = Children::new();
        match &self.node(slot).kind {
            GrowingKind::Directory(children) => children,
            _ => &NONE,
        }
    }

    /// The nodes by slot, when no more names come or go.
    pub fn into_nodes(self) -> Vec<GrowingNode> {
        self.nodes
    }
}

/// Attributes of a directory that has no entry of its own.
pub(super) fn implied_attributes(default_time: Timestamp) -> Attributes {
    Attributes {
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: default_time,
        xattrs: Box::<[Xattr]>::default(),
        file_flags: FileFlags::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> GrowingTree {
        GrowingTree::new(implied_attributes(Timestamp::default()), 10)
    }

    fn make(tree: &mut GrowingTree, directory: Slot, name: &[u8], kind: GrowingKind) -> Slot {
        let attributes = implied_attributes(Timestamp::default());
        tree.make(directory, name, attributes, kind, 0).unwrap()
    }

    #[test]
    fn a_replaced_subtree_leaves_its_slots_to_others() {
        let mut tree = tree();
        for _ in 0..100 {
            let a = make(
                &mut tree,
                Slot::ROOT,
                b"a",
                GrowingKind::Directory(Children::new()),
            );
            make(&mut tree, a, b"b", GrowingKind::Leaf(NodeKind::Fifo));
        }
        assert_eq!(tree.len(), 3);
        assert_eq!(tree.nodes.len(), 3);
    }

    #[test]
    fn a_node_lives_as_long_as_its_last_name() {
        let mut tree = tree();
        let a = make(
            &mut tree,
            Slot::ROOT,
            b"a",
            GrowingKind::Leaf(NodeKind::Fifo),
        );
        tree.link(Slot::ROOT, b"b", a);
        // Its own name again: nothing is lost.
        tree.link(Slot::ROOT, b"b", a);
        tree.unlink(Slot::ROOT, b"a");
        assert_eq!(tree.child(Slot::ROOT, b"b"), Some(a));
        tree.unlink(Slot::ROOT, b"b");
        assert_eq!(tree.len(), 1);
    }

    #[test]
    fn a_node_costs_less_than_130_bytes_besides_its_name() {
        assert!(
            size_of::<GrowingNode>() <= 128,
            "{}",
            size_of::<GrowingNode>()
        );
    }
}
