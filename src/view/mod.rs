//! Looks into any ext2, ext3 or ext4 image, without root and without mounting it: names, every
//! attribute of inodes, contents.
//!
//! ```text
//! image (superblock, blocks) → node (inodes) → block_map → content
//!                                            ↘ directory → lookup, walk → listing
//! ```
//!
//! Nothing here trusts the image: every number is held against the filesystem's size, trees are
//! walked without recursion, no block map gives more blocks than there are, and no walk enters a
//! directory twice, and a listing of everything reads no more blocks than there are. What is wrong is an error that names where. The journal is not replayed: an
//! image that was not cleanly unmounted is shown as it stands ([`View::needs_recovery`]).

mod block_map;
mod content;
mod directory;
mod image;
mod listing;
mod lookup;
mod node;
mod walk;
mod xattrs;

use std::path::Path;

pub use content::ContentReader;
pub use directory::DirectoryEntry;
pub use listing::{Problem, WholeListing};
pub use lookup::{Follow, Found};
pub use node::Node;
pub use walk::{MAX_DEPTH, Step, Walk};

use crate::error::{Error, Result, escape_path};
use crate::units::InodeNumber;
use image::Image;

/// An open image.
#[derive(Debug)]
pub struct View {
    image: Image,
}

impl View {
    /// Opens an image, be it a file or a block device, and reads its superblock.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::BadImage`] when it holds no ext filesystem
    /// or a damaged one, [`Error::Unsupported`] for features that change how it is read and are
    /// not known here.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let image = Image::open(path).map_err(|error| error.in_image(&name))?;
        Ok(Self { image })
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> u64 {
        self.image.block_bytes
    }

    /// How many blocks there are; no file has more.
    pub fn blocks(&self) -> u64 {
        self.image.blocks
    }

    /// Whether the filesystem was not cleanly unmounted, so that its journal holds changes that
    /// are not shown.
    pub fn needs_recovery(&self) -> bool {
        self.image.needs_recovery()
    }

    /// The root directory.
    ///
    /// # Errors
    /// [`Error::BadImage`] when it is damaged.
    pub fn root(&self) -> Result<Node> {
        self.node(InodeNumber::ROOT)
    }

    /// What is wrong with the image, its name said.
    fn bad(&self, what: impl Into<String>) -> Error {
        Error::bad_image(what).in_image(&self.image.name)
    }
}

/// `directory/name`, where the root is empty.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

/// A path as it is told to people.
fn shown(path: &[u8]) -> String {
    format!("/{}", escape_path(path))
}
