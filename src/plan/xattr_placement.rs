//! Which extended attributes go into the inode and which into a block, and who shares a block.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::layers::Xattr;
use crate::ondisk::posix_acl;
use crate::ondisk::xattr::{
    BLOCK_CAPACITY, CHAIN_ID_XATTR, ENTRY_HEADER_BYTES, IN_INODE_CAPACITY, NAME_MAX, SHARERS_MAX,
    StoredXattr, chain_id_xattr, encode_block, split_name,
};
use crate::tree::{Node, NodeId, NodeKind};

/// A node's attributes, sorted out. Both lists are in the kernel's order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct XattrPlacement<'a> {
    /// In the inode itself.
    pub in_inode: Vec<StoredXattr<'a>>,
    /// In a block.
    pub in_block: Vec<StoredXattr<'a>>,
    /// What ext cannot keep: a sentence for a counted warning each.
    pub dropped: Vec<&'static str>,
}

const UNKNOWN_NAMESPACE: &str =
    "extended attribute dropped: ext keeps user., trusted., security. and POSIX ACLs only";
const NAME_TOO_LONG: &str =
    "extended attribute dropped: Linux knows no names of more than 255 bytes, prefix included";
const NO_ROOM_FOR_CHAIN_ID: &str =
    "chain ID not left: the attributes of the image's own /lost+found leave no room in its inode";
const USER_ON_SPECIAL: &str =
    "user. attribute dropped: Linux allows it on regular files and directories only";
const ACL_ON_SYMLINK: &str = "POSIX ACL dropped: a symbolic link has none";
const DEFAULT_ACL: &str = "default POSIX ACL dropped: only a directory has one";

impl<'a> XattrPlacement<'a> {
    /// Sorts out a node's attributes, each into the inode while it fits there.
    ///
    /// # Errors
    /// [`Error::BadImage`] for a malformed POSIX ACL, [`Error::Unsupported`] for more than an
    /// inode and one block can hold.
    pub fn of(node: &'a Node) -> Result<Self> {
        Self::of_some(node, |_| true)
    }

    /// The same of the image's own `/lost+found`, which also tells the image where its inode has
    /// room for that. What another build has told there is not kept.
    ///
    /// # Errors
    /// See [`Self::of`].
    pub fn of_lost_found(node: &'a Node, chain_id: &'a [u8; 32]) -> Result<Self> {
        let mut placement = Self::of_some(node, |xattr| *xattr.name != *CHAIN_ID_XATTR)?;
        let taken_bytes: usize = placement
            .in_inode
            .iter()
            .map(StoredXattr::stored_bytes)
            .sum();
        match chain_id_xattr(chain_id) {
            Some(xattr) if taken_bytes + xattr.stored_bytes() <= IN_INODE_CAPACITY => {
                placement.in_inode.push(xattr);
                placement.in_inode.sort_by(by_kernels_order);
            }
            _ => placement.dropped.push(NO_ROOM_FOR_CHAIN_ID),
        }
        Ok(placement)
    }

    fn of_some(node: &'a Node, wanted: impl Fn(&Xattr) -> bool) -> Result<Self> {
        let mut placement = Self::default();
        let mut stored = Vec::new();
        for xattr in node.attributes.xattrs.iter().filter(|xattr| wanted(xattr)) {
            match store(xattr, &node.kind)? {
                Ok(xattr) => stored.push(xattr),
                Err(reason) => placement.dropped.push(reason),
            }
        }
        stored.sort_by(by_kernels_order);
        let mut in_inode_bytes = 0;
        let mut in_block_bytes = 0;
        for xattr in stored {
            let bytes = xattr.stored_bytes();
            if in_inode_bytes + bytes <= IN_INODE_CAPACITY {
                in_inode_bytes += bytes;
                placement.in_inode.push(xattr);
            } else {
                in_block_bytes += bytes;
                placement.in_block.push(xattr);
            }
        }
        if in_block_bytes > BLOCK_CAPACITY {
            return Err(Error::unsupported(format!(
                "expected extended attributes of at most {BLOCK_CAPACITY} bytes beside those in the inode, found {in_block_bytes}: ext3 has one block for them, in which each takes {ENTRY_HEADER_BYTES} bytes, its name and its value, both rounded up to fours"
            )));
        }
        Ok(placement)
    }
}

fn by_kernels_order(one: &StoredXattr<'_>, other: &StoredXattr<'_>) -> std::cmp::Ordering {
    one.sort_key().cmp(&other.sort_key())
}

/// An attribute in ext's form, or why ext cannot keep it.
fn store<'a>(xattr: &'a Xattr, kind: &NodeKind) -> Result<Result<StoredXattr<'a>, &'static str>> {
    let (name_index, name) = match kept(&xattr.name, kind) {
        Ok(name) => name,
        Err(reason) => return Ok(Err(reason)),
    };
    let value = if is_acl(name_index) {
        posix_acl::to_on_disk(&xattr.value)
            .map_err(Error::bad_image)?
            .into()
    } else {
        xattr.value[..].into()
    };
    Ok(Ok(StoredXattr {
        name_index,
        name,
        value,
    }))
}

fn is_acl(name_index: u8) -> bool {
    matches!(name_index, 2 | 3)
}

