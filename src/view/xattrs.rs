//! Extended attributes.

use super::{Node, View};
use crate::error::{Error, Result};
use crate::listing::Attribute;
use crate::ondisk::stored_xattr::{FoundValue, FoundXattr, decode_block, decode_in_inode};

impl View {
    /// A node's extended attributes as user space sees them, ascending by name.
    ///
    /// # Errors
    /// [`Error::BadImage`] where they are damaged, [`Error::Unsupported`] for a value in an inode
    /// of its own.
    pub fn xattrs(&self, node: &Node) -> Result<Box<[Attribute]>> {
        let mut found = self.in_inode(node)?;
        if node.stored.xattr_block != 0 {
            let bytes = self.image.block(node.stored.xattr_block)?;
            found.extend(self.named(node, decode_block(&bytes))?);
        }
        let mut attributes = Vec::new();
        for xattr in found {
            let Some(name) = xattr.full_name() else {
                continue;
            };
            match &xattr.value {
                FoundValue::Here(value) => attributes.push(Attribute::new(&name, value)),
                FoundValue::InInode(inode) => {
                    return Err(Error::unsupported(format!(
                        "inode {}: the value of {} is in inode {inode} of its own (ea_inode), which is not read here",
                        node.number,
                        crate::error::escape_path(&name)
                    ))
                    .in_image(&self.image.name));
                }
            }
        }
        attributes.sort();
        Ok(attributes.into())
    }

    /// What an inode with inline data holds beyond its first 60 bytes.
    pub(super) fn inline_rest(&self, node: &Node) -> Result<Vec<u8>> {
        let data = self.in_inode(node)?;
        let value = data
            .into_iter()
            .find(FoundXattr::is_inline_data)
            .map(|xattr| xattr.value);
        match value {
            Some(FoundValue::Here(value)) => Ok(value.into()),
            _ => Ok(Vec::new()),
        }
    }

    fn in_inode(&self, node: &Node) -> Result<Vec<FoundXattr>> {
        match node.stored.xattr_offset {
            Some(offset) => self.named(node, decode_in_inode(&node.bytes[offset..])),
            None => Ok(Vec::new()),
        }
    }

    fn named<T>(&self, node: &Node, decoded: Result<T, String>) -> Result<T> {
        decoded.map_err(|what| self.bad(format!("inode {}: {what}", node.number)))
    }
}
