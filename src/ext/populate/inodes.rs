//! One node at a time: its blocks are written, its inode is made.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::block_writer::write_failed;
use super::content_source::ContentSource;
use super::directory_source::DirectorySource;
use super::groups::Groups;
use super::streams::{Stream, Streams};
use super::system_inodes::PreallocatedBlocks;
use super::unsealed::{ChecksumForm, ChecksummedRuns};
use super::writing_sink::{BlockSource, Kept, Lasting, Mapped, WritingSink};
use crate::error::{Error, Result};
use crate::ext::plan::Plan;
use crate::ext::plan::demand::{directory_layout, placement};
use crate::ext::plan::directory_layout::DirectoryLayout;
use crate::ext::plan::inode_numbers::{DirectoryEntries, file_type};
use crate::ext::plan::normalise::{clamped, kept_flags};
use crate::ext::plan::xattr_placement::XattrPlacement;
use crate::ext::profile::BlockMap;
use crate::layers::Contents;
use crate::ondisk::features::RO_COMPAT_HUGE_FILE;
use crate::ondisk::inode::{FLAG_INDEX, I_BLOCK_BYTES, INODE_BYTES, Inode, encode_device};
use crate::ondisk::xattr::{encode_block, encode_in_inode};
use crate::tree::{Node, NodeId, NodeKind, Tree};
use crate::units::{BLOCK_SIZE, BlockNumber, InodeNumber, SECTOR_SIZE};

/// Writes nodes in the tree's order.
pub struct NodeWriter<'a> {
    plan: &'a Plan,
    tree: &'a Tree,
    contents: &'a Contents,
    preallocated: PreallocatedBlocks,
    /// Attribute blocks that more nodes will share, and how many.
    xattr_blocks: BTreeMap<u32, (BlockNumber, u32)>,
    lasting: Lasting,
}

impl<'a> NodeWriter<'a> {
    /// A writer for a tree as planned.
    pub fn new(
        plan: &'a Plan,
        tree: &'a Tree,
        contents: &'a Contents,
        preallocated: PreallocatedBlocks,
    ) -> Self {
        Self {
            plan,
            tree,
            contents,
            preallocated,
            xattr_blocks: BTreeMap::new(),
            lasting: Lasting::new(plan.profile.checksums),
        }
    }

    /// Writes a node's blocks and gives its inode. `parent` is a directory's.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Mismatch`] when the plan was wrong.
    pub fn write(
        &mut self,
        id: NodeId,
        node: &Node,
        parent: Option<InodeNumber>,
        streams: &mut Streams<'_>,
    ) -> Result<[u8; INODE_BYTES]> {
        let placement = placement(id, node, &self.plan.numbers)?;
        let xattr_block = self.xattr_block(id, &placement, &mut streams.attributes)?;
        let mapped = self.write_content(id, node, parent, streams)?;
        let attributes = &node.attributes;
        let used_blocks = mapped.blocks + u64::from(xattr_block.is_some());
        let sectors = used_blocks * (BLOCK_SIZE / SECTOR_SIZE);
        let is_huge = self.plan.profile.features.ro_compat & RO_COMPAT_HUGE_FILE != 0;
        if sectors > u32::MAX.into() && !is_huge {
            return Err(Error::unsupported(
                "expected a file of less than 2 TiB on disk, found more: ext4 holds it (--fs ext4)",
            ));
        }
        let added_lost_found = id == NodeId::ROOT && self.plan.numbers.lost_found().is_none();
        let inode = Inode {
            file_type: file_type(&node.kind),
            permissions: match node.kind {
                // Linux gives every symlink this mode, whatever the tar says.
                NodeKind::Symlink(_) => 0o777,
                _ => attributes.mode,
            },
            uid: attributes.uid,
            gid: attributes.gid,
            size_bytes: mapped.size_bytes,
            time: clamped(attributes.mtime),
            links_count: self
                .plan
                .profile
                .stored_links(node.link_count + u32::from(added_lost_found)),
            sectors,
            flags: mapped.flags | kept_flags(node).bits(),
            i_block: mapped.i_block.unwrap_or([0; I_BLOCK_BYTES]),
            xattr_block,
            in_inode_xattrs: encode_in_inode(&placement.in_inode),
        };
        Ok(inode.encode())
    }

    /// What has been met with checksums in it, besides what mke2fs has made.
    pub fn into_checksummed(self) -> ChecksummedRuns {
        self.lasting.checksummed
    }

    /// Remembers this directory as the parent of those in it and counts it.
    pub fn note_subdirectories(
        &self,
        id: NodeId,
        parents: &mut BTreeMap<NodeId, InodeNumber>,
        groups: &mut Groups<'_>,
    ) {
        let NodeKind::Directory(directory) = &self.tree.node(id).kind else {
            return;
        };
        let own = self.plan.numbers.of(id);
        // mke2fs has counted the root and `lost+found`.
        if own.0 >= InodeNumber::FIRST_FREE.0 {
            groups.note_directory(own);
        }
        for (_, child) in &directory.children {
            if matches!(self.tree.node(*child).kind, NodeKind::Directory(_)) {
                parents.insert(*child, own);
            }
        }
    }

