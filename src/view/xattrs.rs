//! Extended attributes.

use super::{Node, View};
use crate::error::Result;
use crate::listing::Attribute;
use crate::ondisk::stored_inode::FLAG_EA_INODE;
use crate::ondisk::stored_xattr::{FoundValue, FoundXattr, decode_block, decode_in_inode};
use crate::units::InodeNumber;

/// The longest value that the kernel gives (`XATTR_SIZE_MAX`).
const MAX_VALUE_BYTES: u32 = 64 << 10;

impl View {
    /// A node's extended attributes as user space sees them, ascending by name.
    ///
    /// # Errors
    /// [`Error::BadImage`](crate::Error::BadImage) where they are damaged.
    pub fn xattrs(&self, node: &Node) -> Result<Box<[Attribute]>> {
        self.xattrs_within(node, &mut self.blocks())
    }

    /// The same, where values in inodes of their own (`ea_inode`) take no more than `blocks_left`
    /// blocks, and what they take is taken from it: many files may share one list of such values.
    ///
    /// # Errors
    /// As [`Self::xattrs`].
    pub fn xattrs_within(&self, node: &Node, blocks_left: &mut u64) -> Result<Box<[Attribute]>> {
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
                FoundValue::InInode { inode, size_bytes } => {
                    let value = self.value_in(InodeNumber(*inode), *size_bytes, blocks_left)?;
                    attributes.push(Attribute::new(&name, &value));
                }
            }
        }
        attributes.sort();
        Ok(attributes.into())
    }

    /// A value that has an inode of its own.
    fn value_in(
        &self,
        inode: InodeNumber,
        size_bytes: u32,
        blocks_left: &mut u64,
    ) -> Result<Vec<u8>> {
        let node = self.node(inode)?;
        let is_value = node.stored.flags & FLAG_EA_INODE != 0
            && node.size_bytes() == u64::from(size_bytes)
            && size_bytes <= MAX_VALUE_BYTES;
        if !is_value {
            return Err(self.bad(format!(
                "inode {inode}: expected the {size_bytes} bytes of an attribute's value, at most {MAX_VALUE_BYTES}, found {} bytes and flags {:#x}",
                node.size_bytes(),
                node.stored.flags
            )));
        }
        // At most 64 KiB, and all data lies within them.
        let mut value = vec![0; size_bytes as usize];
        self.reader(&node)?.within(blocks_left, |reader| {
            while let Some((offset_bytes, data)) = reader.next_data()? {
                let start = offset_bytes as usize;
                value[start..start + data.len()].copy_from_slice(data);
            }
            Ok(())
        })?;
        Ok(value)
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
