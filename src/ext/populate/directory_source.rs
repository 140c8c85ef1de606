//! A directory's blocks, made from its layout.

use super::writing_sink::BlockSource;
use crate::error::Result;
use crate::ext::plan::Plan;
use crate::ext::plan::directory_entries::DirectoryEntries;
use crate::ext::plan::directory_layout::{DirectoryLayout, IndexedLayout};
use crate::ondisk::directory_entry::{DirectoryBlock, DirectoryEntry};
use crate::ondisk::directory_index::{IndexEntry, encode_node, encode_root};
use crate::tree::Tree;
use crate::units::{BLOCK_SIZE, InodeNumber};

/// Encodes a directory block by block.
pub struct DirectorySource<'a> {
    plan: &'a Plan,
    tree: &'a Tree,
    entries: &'a DirectoryEntries<'a>,
    layout: &'a DirectoryLayout,
    own: InodeNumber,
    parent: InodeNumber,
    /// The index's root and interior blocks; empty for a linear directory.
    index: (Vec<IndexEntry>, Vec<Vec<IndexEntry>>),
}

impl<'a> DirectorySource<'a> {
    /// A directory with its own and its parent's inode.
    pub fn new(
        plan: &'a Plan,
        tree: &'a Tree,
        entries: &'a DirectoryEntries<'a>,
        layout: &'a DirectoryLayout,
        own: InodeNumber,
        parent: InodeNumber,
    ) -> Self {
        let index = match layout {
            DirectoryLayout::Linear(_) => Default::default(),
            DirectoryLayout::Indexed(layout) => layout.index(),
        };
        Self {
            plan,
            tree,
            entries,
            layout,
            own,
            parent,
            index,
        }
    }

    fn push(&self, block: &mut DirectoryBlock, position: usize) {
        let (inode, file_type) = self.entries.target(position, self.tree, &self.plan.numbers);
        block.push(DirectoryEntry {
            inode,
            file_type,
            name: self.entries.names[position],
        });
    }

    fn linear(&self, ends: &[u32], index: usize) -> DirectoryBlock {
        let mut block = if index == 0 {
            DirectoryBlock::first(
                self.plan.profile.directory.names_bytes(),
                self.own,
                self.parent,
            )
        } else {
            DirectoryBlock::empty(self.plan.profile.directory.names_bytes())
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
        let start = if index == 0 {
            0
        } else {
            layout.leaves[index - 1].end
        };
        for &position in &layout.order[start as usize..layout.leaves[index].end as usize] {
            self.push(&mut block, position as usize);
        }
        block
    }
}

impl BlockSource for DirectorySource<'_> {
    fn read(&mut self, file_block: u64, buffer: &mut [u8]) -> Result<()> {
        let (root, nodes) = &self.index;
        for (block, bytes) in (file_block as usize..).zip(buffer.chunks_mut(BLOCK_SIZE as usize)) {
            match self.layout {
                DirectoryLayout::Linear(ends) => {
                    bytes.copy_from_slice(self.linear(ends, block).bytes());
                }
                DirectoryLayout::Indexed(layout) => {
                    if block == 0 {
                        let levels = u8::from(!nodes.is_empty());
                        let limit = self.plan.profile.directory.root_entries_max;
                        let root = encode_root(self.own, self.parent, levels, limit, root);
                        bytes.copy_from_slice(&root);
                    } else if block <= nodes.len() {
                        bytes.copy_from_slice(&encode_node(
                            self.plan.profile.directory.node_entries_max,
                            &nodes[block - 1],
                        ));
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
