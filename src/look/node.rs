//! What a name leads to.

use crate::listing::Kind;
use crate::tree;
use crate::units::{FileFlags, SECTOR_SIZE, Timestamp};
use crate::view;

/// An inode of a filesystem, or a node of an image's tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// Names with the same number are hard links: the inode's, or the place in the tree, from 1.
    pub number: u32,
    /// The type.
    pub kind: Kind,
    /// Permission, setuid, setgid and sticky bits.
    pub mode: u16,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a file or of a link's target; a directory of a tree has none.
    pub size_bytes: u64,
    /// Modification time.
    pub mtime: Timestamp,
    /// How many names are counted.
    pub links: u32,
    /// Major and minor of a device.
    pub device: Option<(u32, u32)>,
    /// What chattr sets.
    pub file_flags: FileFlags,
    /// Sectors of 512 bytes that it takes where it is.
    pub sectors: u64,
    /// All that an inode says; there is none in an image.
    pub inode: Option<Box<view::Node>>,
    /// The layer of an image that made it or last said something about it: 0 is the base, what is put
    /// in counts on behind the layers.
    pub layer: Option<u32>,
}

impl From<view::Node> for Node {
    fn from(node: view::Node) -> Self {
        Self {
            number: node.number.0,
            kind: node.kind,
            mode: node.mode(),
            uid: node.stored.uid,
            gid: node.stored.gid,
            size_bytes: node.stored.size_bytes,
            mtime: node.stored.mtime,
            links: node.stored.links_count.into(),
            device: node.device(),
            file_flags: node.file_flags(),
            sectors: node.sectors,
            layer: None,
            inode: Some(Box::new(node)),
        }
    }
}

impl Node {
    pub(super) fn of_tree(id: tree::NodeId, node: &tree::Node, layer: u32) -> Self {
        use tree::NodeKind;
        let attributes = &node.attributes;
        let device = |device: &crate::layers::Device| Some((device.major, device.minor));
        let (kind, size_bytes, device) = match &node.kind {
            NodeKind::Regular(file) => (Kind::Regular, file.content.size_bytes, None),
            NodeKind::Directory(_) => (Kind::Directory, 0, None),
            NodeKind::Symlink(target) => (Kind::Symlink, target.len() as u64, None),
            NodeKind::CharacterDevice(numbers) => (Kind::CharacterDevice, 0, device(numbers)),
            NodeKind::BlockDevice(numbers) => (Kind::BlockDevice, 0, device(numbers)),
            NodeKind::Fifo => (Kind::Fifo, 0, None),
        };
        let data_bytes: u64 = match &node.kind {
            NodeKind::Regular(file) => file.content.extents().map(|one| one.length_bytes).sum(),
            _ => 0,
        };
        Self {
            number: id.0.saturating_add(1),
            kind,
            mode: attributes.mode,
            uid: attributes.uid,
            gid: attributes.gid,
            size_bytes,
            mtime: attributes.mtime,
            links: node.link_count,
            device,
            file_flags: attributes.file_flags,
            sectors: data_bytes.div_ceil(SECTOR_SIZE),
            inode: None,
            layer: Some(layer),
        }
    }

    /// As the tree knows it.
    pub(super) fn id(&self) -> tree::NodeId {
        tree::NodeId(self.number.saturating_sub(1))
    }
}

/// What a path leads to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The path without links, `.` and `..`, and without a leading `/`; the root's is empty.
    pub path: Vec<u8>,
    /// What is there.
    pub node: Node,
}

impl From<view::Found> for Found {
    fn from(found: view::Found) -> Self {
        Self {
            path: found.path,
            node: found.node.into(),
        }
    }
}
