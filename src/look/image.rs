//! The tree that an image shows, with its files' bytes.

use super::node::{Found, Node};
use crate::error::{Error, Result};
use crate::layers::{Contents, DataExtent};
use crate::listing::{Attribute, Kind};
use crate::region::FileRegion;
use crate::tree::{self, ContentRef, Directory, NodeId, NodeKind, Tree};
use crate::view::{Follow, Names, look_up};

/// Bytes read at once.
const BUFFER_BYTES: u64 = 256 << 10;

/// An image's tree, and where its files' contents are.
#[derive(Debug, Clone, Copy)]
pub struct ImageTree<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// The contents.
    pub contents: &'a Contents,
    /// What errors call it.
    pub name: &'a str,
}

impl<'a> ImageTree<'a> {
    pub(super) fn root(self) -> Node {
        self.of(NodeId::ROOT)
    }

    pub(super) fn of(self, id: NodeId) -> Node {
        Node::of_tree(id, self.tree.node(id), self.tree.layer_of(id))
    }

    fn at(self, node: &Node) -> &'a tree::Node {
        self.tree.node(node.id())
    }

    fn directory(self, id: NodeId) -> Option<&'a Directory> {
        match &self.tree.node(id).kind {
            NodeKind::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// What stands below a directory, ascending by the names' bytes.
    pub(super) fn children(self, node: &Node) -> &'a [(Box<[u8]>, NodeId)] {
        let directory = self.directory(node.id());
        directory.map_or(&[], |directory| &directory.children)
    }

    pub(super) fn read_dir(self, node: &Node) -> Result<Vec<(Box<[u8]>, u32)>> {
        if node.kind != Kind::Directory {
            return Err(Error::unsupported("expected a directory, found a file"));
        }
        let children = self.children(node).iter();
        Ok(children
            .map(|(name, id)| (name.clone(), id.0.saturating_add(1)))
            .collect())
    }

    pub(super) fn node(self, number: u32) -> Result<Node> {
        let id = NodeId(number.saturating_sub(1));
        if number == 0 || id.index() >= self.tree.nodes().len() {
            return Err(Error::Mismatch(format!("the tree has no node {number}")));
        }
        Ok(self.of(id))
    }

    pub(super) fn target(self, node: &Node) -> Result<Vec<u8>> {
        match &self.at(node).kind {
            NodeKind::Symlink(target) => Ok(target.to_vec()),
            _ => Err(Error::unsupported(
                "expected a symbolic link, found something else",
            )),
        }
    }

    pub(super) fn xattrs(self, node: &Node) -> Box<[Attribute]> {
        let xattrs = self.at(node).attributes.xattrs.iter();
        let mut xattrs: Box<[_]> = xattrs
            .map(|xattr| Attribute::new(&xattr.name, &xattr.value))
            .collect();
        xattrs.sort();
        xattrs
    }

    fn file(self, node: &Node) -> Result<&'a ContentRef> {
        match &self.at(node).kind {
            NodeKind::Regular(file) => Ok(file),
            _ => Err(Error::unsupported(format!(
                "expected a regular file, found a {}",
                match node.kind {
                    Kind::Directory => "directory",
                    Kind::Symlink => "symbolic link",
                    Kind::CharacterDevice => "character device",
                    Kind::BlockDevice => "block device",
                    _ => "FIFO",
                }
            ))),
        }
    }

    pub(super) fn extents(self, node: &Node) -> Result<Vec<(u64, u64)>> {
        let mut extents: Vec<(u64, u64)> = Vec::new();
        for extent in self.file(node)?.content.extents() {
            let (offset, length) = (extent.file_offset_bytes, extent.length_bytes);
            match extents.last_mut() {
                Some((start, before)) if *start + *before == offset => *before += length,
                _ => extents.push((offset, length)),
            }
        }
        Ok(extents)
    }

    pub(super) fn content(self, node: &Node) -> Result<ContentReader<'a>> {
        let file = self.file(node)?;
        Ok(ContentReader {
            source: self.contents.of(file.origin)?,
            size_bytes: file.content.size_bytes,
            extents: file.content.extents().collect(),
            next: 0,
            done_bytes: 0,
            buffer: Vec::new(),
        })
    }

    /// Looks a path up, as the view of a filesystem does.
    pub(super) fn find(self, path: &[u8], follow: Follow) -> Result<Found> {
        let (id, path) = look_up(&mut { self }, path, follow)?;
        Ok(Found {
            node: self.of(id),
            path,
        })
    }
}

impl Names for ImageTree<'_> {
    type Id = NodeId;

    fn name(&self) -> &str {
        self.name
    }

    fn root(&self) -> NodeId {
        NodeId::ROOT
    }

    fn kind(&mut self, id: NodeId) -> Result<Kind> {
        Ok(self.of(id).kind)
    }

    fn child(&mut self, directory: NodeId, name: &[u8]) -> Result<Option<NodeId>> {
        let children = match self.directory(directory) {
            Some(found) => &found.children[..],
            None => &[],
        };
        let index = children.binary_search_by(|(child, _)| (**child).cmp(name));
        Ok(index.ok().map(|index| children[index].1))
    }

    fn target(&mut self, link: NodeId) -> Result<&[u8]> {
        match &self.tree.node(link).kind {
            NodeKind::Symlink(target) => Ok(target),
            _ => Ok(b""),
        }
    }
}

/// Reads a file's data from its layer's tar.
#[derive(Debug)]
pub struct ContentReader<'a> {
    source: &'a FileRegion,
    size_bytes: u64,
    extents: Vec<DataExtent>,
    next: usize,
    /// Of the next extent.
    done_bytes: u64,
    buffer: Vec<u8>,
}

impl ContentReader<'_> {
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn next_data(&mut self) -> Result<Option<(u64, &[u8])>> {
        let Some(extent) = self.extents.get(self.next).copied() else {
            return Ok(None);
        };
        let done = self.done_bytes;
        let length = (extent.length_bytes - done).min(BUFFER_BYTES);
        // At most 256 KiB.
        self.buffer.resize(length as usize, 0);
        self.source
            .read_exact_at(&mut self.buffer, extent.offset_bytes + done)
            .map_err(|error| Error::io("cannot read a layer's tar", error))?;
        self.done_bytes += length;
        if self.done_bytes == extent.length_bytes {
            self.next += 1;
            self.done_bytes = 0;
        }
        Ok(Some((extent.file_offset_bytes + done, &self.buffer)))
    }
}
