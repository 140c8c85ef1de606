//! One way to ask for both.

use super::content::ContentReader;
use super::image::ImageTree;
use super::node::{Found, Node};
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::listing::Attribute;
use crate::units::InodeNumber;
use crate::view::View;

/// What is looked into.
#[derive(Debug, Clone, Copy)]
pub enum Inside<'a> {
    /// A filesystem.
    Filesystem(&'a View),
    /// What an image shows.
    Image(ImageTree<'a>),
}

impl<'a> From<&'a View> for Inside<'a> {
    fn from(view: &'a View) -> Self {
        Self::Filesystem(view)
    }
}

impl<'a> Inside<'a> {
    /// The root directory.
    ///
    /// # Errors
    /// [`Error::BadImage`] when it is damaged.
    pub fn root(self) -> Result<Node> {
        match self {
            Self::Filesystem(view) => view.root().map(Node::from),
            Self::Image(image) => Ok(image.root()),
        }
    }

    /// A directory's names with their nodes' numbers, but `.` and `..`, ascending by their bytes.
    ///
    /// # Errors
    /// As [`View::read_dir`].
    pub fn read_dir(self, directory: &Node) -> Result<Vec<(Box<[u8]>, u32)>> {
        match (self, &directory.inode) {
            (Self::Filesystem(view), Some(inode)) => {
                let entries = view.read_dir(inode)?.into_iter();
                Ok(entries.map(|entry| (entry.name, entry.inode.0)).collect())
            }
            (Self::Image(image), None) => image.read_dir(directory),
            _ => Err(strange()),
        }
    }

    /// What has this number.
    ///
    /// # Errors
    /// As [`View::node`].
    pub fn node(self, number: u32) -> Result<Node> {
        match self {
            Self::Filesystem(view) => view.node(InodeNumber(number)).map(Node::from),
            Self::Image(image) => image.node(number),
        }
    }

    /// A symbolic link's target.
    ///
    /// # Errors
    /// As [`View::target`].
    pub fn target(self, node: &Node) -> Result<Vec<u8>> {
        match (self, &node.inode) {
            (Self::Filesystem(view), Some(inode)) => view.target(inode),
            (Self::Image(image), None) => image.target(node),
            _ => Err(strange()),
        }
    }

    /// Extended attributes as user space sees them, ascending by name.
    ///
    /// # Errors
    /// As [`View::xattrs`].
    pub fn xattrs(self, node: &Node) -> Result<Box<[Attribute]>> {
        match (self, &node.inode) {
            (Self::Filesystem(view), Some(inode)) => view.xattrs(inode),
            (Self::Image(image), None) => Ok(image.xattrs(node)),
            _ => Err(strange()),
        }
    }

    /// A regular file's content.
    ///
    /// # Errors
    /// As [`View::content`].
    pub fn content(self, node: &Node) -> Result<ContentReader<'a>> {
        match (self, &node.inode) {
            (Self::Filesystem(view), Some(inode)) => {
                view.content(inode).map(ContentReader::Filesystem)
            }
            (Self::Image(image), None) => image.content(node).map(ContentReader::Image),
            _ => Err(strange()),
        }
    }

    /// The stretches of a regular file that hold data, in bytes, ascending and apart. What lies
    /// between is zeros.
    ///
    /// # Errors
    /// As [`View::extents`].
    pub fn extents(self, node: &Node) -> Result<Vec<(u64, u64)>> {
        match (self, &node.inode) {
            (Self::Filesystem(view), Some(inode)) => view.extents(inode),
            (Self::Image(image), None) => image.extents(node),
            _ => Err(strange()),
        }
    }

    /// Walks `start` and everything below it.
    pub fn walk(self, start: Found) -> Walk<'a> {
        match self {
            Self::Filesystem(view) => Walk::of_filesystem(view, start),
            Self::Image(image) => Walk::of_image(image, start),
        }
    }

    /// Bytes that all files together can hold, holes not counted. Contents of an image are counted
    /// while it is read.
    pub fn max_data_bytes(self) -> u64 {
        match self {
            Self::Filesystem(view) => view.max_data_bytes(),
            Self::Image(_) => u64::MAX,
        }
    }

    /// Bytes of a directory that may be read, and that reading it costs.
    pub(super) fn directory_bytes(self, directory: &Node) -> (u64, u64) {
        match self {
            Self::Filesystem(view) => {
                let all = view.blocks().saturating_mul(view.block_bytes());
                (all, directory.size_bytes)
            }
            Self::Image(_) => (u64::MAX, 0),
        }
    }

    /// The preferred unit of reading.
    pub fn block_bytes(self) -> u64 {
        match self {
            Self::Filesystem(view) => view.block_bytes(),
            Self::Image(_) => 512,
        }
    }
}

/// A node of one is none of another.
fn strange() -> Error {
    Error::Mismatch("a node was looked for where it is not from".to_owned())
}
