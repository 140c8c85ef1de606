//! The filesystem's own journal, as far as it can be told from something else.

use super::{Node, View};
use crate::error::Result;
use crate::listing::Kind;
use crate::ondisk::inode::StoredInode;
use crate::ondisk::journal_head::{JOURNAL_HEAD_BYTES, begins_journal};
use crate::units::InodeNumber;

impl View {
    /// Expects a journal in an inode: a file of whole blocks without holes that begins as a journal
    /// does. What it holds is not looked at.
    ///
    /// # Errors
    /// [`crate::Error::BadImage`] where there is none, [`crate::Error::Io`].
    pub fn expect_journal(&self, number: InodeNumber) -> Result<()> {
        let stored = StoredInode::decode(&self.image.inode(number)?);
        let block_bytes = self.image.block_bytes;
        let kind = Kind::from_st_mode(stored.mode.into());
        let size_bytes = stored.size_bytes;
        if kind != Some(Kind::Regular) || stored.links_count == 0 {
            return Err(self.bad(format!(
                "inode {number}: expected a regular file, found mode {:#o} and {} links",
                stored.mode, stored.links_count
            )));
        }
        // Block numbers of a file have 32 bits.
        let blocks = size_bytes / block_bytes;
        if !size_bytes.is_multiple_of(block_bytes) || !(1..=1 << 32).contains(&blocks) {
            return Err(self.bad(format!(
                "inode {number}: expected a size in whole blocks of {block_bytes} bytes, found {size_bytes} bytes"
            )));
        }
        let node = Node {
            number,
            kind: Kind::Regular,
            sectors: stored.blocks,
            stored,
        };
        let mut mapped = 0;
        for run in self.runs(&node)? {
            let run = run?;
            if run.file_block == 0 {
                let mut head = [0; JOURNAL_HEAD_BYTES];
                self.image.read(run.disk_block, 0, &mut head)?;
                if !begins_journal(&head) {
                    return Err(self.bad(format!(
                        "expected its superblock in block {}, found something else",
                        run.disk_block
                    )));
                }
            }
            mapped += run.count;
        }
        if mapped != blocks {
            return Err(self.bad(format!(
                "inode {number}: expected {blocks} blocks, found {mapped}"
            )));
        }
        Ok(())
    }
}