/// The number of the name's namespace and the rest of the name, where ext keeps an attribute of
/// this name on this type of node.
///
/// # Errors
/// Why it is not kept: a sentence for a counted warning.
pub fn kept<'a>(name: &'a [u8], kind: &NodeKind) -> Result<(u8, &'a [u8]), &'static str> {
    let (name_index, rest) = split_name(name).ok_or(UNKNOWN_NAMESPACE)?;
    if name.len() > NAME_MAX {
        return Err(NAME_TOO_LONG);
    }
    let refusal = match kind {
        NodeKind::Symlink(_) if is_acl(name_index) => Some(ACL_ON_SYMLINK),
        NodeKind::Directory(_) => None,
        _ if name_index == 3 => Some(DEFAULT_ACL),
        NodeKind::Regular(_) => None,
        _ if name_index == 1 => Some(USER_ON_SPECIAL),
        _ => None,
    };
    refusal.map_or(Ok((name_index, rest)), Err)
}

/// The attribute blocks of a whole filesystem, equal ones shared.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct XattrBlocks {
    /// How many inodes share each block, in the order of their first use.
    pub sharers: Vec<u32>,
    /// The block of each node that has one.
    pub of_node: BTreeMap<NodeId, u32>,
}

/// Collects attribute blocks while walking the nodes in order.
#[derive(Debug, Default)]
pub struct XattrBlockCollector {
    blocks: XattrBlocks,
    /// The block with room for another sharer, by the hash of its bytes.
    open: HashMap<[u8; 32], u32>,
}

impl XattrBlockCollector {
    /// Takes in a node and counts it as a sharer of its block.
    pub fn add(&mut self, id: NodeId, placement: &XattrPlacement<'_>) {
        if placement.in_block.is_empty() {
            return;
        }
        let digest: [u8; 32] = Sha256::digest(encode_block(&placement.in_block, 0)).into();
        let sharers = &mut self.blocks.sharers;
        let block = match self.open.get(&digest) {
            Some(&block) if sharers[block as usize] < SHARERS_MAX => block,
            _ => {
                sharers.push(0);
                let block = sharers.len() as u32 - 1;
                self.open.insert(digest, block);
                block
            }
        };
        sharers[block as usize] += 1;
        self.blocks.of_node.insert(id, block);
    }

    /// All blocks.
    pub fn finish(self) -> XattrBlocks {
        self.blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Attributes, Directory};
    use crate::units::Timestamp;

    fn node(kind: NodeKind, xattrs: &[(&[u8], Vec<u8>)]) -> Node {
        let xattrs = xattrs
            .iter()
            .map(|(name, value)| Xattr {
                name: (*name).into(),
                value: value.as_slice().into(),
            })
            .collect();
        Node {
            attributes: Attributes {
                mode: 0,
                uid: 0,
                gid: 0,
                mtime: Timestamp::default(),
                xattrs,
            },
            kind,
            link_count: 2,
        }
    }

    fn directory(xattrs: &[(&[u8], Vec<u8>)]) -> Node {
        node(NodeKind::Directory(Directory::default()), xattrs)
    }

    #[test]
    fn the_inode_takes_88_bytes_and_the_next_byte_goes_to_a_block() {
        // 16 for the header, 4 for the name, 68 for the value
        let full = directory(&[(b"user.a", vec![1; 68])]);
        let placement = XattrPlacement::of(&full).unwrap();
        assert_eq!((placement.in_inode.len(), placement.in_block.len()), (1, 0));
        let over = directory(&[(b"user.a", vec![1; 69])]);
        let placement = XattrPlacement::of(&over).unwrap();
        assert_eq!((placement.in_inode.len(), placement.in_block.len()), (0, 1));
    }

    #[test]
    fn a_full_block_fits_and_one_byte_more_is_refused_with_both_numbers() {
        let room = BLOCK_CAPACITY - 20;
        assert!(XattrPlacement::of(&directory(&[(b"user.a", vec![1; room])])).is_ok());
        let error = XattrPlacement::of(&directory(&[(b"user.a", vec![1; room + 1])])).unwrap_err();
        assert!(error.to_string().contains("at most 4060 bytes"), "{error}");
        assert!(error.to_string().contains("found 4064"), "{error}");
    }

    #[test]
    fn what_ext_cannot_keep_is_dropped_with_its_reason() {
        let acl = [
            2_u32.to_le_bytes().to_vec(),
            vec![1, 0, 7, 0, 255, 255, 255, 255],
            vec![4, 0, 5, 0, 255, 255, 255, 255],
            vec![32, 0, 4, 0, 255, 255, 255, 255],
        ]
        .concat();
        for (kind, name, reason) in [
            (NodeKind::Fifo, &b"user.a"[..], USER_ON_SPECIAL),
            (
                NodeKind::Symlink((*b"x").into()),
                b"system.posix_acl_access",
                ACL_ON_SYMLINK,
            ),
            (NodeKind::Fifo, b"system.posix_acl_default", DEFAULT_ACL),
            (
                NodeKind::Directory(Directory::default()),
                b"system.nfs4_acl",
                UNKNOWN_NAMESPACE,
            ),
        ] {
            let node = node(kind, &[(name, acl.clone())]);
            assert_eq!(XattrPlacement::of(&node).unwrap().dropped, [reason]);
        }
        let kept = directory(&[(b"system.posix_acl_default", acl)]);
        assert_eq!(
            XattrPlacement::of(&kept).unwrap().in_inode[0].value[..],
            [1, 0, 0, 0, 1, 0, 7, 0, 4, 0, 5, 0, 32, 0, 4, 0]
        );
    }

    #[test]
    fn equal_blocks_are_shared_by_1024_nodes_and_no_more() {
        let node = directory(&[(b"user.a", vec![1; 100])]);
        let placement = XattrPlacement::of(&node).unwrap();
        let mut collector = XattrBlockCollector::default();
        for id in 0..1025 {
            collector.add(NodeId(id), &placement);
        }
        let blocks = collector.finish();
        assert_eq!(blocks.sharers, [1024, 1]);
        assert_eq!(
            (blocks.of_node[&NodeId(1023)], blocks.of_node[&NodeId(1024)]),
            (0, 1)
        );
    }
}
