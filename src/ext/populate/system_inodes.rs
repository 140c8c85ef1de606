//! mke2fs' own inodes: blocks taken over or given back to the host, and a note left in one.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::groups::Groups;
use super::unsealed::{ChecksumForm, ChecksummedRuns};
use crate::ext::plan::Plan;
use crate::ext::plan::identity::PLACE_HOLDER_CHAIN_ID;
use crate::host_space;
use crate::ondisk::extent::ExtentNode;
use crate::ondisk::indirect::{DIRECT_POINTERS, decode_pointers};
use crate::ondisk::inode::{self, FLAG_EXTENTS, IN_INODE_XATTR_OFFSET, INODE_BYTES, StoredInode};
use crate::ondisk::xattr::{chain_id_xattr, encode_in_inode};
use crate::units::{BLOCK_SIZE, BlockNumber, InodeNumber, Timestamp};

/// The blocks of the root directory and of `lost+found`, as mke2fs made them.
#[derive(Debug, Default)]
pub struct PreallocatedBlocks {
    /// Of the root directory.
    pub root: Vec<BlockNumber>,
    /// Of `lost+found`.
    pub lost_found: Vec<BlockNumber>,
}

/// Finds the blocks that the tree's directories will reuse.
///
/// # Errors
/// The file's.
pub fn preallocated_blocks(file: &File, groups: &Groups<'_>) -> io::Result<PreallocatedBlocks> {
    Ok(PreallocatedBlocks {
        root: Blocks::of(file, groups, InodeNumber::ROOT)?.data(),
        lost_found: Blocks::of(file, groups, InodeNumber::LOST_FOUND)?.data(),
    })
}

/// Tells what mke2fs has made with checksums in it, and the tree has nothing of its own for: the
/// blocks of `lost+found`, and those that map the journal.
///
/// # Errors
/// The file's.
pub fn note_checksums(
    file: &File,
    groups: &Groups<'_>,
    plan: &Plan,
    checksummed: &mut ChecksummedRuns,
) -> io::Result<()> {
    if plan.numbers.lost_found().is_none() {
        let lost_found = InodeNumber::LOST_FOUND;
        for block in Blocks::of(file, groups, lost_found)?.data() {
            checksummed.add(block, lost_found, ChecksumForm::Directory);
        }
    }
    for block in Blocks::of(file, groups, InodeNumber::JOURNAL)?.map {
        checksummed.add(block, InodeNumber::JOURNAL, ChecksumForm::Extents);
    }
    Ok(())
}

/// The journal's first block, where mke2fs has made one.
///
/// # Errors
/// The file's.
pub fn journal_start(file: &File, groups: &Groups<'_>) -> io::Result<Option<BlockNumber>> {
    let journal = Blocks::of(file, groups, InodeNumber::JOURNAL)?;
    Ok(journal.runs.first().map(|run| BlockNumber(run.start)))
}

/// Gives the inodes that mke2fs made, and the tree has none of its own for, the filesystem's time,
/// where mke2fs could not be told it.
///
/// # Errors
/// The file's.
pub fn set_times(file: &File, groups: &Groups<'_>, plan: &Plan) -> io::Result<()> {
    let seconds = plan.birth.inode_seconds();
    if seconds == i64::from(plan.birth.mke2fs_seconds()) {
        return Ok(());
    }
    let lost_found = plan.numbers.lost_found().is_none();
    let lost_found = lost_found.then_some(InodeNumber::LOST_FOUND);
    let has_journal = plan.profile.features.has_journal();
    let journal = has_journal.then_some(InodeNumber::JOURNAL);
    let made = [InodeNumber::RESIZE].into_iter();
    for number in made.chain(journal).chain(lost_found) {
        let mut bytes = [0; INODE_BYTES];
        let offset_bytes = groups.inode_offset_bytes(number);
        file.read_exact_at(&mut bytes, offset_bytes)?;
        inode::set_times(&mut bytes, Timestamp::from_seconds(seconds));
        file.write_all_at(&bytes, offset_bytes)?;
    }
    Ok(())
}

/// Keeps room for the chain ID where it is in nobody's way: in mke2fs' `lost+found`.
///
/// # Errors
/// The file's.
pub fn keep_room_for_chain_id(file: &File, groups: &Groups<'_>) -> io::Result<()> {
    let Some(xattr) = chain_id_xattr(&PLACE_HOLDER_CHAIN_ID) else {
        return Ok(());
    };
    let inode = groups.inode_offset_bytes(InodeNumber::LOST_FOUND);
    file.write_all_at(
        &encode_in_inode(&[xattr]),
        inode + IN_INODE_XATTR_OFFSET as u64,
    )
}

