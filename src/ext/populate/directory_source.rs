//! A directory's blocks, made from its layout.

use super::unsealed::ChecksumForm;
use super::writing_sink::BlockSource;
use crate::error::Result;
use crate::ext::plan::Plan;
use crate::ext::plan::directory_layout::{DirectoryLayout, IndexedLayout};
use crate::ext::plan::inode_numbers::DirectoryEntries;
use crate::ondisk::directory_entry::{DirectoryBlock, DirectoryEntry};
use crate::ondisk::directory_index::{IndexEntry, encode_node, encode_root};
use crate::tree::Tree;
use crate::units::{BLOCK_SIZE, InodeNumber};

/// Encodes a directory block by block.
pub struct DirectorySource<'a> {
    pub plan: &'a Plan,
    pub tree: &'a Tree,
    pub entries: &'a DirectoryEntries<'a>,
    pub layout: &'a DirectoryLayout,
    /// The directory's inode.
    pub own: InodeNumber,
    pub parent: InodeNumber,
    /// [`DirectoryLayout::index`].
    pub index: (Vec<IndexEntry>, Vec<Vec<IndexEntry>>),
}

impl DirectorySource<'_> {
    fn push(&self, block: &mut DirectoryBlock, position: usize) {
        let (inode, file_type) = self.entries.target(position, self.tree, &self.plan.numbers);
        block.push(DirectoryEntry {
            inode,
            file_type,
            name: self.entries.names[position],
        });
    }

    fn linear(&self, ends: &[u32], index: usize) -> DirectoryBlock {
        let names_bytes = self.plan.profile.directory.names_bytes();
        let mut block = match index {
            0 => DirectoryBlock::first(names_bytes, self.own, self.parent),
            _ => DirectoryBlock::empty(names_bytes),
        };
        // Behind the last names come the spare blocks of `lost+found`.
        if let Some(&end) = ends.get(index) {
            let start = if index == 0 { 0 } else { ends[index - 1] };
            (start..end).for_each(|position| self.push(&mut block, position as usize));
        }
        block
    }

    fn leaf(&self, layout: &IndexedLayout, index: usize) -> DirectoryBlock {
        let mut block = DirectoryBlock::empty(self.plan.profile.directory.names_bytes());
        let end = |index: usize| layout.leaves[index].end as usize;
        let start = index.checked_sub(1).map_or(0, end);
        for &position in &layout.order[start..end(index)] {
            self.push(&mut block, position as usize);
        }
        block
    }
}

impl BlockSource for DirectorySource<'_> {
    fn checksum_form(&self, file_block: u64) -> Option<ChecksumForm> {
        let nodes = self.index.1.len() as u64;
        Some(match (self.layout, file_block) {
            (DirectoryLayout::Indexed(_), 0) => ChecksumForm::IndexRoot,
            (DirectoryLayout::Indexed(_), block) if block <= nodes => ChecksumForm::IndexNode,
            _ => ChecksumForm::Directory,
        })
    }

    fn read(&mut self, file_block: u64, buffer: &mut [u8]) -> Result<()> {
        let (root, nodes) = &self.index;
        let form = self.plan.profile.directory;
        for (block, bytes) in (file_block as usize..).zip(buffer.chunks_mut(BLOCK_SIZE as usize)) {
            match self.layout {
                DirectoryLayout::Linear(ends) => {
                    bytes.copy_from_slice(self.linear(ends, block).bytes());
                }
                DirectoryLayout::Indexed(layout) => {
                    if block == 0 {
                        let levels = u8::from(!nodes.is_empty());
                        let limit = form.root_entries_max;
                        let root = encode_root(self.own, self.parent, levels, limit, root);
                        bytes.copy_from_slice(&root);
                    } else if block <= nodes.len() {
                        let node = encode_node(form.node_entries_max, &nodes[block - 1]);
                        bytes.copy_from_slice(&node);
                    } else {
                        let leaf = self.leaf(layout, block - 1 - nodes.len());
                        bytes.copy_from_slice(leaf.bytes());
                    }
                }
            }
        }
        Ok(())
    }
}