    fn write_content(
        &mut self,
        id: NodeId,
        node: &Node,
        parent: Option<InodeNumber>,
        streams: &mut Streams<'_>,
    ) -> Result<Mapped> {
        let (plan, tree) = (self.plan, self.tree);
        let Streams {
            directories,
            maps,
            data,
            ..
        } = streams;
        let maps = match plan.profile.block_map {
            BlockMap::Indirect => Some(maps),
            BlockMap::Extents => None,
        };
        let own = plan.numbers.of(id);
        let kept = plan
            .placement
            .as_ref()
            .map_or_else(Kept::default, |placement| Kept {
                made: &[],
                data: placement.kept_data(id),
                maps: placement.kept_maps(id),
            });
        match &node.kind {
            NodeKind::Regular(file) => {
                let content = &file.content;
                let tar = self.contents.of(file.origin)?;
                let mut source = ContentSource { tar, content };
                let mut sink =
                    WritingSink::new(&mut source, own, data, maps, &mut self.lasting).keeping(kept);
                sink.map_all(plan, &content.blocks(BLOCK_SIZE), content.size_bytes)
            }
            NodeKind::Directory(_) => {
                let seed = plan.birth.hash_seed_words();
                let (layout, length_blocks) =
                    directory_layout(&plan.profile, tree, id, &plan.numbers, seed)?;
                let entries = DirectoryEntries::of(tree, id);
                let parent = parent.ok_or_else(|| {
                    Error::Mismatch("expected a directory after its parent".to_owned())
                })?;
                let mut source = DirectorySource {
                    plan,
                    tree,
                    entries: &entries,
                    layout: &layout,
                    own,
                    parent,
                    index: layout.index(),
                };
                let made = match own {
                    InodeNumber::ROOT => std::mem::take(&mut self.preallocated.root),
                    InodeNumber::LOST_FOUND => std::mem::take(&mut self.preallocated.lost_found),
                    _ => Vec::new(),
                };
                let made: Vec<_> = made.iter().map(|block| block.0..block.0 + 1).collect();
                let kept = Kept {
                    made: &made,
                    ..kept
                };
                let mut sink =
                    WritingSink::new(&mut source, own, directories, maps, &mut self.lasting)
                        .keeping(kept);
                let range = 0..u64::from(length_blocks);
                let size_bytes = range.end * BLOCK_SIZE;
                let mapped = sink.map_all(plan, std::slice::from_ref(&range), size_bytes)?;
                let indexed = matches!(layout, DirectoryLayout::Indexed(_));
                Ok(Mapped {
                    flags: mapped.flags | if indexed { FLAG_INDEX } else { 0 },
                    ..mapped
                })
            }
            NodeKind::Symlink(target) if target.len() >= I_BLOCK_BYTES => {
                let mut source = TargetSource(target);
                let mut sink =
                    WritingSink::new(&mut source, own, data, maps, &mut self.lasting).keeping(kept);
                sink.map_all(plan, std::slice::from_ref(&(0..1)), target.len() as u64)
            }
            NodeKind::Symlink(target) => {
                let mut i_block = [0; I_BLOCK_BYTES];
                i_block[..target.len()].copy_from_slice(target);
                Ok(Mapped {
                    i_block: Some(i_block),
                    size_bytes: target.len() as u64,
                    ..Mapped::default()
                })
            }
            NodeKind::CharacterDevice(device) | NodeKind::BlockDevice(device) => Ok(Mapped {
                i_block: Some(encode_device(device.major, device.minor)),
                ..Mapped::default()
            }),
            NodeKind::Fifo => Ok(Mapped::default()),
        }
    }

    /// The node's attribute block, written when it is first met.
    fn xattr_block(
        &mut self,
        id: NodeId,
        placement: &XattrPlacement<'_>,
        stream: &mut Stream<'_>,
    ) -> Result<Option<BlockNumber>> {
        let Some(&index) = self.plan.xattr_blocks.of_node.get(&id) else {
            return Ok(None);
        };
        let block = match self.xattr_blocks.entry(index) {
            Entry::Occupied(mut shared) => {
                let (block, left) = shared.get_mut();
                let block = *block;
                *left -= 1;
                if *left == 0 {
                    shared.remove();
                }
                block
            }
            Entry::Vacant(first) => {
                let sharers = self.plan.xattr_blocks.sharers[index as usize];
                let places = self.plan.placement.as_ref();
                let kept = places.and_then(|places| places.attributes[index as usize]);
                let block = match kept {
                    Some(block) => block,
                    None => stream.allocate(1)?.0,
                };
                stream
                    .writer
                    .write(
                        block.offset_bytes(),
                        &encode_block(&placement.in_block, sharers),
                    )
                    .map_err(write_failed)?;
                // Whose it is counts for nothing: it may be shared.
                let (nobody, form) = (InodeNumber(0), ChecksumForm::Attributes);
                self.lasting.checksummed.add(block, nobody, form);
                if sharers > 1 {
                    first.insert((block, sharers - 1));
                }
                block
            }
        };
        Ok(Some(block))
    }
}

/// A symlink's target that is too long for the inode, and fits into one block.
struct TargetSource<'a>(&'a [u8]);

impl BlockSource for TargetSource<'_> {
    fn read(&mut self, _: u64, buffer: &mut [u8]) -> Result<()> {
        buffer.fill(0);
        buffer[..self.0.len()].copy_from_slice(self.0);
        Ok(())
    }
}
