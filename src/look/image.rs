//! The tree that an image shows, with its files' bytes.

use rustix::io::Errno;

use super::node::{Found, Node};
use crate::error::{Error, Result, escape_path};
use crate::layers::{Contents, DataExtent};
use crate::listing::{Attribute, Kind};
use crate::region::FileRegion;
use crate::tree::{self, ContentRef, Directory, NodeId, NodeKind, Tree};
use crate::view::Follow;

/// Links followed on one path, as the kernel does.
const MAX_HOPS: usize = 40;

/// Components of a path with its links' targets.
const MAX_COMPONENTS: usize = 1 << 16;

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
        let fail = |errno: Errno| {
            let shown = path.strip_prefix(b"/").unwrap_or(path);
            let what = format!("cannot find /{} in {}", escape_path(shown), self.name);
            Error::io(what, errno.into())
        };
        // The directories down to here, each with how long the path is up to it.
        let mut at = vec![(NodeId::ROOT, 0)];
        let mut found_path = Vec::new();
        let mut to_do = components(path);
        let must_be_directory = path.ends_with(b"/");
        let mut hops = 0;
        while let Some(name) = to_do.pop() {
            // The root never leaves.
            let Some(&(here, length)) = at.last() else {
                break;
            };
            found_path.truncate(length);
            // Not even `.` and `..` are in anything else.
            let directory = self.directory(here).ok_or_else(|| fail(Errno::NOTDIR))?;
            match &name[..] {
                b"." => continue,
                b".." => {
                    at.truncate((at.len() - 1).max(1));
                    continue;
                }
                _ => {}
            }
            let children = &directory.children;
            let index = children
                .binary_search_by(|(child, _)| (**child).cmp(&name))
                .map_err(|_| fail(Errno::NOENT))?;
            let (_, child) = children[index];
            if length > 0 {
                found_path.push(b'/');
            }
            found_path.extend_from_slice(&name);
            let is_last = to_do.is_empty() && !must_be_directory;
            match &self.tree.node(child).kind {
                NodeKind::Symlink(target) if !is_last || follow == Follow::Always => {
                    hops += 1;
                    if hops > MAX_HOPS || to_do.len() > MAX_COMPONENTS {
                        return Err(fail(Errno::LOOP));
                    }
                    if target.starts_with(b"/") {
                        at.truncate(1);
                    }
                    to_do.extend(components(target));
                }
                _ => at.push((child, found_path.len())),
            }
        }
        let (id, length) = at.pop().unwrap_or((NodeId::ROOT, 0));
        if must_be_directory && self.directory(id).is_none() {
            return Err(fail(Errno::NOTDIR));
        }
        found_path.truncate(length);
        Ok(Found {
            node: self.of(id),
            path: found_path,
        })
    }
}

/// A path's components, the first at the end.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .rev()
        .collect()
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
