//! Extended attributes.

use super::{Node, View};
use crate::error::{Error, Result};
use crate::listing::{Attribute, Kind};
use crate::ondisk::features::INCOMPAT_EA_INODE;
use crate::ondisk::xattr::{FoundValue, FoundXattr, decode_block, decode_in_inode};
use crate::units::InodeNumber;

/// `XATTR_SIZE_MAX`: the kernel gives no larger value out.
const MAX_VALUE_BYTES: u32 = 1 << 16;

/// Bytes of one inode's values in inodes of their own.
const MAX_OWN_VALUES_BYTES: u32 = 16 * MAX_VALUE_BYTES;

impl View {
    /// A node's extended attributes as user space sees them, ascending by name.
    ///
    /// # Errors
    /// [`Error::BadImage`] where they are damaged, [`Error::Unsupported`] for more of them in inodes
    /// of their own than anybody has.
    pub fn xattrs(&self, node: &Node) -> Result<Box<[Attribute]>> {
        let mut found = self.in_inode(node)?;
        if node.stored.xattr_block != 0 {
            let block = node.stored.xattr_block;
            let bytes = self.image.block(block)?;
            let seed = self.image.seed();
            if seed.is_some_and(|seed| !seed.attributes_holds(block, &bytes)) {
                return Err(self.wrong_checksum(node.number, block));
            }
            found.extend(self.named(node, decode_block(&bytes))?);
        }
        let mut attributes = Vec::new();
        let mut left_bytes = MAX_OWN_VALUES_BYTES;
        for xattr in found {
            let Some(name) = xattr.full_name() else {
                continue;
            };
            let value = match xattr.value {
                FoundValue::Here(value) => value,
                FoundValue::InInode { inode, size_bytes } => {
                    let value = self.own_value(inode, size_bytes, &mut left_bytes);
                    value.map_err(|error| named_value(error, node, &name))?
                }
            };
            attributes.push(Attribute::new(&name, &value));
        }
        attributes.sort();
        Ok(attributes.into())
    }

    /// A value that is the content of an inode of its own (`ea_inode`).
    fn own_value(&self, number: u32, size_bytes: u32, left_bytes: &mut u32) -> Result<Box<[u8]>> {
        if !self.image.features().has_incompat(INCOMPAT_EA_INODE) {
            return Err(Error::bad_image(format!(
                "expected it where the inode's attributes are, found it in inode {number} without the feature ea_inode"
            )));
        }
        if size_bytes > MAX_VALUE_BYTES {
            return Err(Error::bad_image(format!(
                "expected a value of at most {MAX_VALUE_BYTES} bytes, found {size_bytes}"
            )));
        }
        *left_bytes = left_bytes.checked_sub(size_bytes).ok_or_else(|| {
            Error::unsupported(format!(
                "attributes of more than {MAX_OWN_VALUES_BYTES} bytes in inodes of their own"
            ))
        })?;
        self.spend_on_values(size_bytes.into())?;
        let holder = self.node(InodeNumber(number))?;
        let is_one = holder.kind == Kind::Regular && holder.is_attribute_value();
        if !is_one || holder.stored.size_bytes != u64::from(size_bytes) {
            return Err(Error::bad_image(format!(
                "expected an attribute's value of {size_bytes} bytes in inode {number}, found something else of {}",
                holder.stored.size_bytes
            )));
        }
        let mut value = Vec::with_capacity(size_bytes as usize);
        let mut reader = self.reader(&holder)?;
        while let Some((offset_bytes, data)) = reader.next_data()? {
            if offset_bytes == value.len() as u64 {
                value.extend_from_slice(data);
            }
        }
        if value.len() as u64 != u64::from(size_bytes) {
            return Err(Error::bad_image(format!(
                "expected all of {size_bytes} bytes in inode {number}, found holes"
            )));
        }
        Ok(value.into())
    }

    /// What an inode with inline data holds beyond its first 60 bytes. The attribute is there where
    /// nothing is, too.
    pub(super) fn inline_rest(&self, node: &Node) -> Result<Vec<u8>> {
        let data = self.in_inode(node)?;
        let value = data
            .into_iter()
            .find(FoundXattr::is_inline_data)
            .map(|xattr| xattr.value);
        match value {
            Some(FoundValue::Here(value)) => Ok(value.into()),
            found => Err(self.bad(format!(
                "inode {}: expected the rest of its content in its attribute system.data, found {}",
                node.number,
                match found {
                    Some(_) => "it in another inode",
                    None => "no such attribute",
                }
            ))),
        }
    }

    fn in_inode(&self, node: &Node) -> Result<Vec<FoundXattr>> {
        match node.stored.xattr_offset {
            Some(offset) => {
                let bytes = self.image.inode(node.number)?;
                self.named(node, decode_in_inode(&bytes[offset..]))
            }
            None => Ok(Vec::new()),
        }
    }

    fn named<T>(&self, node: &Node, decoded: Result<T, String>) -> Result<T> {
        decoded.map_err(|what| self.bad(format!("inode {}: {what}", node.number)))
    }
}

/// Says whose value it is that cannot be read.
fn named_value(error: Error, node: &Node, name: &[u8]) -> Error {
    let prefix = format!(
        "inode {}: the value of {}: ",
        node.number,
        crate::error::escape_path(name)
    );
    match error {
        Error::BadImage { place, what } => Error::BadImage {
            place,
            what: prefix + &what,
        },
        Error::Unsupported { place, what } => Error::Unsupported {
            place,
            what: prefix + &what,
        },
        other => other,
    }
}
