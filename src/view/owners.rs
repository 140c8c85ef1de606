//! What blocks belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::{Found, Node, Step, View, shown};
use crate::error::Result;
use crate::listing::Kind;
use crate::ondisk::bitmap;
use crate::ondisk::features::{INCOMPAT_64BIT, INCOMPAT_META_BG};
use crate::ondisk::group_descriptor::GroupDescriptor;
use crate::ondisk::inode::StoredInode;
use crate::units::{GroupNumber, InodeNumber};

/// What a block is part of. Groups, blocks of a file and inodes are counted as the kernel does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A group's superblock; group 0 has the one that counts.
    Superblock(u32),
    /// Group descriptors, in this group.
    Descriptors(u32),
    /// What is kept for further group descriptors.
    RoomToGrow,
    /// A group's bitmap of blocks.
    BlockBitmap(u32),
    /// A group's bitmap of inodes.
    InodeBitmap(u32),
    /// A group's inode table: its first and last inode in this block.
    InodeTable(u32, u32, u32),
    /// The journal.
    Journal,
    /// A file's content: which block of it.
    Content(u64),
    /// A directory: which block of it.
    Directory(u64),
    /// A symbolic link's target.
    Target,
    /// The pointers or extents that say where content is.
    BlockMap,
    /// Extended attributes.
    Attributes,
    /// Nothing: the block is free.
    Free,
    /// It is in use by what cannot be read.
    Unknown,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superblock(0) => f.write_str("superblock"),
            Self::Superblock(group) => write!(f, "superblock's copy in group {group}"),
            Self::Descriptors(0) => f.write_str("group descriptors"),
            Self::Descriptors(group) => write!(f, "group descriptors' copy in group {group}"),
            Self::RoomToGrow => f.write_str("room for further group descriptors"),
            Self::BlockBitmap(group) => write!(f, "block bitmap of group {group}"),
            Self::InodeBitmap(group) => write!(f, "inode bitmap of group {group}"),
            Self::InodeTable(group, first, last) => {
                write!(f, "inode table of group {group}, inodes {first} to {last}")
            }
            Self::Journal => f.write_str("journal"),
            Self::Content(block) => write!(f, "block {block} of the file"),
            Self::Directory(block) => write!(f, "block {block} of the directory"),
            Self::Target => f.write_str("the symbolic link's target"),
            Self::BlockMap => f.write_str("its block map"),
            Self::Attributes => f.write_str("its extended attributes"),
            Self::Free => f.write_str("a free block"),
            Self::Unknown => f.write_str("a block of what cannot be read"),
        }
    }
}

/// A block's part, and of which inode where it is one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// What it is.
    pub part: Part,
    /// The inode of a file that it belongs to.
    pub inode: Option<InodeNumber>,
    /// That inode's path without a leading `/`, the first one in order; `None` where no directory
    /// that can be read leads there.
    pub path: Option<Vec<u8>>,
}

/// As in `/usr/bin/perl: block 20 of the file`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.inode) {
            (Some(path), _) => write!(f, "{}: ", shown(path))?,
            (None, Some(inode)) => write!(f, "inode {inode}: ")?,
            (None, None) => {}
        }
        self.part.fmt(f)
    }
}

impl View {
    /// What each of these blocks is part of. Inodes that cannot be read own nothing; reads no more
    /// blocks of block maps than there are.
    pub fn owners(&self, wanted: &BTreeSet<u64>) -> BTreeMap<u64, Owner> {
        let mut search = Search {
            view: self,
            wanted,
            found: BTreeMap::new(),
            blocks_left: self.max_data_bytes() / self.block_bytes(),
        };
        for group in 0..self.groups() {
            search.look_into_group(GroupNumber(group));
        }
        for group in 0..self.groups() {
            search.look_into_inodes(GroupNumber(group));
        }
        search.name();
        search.look_into_the_rest();
        search.found
    }

    fn groups(&self) -> u32 {
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

struct Search<'a> {
    view: &'a View,
    wanted: &'a BTreeSet<u64>,
    found: BTreeMap<u64, Owner>,
    /// Blocks of files that may still be looked at.
    blocks_left: u64,
}

impl Search<'_> {
    fn is_done(&self) -> bool {
        self.found.len() == self.wanted.len()
    }

    /// Notes the wanted among `blocks`, unless something was noted before.
    fn note(&mut self, blocks: Range<u64>, inode: Option<InodeNumber>, part: impl Fn(u64) -> Part) {
        for block in self.wanted.range(blocks) {
            self.found.entry(*block).or_insert_with(|| Owner {
                part: part(*block),
                inode,
                path: None,
            });
        }
    }

    fn descriptor(&self, group: GroupNumber) -> Option<GroupDescriptor> {
        self.view.image.group_descriptor(group).ok()
    }

