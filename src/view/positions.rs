//! Which path has which inode and which blocks, read once and held against a second reading.

mod same_reading;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Mutex;

use super::claims::Claims;
use super::{DirectoryEntry, MAX_DEPTH, Node, View};
use crate::error::Result;
use crate::limits::Limits;
use crate::listing::Kind;
use crate::ondisk::extent::BlockRun;
use crate::ondisk::features::FilesystemType;
use crate::ondisk::inode::StoredInode;
use crate::ondisk::superblock::{SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock};
use crate::units::InodeNumber;

pub use same_reading::{Hashed, Sighted};

/// Where everything in a filesystem lies, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// What knows of its features.
    pub filesystem_type: FilesystemType,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// `s_blocks_count`.
    pub blocks: u64,
    /// `s_inodes_count`.
    pub inodes: u32,
    /// Blocks of the journal's content; 0 where it has none in an inode of its own.
    pub journal_blocks: u64,
    /// `s_reserved_gdt_blocks`.
    pub reserved_descriptor_blocks: u16,
    /// `s_hash_seed`.
    pub hash_seed: [u8; 16],
    /// Each inode that a path leads to, once, the root first; none where that cannot be read.
    pub nodes: Vec<PositionsNode>,
    /// Names left out: what they lead to is damaged, or has blocks that something before it in the
    /// order of the tree has.
    pub left_out: u64,
}

/// What an inode has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionsNode {
    /// Its number.
    pub inode: u32,
    /// The type.
    pub kind: Kind,
    /// The blocks of its content in the file's order, without holes.
    pub data: Vec<Range<u32>>,
    /// The blocks of its map: pointers before what they map, extents from the top level to the
    /// leaves.
    pub maps: Vec<Range<u32>>,
    /// The block of its attributes; several may share one.
    pub attributes: Option<u32>,
    /// A directory's names, ascending, each with its place among all nodes.
    pub children: Vec<(Box<[u8]>, u32)>,
}

impl View {
    /// Reads where everything lies: of the metadata each block once, as far as there is room to keep
    /// it, and none that is a hole in the image's file. Of files that have a block in common the first
    /// in the order of the tree has it, and the others are left out, so that nothing is followed twice.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the image changes meanwhile. What is damaged is left out.
    pub fn positions(mut self) -> Result<(Positions, Sighted)> {
        self.image.sightings = Some(Mutex::default());
        // What was read of it was not noted.
        self.expect_same_superblock()?;
        let mut search = Search {
            view: &self,
            claims: Claims::default(),
            places: HashMap::new(),
            nodes: Vec::new(),
            due: vec![Due {
                parent: None,
                inode: InodeNumber::ROOT,
                depth: 0,
            }],
            names_left: Limits::default().max_entries,
            blocks_left: self.blocks(),
            left_out: 0,
        };
        while let Some(due) = search.due.pop() {
            search.directory(due);
        }
        let Search {
            mut nodes,
            left_out,
            ..
        } = search;
        for node in &mut nodes {
            node.children.sort();
        }
        let superblock = &self.image.superblock;
        let mut hash_seed = [0; 16];
        for (bytes, word) in hash_seed.chunks_exact_mut(4).zip(superblock.hash_seed) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let positions = Positions {
            filesystem_type: superblock.features.filesystem_type(),
            block_bytes: self.image.block_bytes,
            blocks: self.blocks(),
            inodes: superblock.inodes_count,
            journal_blocks: self.journal_blocks(),
            reserved_descriptor_blocks: superblock.reserved_gdt_blocks,
            hash_seed,
            nodes,
            left_out,
        };
        Ok((positions, Sighted::of(self.image)?))
    }

    fn expect_same_superblock(&self) -> Result<()> {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        let block_bytes = self.image.block_bytes;
        let block = SUPERBLOCK_OFFSET_BYTES / block_bytes;
        let within = SUPERBLOCK_OFFSET_BYTES % block_bytes;
        self.image.read(block, within, &mut bytes)?;
        match Superblock::decode(&bytes) == self.image.superblock {
            true => Ok(()),
            false => Err(self.image.changed()),
        }
    }

    /// Those of the journal's content.
    fn journal_blocks(&self) -> u64 {
        let superblock = &self.image.superblock;
        if !superblock.features.has_journal() {
            return 0;
        }
        let bytes = self.image.inode(InodeNumber(superblock.journal_inode));
        let stored = bytes.map(|bytes| StoredInode::decode(&bytes));
        stored.map_or(0, |stored| {
            stored.size_bytes.div_ceil(self.image.block_bytes)
        })
    }
}

/// A walk over the tree in its order: a directory's other children by the bytes of their names, then
/// each child directory with all below it.
struct Search<'a> {
    view: &'a View,
    claims: Claims,
    /// Where the nodes of inodes are; `None` for one that is left out.
    places: HashMap<InodeNumber, Option<u32>>,
    nodes: Vec<PositionsNode>,
    /// Directories that are due, the next at the end.
    due: Vec<Due>,
    names_left: u64,
    /// What all maps together may give: nothing sound has more.
    blocks_left: u64,
    left_out: u64,
}

/// A directory that is due.
struct Due {
    /// Where the directory is that it is in, and its name there; none of the root.
    parent: Option<(u32, Box<[u8]>)>,
    inode: InodeNumber,
    depth: usize,
}

