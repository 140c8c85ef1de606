//! mke2fs' own inodes: blocks taken over or given back to the host, and a note left in one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::groups::Groups;
use crate::ext::plan::Plan;
use crate::ext::plan::identity::PLACE_HOLDER_CHAIN_ID;
use crate::host_space;
use crate::ondisk::indirect::{POINTERS_PER_BLOCK, decode_pointers};
use crate::ondisk::inode::{self, IN_INODE_XATTR_OFFSET, INODE_BYTES, StoredInode};
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
    let direct = |number| {
        let pointers = read_pointers(file, groups, number)?;
        let used = pointers[..12].iter().filter(|&&block| block != 0);
        io::Result::Ok(used.map(|&block| BlockNumber(block)).collect())
    };
    Ok(PreallocatedBlocks {
        root: direct(InodeNumber::ROOT)?,
        lost_found: direct(InodeNumber::LOST_FOUND)?,
    })
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
    for number in [InodeNumber::RESIZE, InodeNumber::JOURNAL]
        .into_iter()
        .chain(lost_found)
    {
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
    let pointers = read_pointers(file, groups, InodeNumber::JOURNAL)?;
    let mut blocks = pointers[..12].to_vec();
    for (level, &block) in (1..).zip(&pointers[12..]) {
        append_mapped(file, level, block, &mut blocks)?;
    }
    // The first block is the journal's superblock.
    let rest = blocks.get(1..).unwrap_or_default();
    for run in rest.chunk_by(|one, next| one + 1 == *next) {
        host_space::give_back(
            file,
            BlockNumber(run[0]).offset_bytes(),
            run.len() as u64 * BLOCK_SIZE,
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

fn append_mapped(file: &File, level: u32, block: u32, blocks: &mut Vec<u32>) -> io::Result<()> {
    if block == 0 {
        return Ok(());
    }
    let mut bytes = [0; BLOCK_SIZE as usize];
    file.read_exact_at(&mut bytes, BlockNumber(block).offset_bytes())?;
    blocks.reserve(POINTERS_PER_BLOCK as usize);
    for pointer in decode_pointers(&bytes).filter(|&pointer| pointer != 0) {
        if level == 1 {
            blocks.push(pointer);
        } else {
            append_mapped(file, level - 1, pointer, blocks)?;
        }
    }
    Ok(())
}

fn read_pointers(file: &File, groups: &Groups<'_>, number: InodeNumber) -> io::Result<Vec<u32>> {
    let mut bytes = [0; INODE_BYTES];
    file.read_exact_at(&mut bytes, groups.inode_offset_bytes(number))?;
    Ok(decode_pointers(&StoredInode::decode(&bytes).i_block).collect())
}
