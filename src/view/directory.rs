//! The names in one directory.

use super::{Node, View};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::listing::Kind;
use crate::ondisk::directory_entry::{decode_entries, is_one_entry};
use crate::ondisk::extent::BlockRun;
use crate::ondisk::features::COMPAT_DIR_INDEX;
use crate::ondisk::inode::FLAG_INDEX;
use crate::units::InodeNumber;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The name, whatever the image says: it may be empty or hold a `/` where it is damaged.
    pub name: Box<[u8]>,
    /// The inode it leads to.
    pub inode: InodeNumber,
}

impl View {
    /// A directory's names but `.` and `..`, ascending by their bytes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for anything but a directory, [`Error::BadImage`] where it is
    /// damaged.
    pub fn read_dir(&self, node: &Node) -> Result<Vec<DirectoryEntry>> {
        node.expect(Kind::Directory)?;
        let mut names = Vec::new();
        if node.has_inline_data() {
            // The parent's number comes before the names.
            let first = &node.stored.i_block[4..];
            let rest = self.inline_rest(node)?;
            for part in [first, &rest] {
                self.entries(node, part, &mut names)?;
            }
        } else {
            self.mapped_entries(node, self.runs(node)?, &mut names)?;
        }
        names.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(names)
    }

    /// The same of a directory whose runs are known.
    pub(super) fn read_mapped_dir(
        &self,
        node: &Node,
        runs: &[BlockRun],
    ) -> Result<Vec<DirectoryEntry>> {
        let mut names = Vec::new();
        self.mapped_entries(node, runs.iter().copied().map(Ok), &mut names)?;
        names.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(names)
    }

    fn mapped_entries(
        &self,
        node: &Node,
        runs: impl IntoIterator<Item = Result<BlockRun>>,
        names: &mut Vec<DirectoryEntry>,
    ) -> Result<()> {
        let block_bytes = self.image.block_bytes;
        if !node.stored.size_bytes.is_multiple_of(block_bytes) || node.stored.size_bytes == 0 {
            return Err(self.bad(format!(
                "inode {}: expected a directory of whole blocks, found {} bytes",
                node.number, node.stored.size_bytes
            )));
        }
        let mut next = 0;
        for run in runs {
            let run = run?;
            if run.file_block != next || run.unwritten {
                return Err(self.hole(node, next));
            }
            for block in run.disk_block..run.disk_block + run.count {
                let bytes = self.image.block(block)?;
                let file_block = run.file_block + (block - run.disk_block);
                if !self.names_hold(node, file_block, &bytes) {
                    return Err(self.wrong_checksum(node.number, block));
                }
                self.entries(node, &bytes, names)?;
            }
            next += run.count;
        }
        if next != node.stored.size_bytes / block_bytes {
            return Err(self.hole(node, next));
        }
        Ok(())
    }

    /// Whether the kernel would take these bytes for a directory's, by their checksum. A block of
    /// names must have a tail; blocks of an index have one of their own.
    fn names_hold(&self, node: &Node, file_block: u64, bytes: &[u8]) -> bool {
        let Some(seed) = self.seed(node) else {
            return true;
        };
        let is_indexed = self.image.features().compat & COMPAT_DIR_INDEX != 0
            && node.stored.flags & FLAG_INDEX != 0;
        if is_indexed && is_one_entry(bytes) {
            seed.index_node_holds(bytes)
        } else if is_indexed && file_block == 0 {
            seed.index_root_holds(bytes)
        } else {
            seed.directory_holds(bytes)
        }
    }

    fn hole(&self, node: &Node, block: u64) -> Error {
        self.bad(format!(
            "inode {}: expected a directory without holes, found one at block {block}",
            node.number
        ))
    }

    fn entries(&self, node: &Node, bytes: &[u8], names: &mut Vec<DirectoryEntry>) -> Result<()> {
        let entries = decode_entries(bytes)
            .map_err(|what| self.bad(format!("inode {}: {what}", node.number)))?;
        let children = entries
            .into_iter()
            .filter(|entry| !matches!(entry.name, b"." | b".."));
        names.extend(children.map(|entry| DirectoryEntry {
            name: entry.name.into(),
            inode: entry.inode,
        }));
        let limit = Limits::default().max_entries;
        if names.len() as u64 > limit {
            return Err(Error::unsupported(format!(
                "inode {}: a directory of more than {limit} names",
                node.number
            )));
        }
        Ok(())
    }
}