impl Search<'_> {
    fn directory(&mut self, due: Due) {
        let Due {
            parent,
            inode,
            depth,
        } = due;
        // A second name of a directory, or one that leads back.
        let is_new = !self.places.contains_key(&inode) && depth < MAX_DEPTH;
        let node = is_new.then(|| self.view.node(inode)).and_then(Result::ok);
        let placed = node.and_then(|node| Some((self.place(&node)?, node)));
        self.places.entry(inode).or_insert(None);
        let Some(((place, runs), node)) = placed else {
            self.left_out += 1;
            return;
        };
        if let Some((parent, name)) = parent {
            self.name(parent, name, place);
        }
        self.places.insert(inode, Some(place));
        let entries = match node.has_inline_data() {
            true => self.view.read_dir(&node),
            false => self.view.read_mapped_dir(&node, &runs),
        };
        let entries = entries.ok().and_then(|entries| {
            self.names_left = self.names_left.checked_sub(entries.len() as u64)?;
            Some(entries)
        });
        let Some(entries) = entries else {
            self.left_out += 1;
            return;
        };
        let first_due = self.due.len();
        let mut last: Option<Box<[u8]>> = None;
        for DirectoryEntry { name, inode } in entries {
            let is_again = last.as_ref() == Some(&name);
            let is_name = !name.is_empty() && !name.contains(&b'/') && !name.contains(&0);
            last = Some(name.clone());
            if is_again || !is_name {
                self.left_out += 1;
                continue;
            }
            self.entry(place, name, inode, depth);
        }
        self.due[first_due..].reverse();
    }

    /// What a name leads to, a directory later.
    fn entry(&mut self, parent: u32, name: Box<[u8]>, inode: InodeNumber, depth: usize) {
        if let Some(known) = self.places.get(&inode).copied() {
            let known = known.filter(|place| {
                let node = usize::try_from(*place).ok();
                let node = node.and_then(|place| self.nodes.get(place));
                node.is_some_and(|node| node.kind != Kind::Directory)
            });
            match known {
                Some(place) => self.name(parent, name, place),
                None => self.left_out += 1,
            }
            return;
        }
        let node = self.view.node(inode);
        if let Ok(Node {
            kind: Kind::Directory,
            ..
        }) = node
        {
            self.due.push(Due {
                parent: Some((parent, name)),
                inode,
                depth: depth + 1,
            });
            return;
        }
        let place = node.ok().and_then(|node| self.place(&node));
        let place = place.map(|(place, _)| place);
        self.places.insert(inode, place);
        match place {
            Some(place) => self.name(parent, name, place),
            None => self.left_out += 1,
        }
    }

    fn name(&mut self, parent: u32, name: Box<[u8]>, place: u32) {
        let parent = usize::try_from(parent).ok();
        if let Some(parent) = parent.and_then(|parent| self.nodes.get_mut(parent)) {
            parent.children.push((name, place));
        }
    }

    /// Notes what an inode has, unless something of it is damaged or another's; with its runs.
    fn place(&mut self, node: &Node) -> Option<(u32, Vec<BlockRun>)> {
        let (runs, maps) = self.blocks(node)?;
        let place = u32::try_from(self.nodes.len()).ok()?;
        let block = |block: u64| u32::try_from(block).ok();
        let data = runs
            .iter()
            .map(|run| Some(block(run.disk_block)?..block(run.disk_block + run.count)?));
        let maps = maps
            .iter()
            .map(|first| Some(block(*first)?..block(first + 1)?));
        let attributes = node.stored.xattr_block;
        self.nodes.push(PositionsNode {
            inode: node.number.0,
            kind: node.kind,
            data: data.collect::<Option<_>>().map(joined)?,
            maps: maps.collect::<Option<_>>().map(joined)?,
            attributes: block(attributes).filter(|block| *block != 0),
            children: Vec::new(),
        });
        Some((place, runs))
    }

    /// The runs of its content, and the blocks of its map.
    fn blocks(&mut self, node: &Node) -> Option<(Vec<BlockRun>, Vec<u64>)> {
        let is_mapped = matches!(node.kind, Kind::Regular | Kind::Directory | Kind::Symlink);
        // A short target stands where the map would.
        if !is_mapped || node.has_inline_data() || node.is_fast_symlink() {
            return Some((Vec::new(), Vec::new()));
        }
        let mut runs = self.view.runs(node).ok()?;
        runs.keep_map_blocks();
        runs.limit(self.blocks_left);
        runs.claim_in(&mut self.claims);
        let before = runs.budget();
        let mut found = Some(Vec::new());
        while let Some(run) = runs.next() {
            let run = run.ok().filter(|run| runs.claim(run));
            match (&mut found, run) {
                (Some(found), Some(run)) => found.push(run),
                _ => {
                    found = None;
                    break;
                }
            }
        }
        let maps = runs.take_map_blocks_by_level();
        self.blocks_left -= before - runs.budget();
        Some((found?, maps))
    }
}

/// Those side by side as one.
fn joined(ranges: Vec<Range<u32>>) -> Vec<Range<u32>> {
    let mut joined: Vec<Range<u32>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}