    fn look_into_group(&mut self, group: GroupNumber) {
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
        let inode_bytes = u64::from(superblock.inode_size_bytes);
        let in_block = (image.block_bytes / inode_bytes.max(1)).max(1);
        if has_backup {
            self.note(start..start + 1, None, |_| Part::Superblock(group.0));
        }
        if has_backup && lies_together {
            self.note(start + 1..described, None, |_| Part::Descriptors(group.0));
            self.note(described..room, None, |_| Part::RoomToGrow);
        }
        let Some(descriptor) = self.descriptor(group) else {
            return;
        };
        let one = |block: u32| u64::from(block)..u64::from(block) + 1;
        self.note(one(descriptor.block_bitmap.0), None, |_| {
            Part::BlockBitmap(group.0)
        });
        self.note(one(descriptor.inode_bitmap.0), None, |_| {
            Part::InodeBitmap(group.0)
        });
        let table = descriptor.inode_table_block();
        let Some(end) = table.checked_add(inodes.div_ceil(in_block)) else {
            return;
        };
        self.note(table..end, None, |block| {
            let first = u64::from(group.0) * inodes + (block - table) * in_block + 1;
            let last = (first + in_block - 1).min((u64::from(group.0) + 1) * inodes);
            let number = |inode: u64| u32::try_from(inode).unwrap_or(u32::MAX);
            Part::InodeTable(group.0, number(first), number(last))
        });
    }

    /// Goes through a group's inodes, whether or not a name leads to them.
    fn look_into_inodes(&mut self, group: GroupNumber) {
        let superblock = &self.view.image.superblock;
        let per_group = superblock.inodes_per_group;
        let is_empty = self
            .descriptor(group)
            .is_some_and(|found| u32::from(found.free_inodes_count) == per_group);
        if is_empty || self.is_done() {
            return;
        }
        let first = u64::from(group.0) * u64::from(per_group) + 1;
        let end = (first + u64::from(per_group)).min(u64::from(superblock.inodes_count) + 1);
        for number in first..end {
            let Ok(number) = u32::try_from(number) else {
                return;
            };
            // What is damaged owns nothing.
            let _ = self.look_into(InodeNumber(number));
            if self.is_done() {
                return;
            }
        }
    }

    fn look_into(&mut self, number: InodeNumber) -> Result<()> {
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
            self.note(block, of, |_| Part::Attributes);
        }
        let has_blocks = node.sectors > 0 || is_own && node.stored.blocks > 0;
        let is_mapped = matches!(node.kind, Kind::Regular | Kind::Directory | Kind::Symlink);
        // A short target stands where the map would.
        if !has_blocks || !is_mapped || node.has_inline_data() || node.is_fast_symlink() {
            return Ok(());
        }
        let is_journal = view.image.superblock.journal_inode == number.0;
        let mut runs = view.runs(&node)?;
        runs.keep_map_blocks();
        runs.limit(self.blocks_left);
        let before = runs.budget();
        let mut outcome = Ok(());
        loop {
            let run = runs.next();
            for block in runs.take_map_blocks() {
                self.note(block..block.saturating_add(1), of, |_| match is_own {
                    true if is_journal => Part::Journal,
                    true => Part::RoomToGrow,
                    false => Part::BlockMap,
                });
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
            self.note(blocks, of, |block| match node.kind {
                _ if is_journal => Part::Journal,
                _ if is_own => Part::RoomToGrow,
                Kind::Directory => Part::Directory(of_file(block)),
                Kind::Symlink => Part::Target,
                _ => Part::Content(of_file(block)),
            });
        }
        self.blocks_left -= before - runs.budget();
        outcome
    }

    /// Gives the inodes that were found their paths, as far as directories lead there.
    fn name(&mut self) {
        let inodes = self.found.values().filter_map(|owner| owner.inode);
        let mut nameless: BTreeSet<_> = inodes.collect();
        let mut paths = BTreeMap::new();
        let Ok(node) = self.view.root() else {
            return;
        };
        let path = Vec::new();
        for step in self.view.walk(Found { path, node }) {
            if nameless.is_empty() {
                break;
            }
            if let Step::Entry(found) = step
                && nameless.remove(&found.node.number)
            {
                paths.insert(found.node.number, found.path);
            }
        }
        for owner in self.found.values_mut() {
            let path = owner.inode.and_then(|inode| paths.get(&inode));
            owner.path = path.cloned();
        }
    }

    fn look_into_the_rest(&mut self) {
        let rest: Vec<_> = self.wanted.iter().copied().collect();
        for block in rest {
            if self.found.contains_key(&block) {
                continue;
            }
            let part = match self.is_free(block) {
                Some(true) => Part::Free,
                _ => Part::Unknown,
            };
            self.note(block..block.saturating_add(1), None, |_| part.clone());
        }
    }

    /// Whether a block is free by its group's bitmap, where that is to be had.
    fn is_free(&self, block: u64) -> Option<bool> {
        let superblock = &self.view.image.superblock;
        let within = block.checked_sub(superblock.first_data_block.into())?;
        let per_group = u64::from(superblock.blocks_per_group).max(1);
        let group = u32::try_from(within / per_group).ok()?;
        let descriptor = self.descriptor(GroupNumber(group))?;
        let bitmap = self
            .view
            .image
            .block(descriptor.block_bitmap.0.into())
            .ok()?;
        let bit = u32::try_from(within % per_group).ok()?;
        let is_within = u64::from(bit) < 8 * bitmap.len() as u64;
        is_within.then(|| !bitmap::is_set(&bitmap, bit))
    }
}
