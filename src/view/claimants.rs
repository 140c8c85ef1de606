//! Which blocks are claimed by what: the filesystem's own structures first, then every inode in use.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::part::Part;
use super::{Found, Node, Step, View};
use crate::error::Result;
use crate::listing::Kind;
use crate::ondisk::features::{INCOMPAT_64BIT, INCOMPAT_META_BG};
use crate::ondisk::group_descriptor::GroupDescriptor;
use crate::ondisk::inode::StoredInode;
use crate::units::{GroupNumber, InodeNumber};

/// Who is told what claims which blocks.
///
/// In a damaged image blocks are claimed twice, the first claim being the better one, and beyond
/// the filesystem's end.
pub trait ClaimSink {
    /// Takes the blocks, which `part` tells apart, and the inode of a file that they are of.
    fn claim(&mut self, blocks: Range<u64>, inode: Option<InodeNumber>, part: &dyn Fn(u64) -> Part);

    /// Whether no more need be told.
    fn is_done(&self) -> bool {
        false
    }
}

impl View {
    /// Tells what claims which blocks, until the sink has enough. Inodes that cannot be read claim
    /// nothing; reads no more blocks of block maps than there are.
    pub fn claims(&self, sink: &mut dyn ClaimSink) {
        let mut claims = Claims {
            view: self,
            sink,
            blocks_left: self.max_data_bytes() / self.block_bytes(),
        };
        for group in 0..self.groups() {
            claims.of_group(GroupNumber(group));
            if claims.sink.is_done() {
                return;
            }
        }
        for group in 0..self.groups() {
            claims.of_inodes(GroupNumber(group));
            if claims.sink.is_done() {
                return;
            }
        }
    }

    /// The first path of each of these inodes, without a leading `/`, and its type; none of one that
    /// no directory that can be read leads to.
    pub fn first_paths(
        &self,
        mut inodes: BTreeSet<InodeNumber>,
    ) -> BTreeMap<InodeNumber, (Vec<u8>, Kind)> {
        let mut paths = BTreeMap::new();
        let Ok(node) = self.root() else {
            return paths;
        };
        let path = Vec::new();
        for step in self.walk(Found { path, node }) {
            if inodes.is_empty() {
                break;
            }
            if let Step::Entry(found) = step
                && inodes.remove(&found.node.number)
            {
                paths.insert(found.node.number, (found.path, found.node.kind));
            }
        }
        paths
    }

    /// Bytes that the file really has on the host's disk, holes not counted.
    ///
    /// # Errors
    /// [`crate::Error::Io`] when that cannot be found out.
    pub fn host_bytes(&self) -> Result<u64> {
        self.image.host_bytes()
    }

    pub(super) fn groups(&self) -> u32 {
        let superblock = &self.image.superblock;
        let blocks = self.blocks() - u64::from(superblock.first_data_block).min(self.blocks());
        let groups = blocks.div_ceil(superblock.blocks_per_group.max(1).into());
        u32::try_from(groups).unwrap_or(u32::MAX)
    }

    fn group_start(&self, group: GroupNumber) -> u64 {
        let superblock = &self.image.superblock;
        u64::from(superblock.first_data_block)
            + u64::from(group.0) * u64::from(superblock.blocks_per_group)
    }
}

struct Claims<'a> {
    view: &'a View,
    sink: &'a mut dyn ClaimSink,
    /// Blocks of files that may still be looked at.
    blocks_left: u64,
}