/// Blocks at the end of the file that mke2fs overwrites with zeros, whatever stood there before.
const END_BLOCKS: u64 = 16;

/// Gives the host back the space of what mke2fs has written zeros to: the journal's blocks behind
/// its superblock, and the end of the file as far as nothing has been put there since. Where the
/// host cannot, they stay.
///
/// # Errors
/// The file's read errors.
pub fn punch(file: &File, groups: &Groups<'_>) -> io::Result<()> {
    let journal = Blocks::of(file, groups, InodeNumber::JOURNAL)?;
    // The first block is the journal's superblock.
    let mut skipped = 1;
    for run in journal.runs {
        let start = run.end.min(run.start + skipped);
        skipped -= start - run.start;
        host_space::give_back(
            file,
            BlockNumber(start).offset_bytes(),
            u64::from(run.end - start) * BLOCK_SIZE,
        );
    }
    let end = file.metadata()?.len() / BLOCK_SIZE * BLOCK_SIZE;
    let mut bytes = [0; BLOCK_SIZE as usize];
    for back in 1..=END_BLOCKS {
        let Some(start) = end.checked_sub(back * BLOCK_SIZE) else {
            break;
        };
        file.read_exact_at(&mut bytes, start)?;
        if bytes.iter().all(|byte| *byte == 0) {
            host_space::give_back(file, start, BLOCK_SIZE);
        }
    }
    Ok(())
}

/// The blocks of an inode as mke2fs has mapped them; none where the inode is in no use.
#[derive(Debug, Default)]
struct Blocks {
    /// Its own, in the order of the file.
    runs: Vec<Range<u32>>,
    /// Those of the map.
    map: Vec<BlockNumber>,
}

impl Blocks {
    fn of(file: &File, groups: &Groups<'_>, number: InodeNumber) -> io::Result<Self> {
        let mut bytes = [0; INODE_BYTES];
        file.read_exact_at(&mut bytes, groups.inode_offset_bytes(number))?;
        let inode = StoredInode::decode(&bytes);
        let mut blocks = Self::default();
        if inode.flags & FLAG_EXTENTS != 0 {
            blocks.add_extents(file, &inode.i_block, None)?;
        } else {
            let pointers: Vec<u32> = decode_pointers(&inode.i_block).collect();
            let (direct, indirect) = pointers.split_at(DIRECT_POINTERS as usize);
            direct.iter().for_each(|&block| blocks.add(block, 1));
            for (level, &block) in (1..).zip(indirect) {
                blocks.add_indirect(file, level, block)?;
            }
        }
        Ok(blocks)
    }

    fn data(&self) -> Vec<BlockNumber> {
        self.runs
            .iter()
            .cloned()
            .flatten()
            .map(BlockNumber)
            .collect()
    }

    /// Block 0 stands for none.
    fn add(&mut self, first: u32, count: u32) {
        match self.runs.last_mut() {
            _ if first == 0 => {}
            Some(last) if last.end == first => last.end += count,
            _ => self.runs.push(first..first + count),
        }
    }

    fn add_indirect(&mut self, file: &File, level: u32, block: u32) -> io::Result<()> {
        if block == 0 {
            return Ok(());
        }
        self.map.push(BlockNumber(block));
        let mut bytes = [0; BLOCK_SIZE as usize];
        file.read_exact_at(&mut bytes, BlockNumber(block).offset_bytes())?;
        for pointer in decode_pointers(&bytes) {
            match level {
                1 => self.add(pointer, 1),
                _ => self.add_indirect(file, level - 1, pointer)?,
            }
        }
        Ok(())
    }

    /// All below a node, which is of a depth below `above`.
    fn add_extents(&mut self, file: &File, node: &[u8], above: Option<u16>) -> io::Result<()> {
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let node = ExtentNode::decode(node).map_err(wrong)?;
        if above.is_some_and(|above| node.depth >= above) {
            return Err(wrong("expected an extent tree, found a circle".to_owned()));
        }
        // Block numbers and lengths are below 2^32, as the filesystem's size is.
        for entry in 0..node.entries {
            if node.depth == 0 {
                let extent = node.extent(entry);
                self.add(extent.disk_block as u32, extent.count as u32);
                continue;
            }
            let child = BlockNumber(node.child(entry) as u32);
            self.map.push(child);
            let mut bytes = [0; BLOCK_SIZE as usize];
            file.read_exact_at(&mut bytes, child.offset_bytes())?;
            self.add_extents(file, &bytes, Some(node.depth))?;
        }
        Ok(())
    }
}