impl Claims<'_> {
    fn descriptor(&self, group: GroupNumber) -> Option<GroupDescriptor> {
        self.view.image.group_descriptor(group).ok()
    }

    fn of_group(&mut self, group: GroupNumber) {
        let image = &self.view.image;
        let superblock = &image.superblock;
        let start = self.view.group_start(group);
        let has_backup = image.has_backup(group);
        let descriptors = u64::from(self.view.groups()) * image.descriptor_bytes();
        // With meta_bg they lie elsewhere; what is there is told as what cannot be read.
        let lies_together = !image.features().has_incompat(INCOMPAT_META_BG);
        let described = start + 1 + descriptors.div_ceil(image.block_bytes);
        let room = described + u64::from(superblock.reserved_gdt_blocks);
        let inodes = u64::from(superblock.inodes_per_group);
        let in_block = self.inodes_in_block();
        if has_backup {
            self.of_system(start..start + 1, &|_| Part::Superblock(group.0));
        }
        if has_backup && lies_together {
            self.of_system(start + 1..described, &|_| Part::Descriptors(group.0));
            self.of_system(described..room, &|_| Part::RoomToGrow);
        }
        let Some(descriptor) = self.descriptor(group) else {
            return;
        };
        let one = |block: u32| u64::from(block)..u64::from(block) + 1;
        self.of_system(one(descriptor.block_bitmap.0), &|_| {
            Part::BlockBitmap(group.0)
        });
        self.of_system(one(descriptor.inode_bitmap.0), &|_| {
            Part::InodeBitmap(group.0)
        });
        let table = descriptor.inode_table_block();
        let Some(end) = table.checked_add(inodes.div_ceil(in_block)) else {
            return;
        };
        self.of_system(table..end, &|block| {
            let first = u64::from(group.0) * inodes + (block - table) * in_block + 1;
            let last = (first + in_block - 1).min((u64::from(group.0) + 1) * inodes);
            let number = |inode: u64| u32::try_from(inode).unwrap_or(u32::MAX);
            Part::InodeTable(group.0, number(first), number(last))
        });
    }

    fn of_system(&mut self, blocks: Range<u64>, part: &dyn Fn(u64) -> Part) {
        self.sink.claim(blocks, None, part);
    }

    /// How many inodes a block of a table has.
    fn inodes_in_block(&self) -> u64 {
        let image = &self.view.image;
        let inode_bytes = u64::from(image.superblock.inode_size_bytes);
        (image.block_bytes / inode_bytes.max(1)).max(1)
    }

    /// Goes through a group's inodes, whether or not a name leads to them. What of the table is a
    /// hole of the host's file is passed over.
    fn of_inodes(&mut self, group: GroupNumber) {
        let superblock = &self.view.image.superblock;
        let per_group = superblock.inodes_per_group;
        let Some(descriptor) = self.descriptor(group) else {
            return;
        };
        if u32::from(descriptor.free_inodes_count) == per_group {
            return;
        }
        let (table, in_block) = (descriptor.inode_table_block(), self.inodes_in_block());
        // Where its end has no number, it is nowhere, and so are its inodes.
        let table_blocks = u64::from(per_group).div_ceil(in_block);
        if table.checked_add(table_blocks).is_none() {
            return;
        }
        let first = u64::from(group.0) * u64::from(per_group) + 1;
        let end = (first + u64::from(per_group)).min(u64::from(superblock.inodes_count) + 1);
        let mut number = first;
        while number < end && !self.sink.is_done() {
            let block = table.saturating_add((number - first) / in_block);
            let data = self.view.image.next_data(block);
            let next = first.saturating_add((block + 1 - table).saturating_mul(in_block));
            if data > block {
                number = first.saturating_add((data - table).saturating_mul(in_block));
                continue;
            }
            for number in number..next.min(end) {
                let Ok(number) = u32::try_from(number) else {
                    return;
                };
                // What is damaged owns nothing.
                let _ = self.of_inode(InodeNumber(number));
                if self.sink.is_done() {
                    return;
                }
            }
            number = next;
        }
    }

    fn of_inode(&mut self, number: InodeNumber) -> Result<()> {
        let view = self.view;
        let is_own = number != InodeNumber::ROOT && number.0 < view.image.superblock.first_inode;
        let node = match is_own {
            false => view.node(number)?,
            true => {
                let stored = StoredInode::decode(&view.image.inode(number)?);
                Node {
                    number,
                    kind: Kind::Regular,
                    stored,
                    sectors: 0,
                }
            }
        };
        let of = (!is_own).then_some(number);
        let attributes = match view.image.features().has_incompat(INCOMPAT_64BIT) {
            true => node.stored.xattr_block,
            false => node.stored.xattr_block & u64::from(u32::MAX),
        };
        if attributes != 0 {
            let block = attributes..attributes.saturating_add(1);
            self.sink.claim(block, of, &|_| Part::Attributes);
        }
        let has_blocks = node.sectors > 0 || is_own && node.stored.blocks > 0;
        let is_mapped = matches!(node.kind, Kind::Regular | Kind::Directory | Kind::Symlink);
        // A short target stands where the map would.
        if !has_blocks || !is_mapped || node.has_inline_data() || node.is_fast_symlink() {
            return Ok(());
        }
        let is_journal = view.image.superblock.journal_inode == number.0;
        let own = match number {
            _ if is_journal => Part::Journal,
            InodeNumber::RESIZE => Part::RoomToGrow,
            _ => Part::System,
        };
        let mut runs = view.runs(&node)?;
        runs.keep_map_blocks();
        runs.limit(self.blocks_left);
        let before = runs.budget();
        let mut outcome = Ok(());
        loop {
            let run = runs.next();
            for block in runs.take_map_blocks() {
                let part = |_| match is_own {
                    true => own.clone(),
                    false => Part::BlockMap,
                };
                self.sink.claim(block..block.saturating_add(1), of, &part);
            }
            let run = match run {
                None => break,
                Some(Ok(run)) => run,
                Some(Err(error)) => {
                    outcome = Err(error);
                    break;
                }
            };
            let of_file = |block: u64| run.file_block + (block - run.disk_block);
            let blocks = run.disk_block..run.disk_block + run.count;
            self.sink.claim(blocks, of, &|block| match node.kind {
                _ if is_own => own.clone(),
                Kind::Directory => Part::Directory(of_file(block)),
                Kind::Symlink => Part::Target,
                _ if node.is_attribute_value() => Part::Attributes,
                _ => Part::Content(of_file(block)),
            });
            if self.sink.is_done() {
                break;
            }
        }
        self.blocks_left -= before - runs.budget();
        outcome
    }
}
