//! Every checksum of a filesystem that has them, but for the superblocks'.

use super::in_place::InPlace;
use super::tables::{Tables, failed, read};
use crate::error::Result;
use crate::ext::populate::unsealed::{ChecksumForm, Checksummed};
use crate::ondisk::bitmap;
use crate::ondisk::checksum::{FilesystemSeed, set_bitmap_checksums};
use crate::ondisk::inode::INODE_BYTES;
use crate::partial_file::PartialFile;
use crate::progress::Meter;
use crate::units::{BLOCK_SIZE, BlockNumber, GroupNumber, InodeNumber};

const BLOCK: usize = BLOCK_SIZE as usize;
const INODES_PER_BLOCK: u32 = (BLOCK / INODE_BYTES) as u32;

/// Seals blocks of names, of extents and of attributes, then the inodes that name them, then the
/// bitmaps and the descriptors that name those.
///
/// # Errors
/// The file's.
pub fn seal(
    partial: &PartialFile,
    seed: FilesystemSeed,
    tables: &mut Tables,
    mut checksummed: Vec<Checksummed>,
    meter: &dyn Meter,
) -> Result<()> {
    let mut in_place = InPlace::new(partial.file());
    // They were met as the tree was walked, and lie in other places.
    checksummed.sort_unstable_by_key(|run| run.first);
    let blocks = checksummed.iter().flat_map(|run| {
        let blocks = (run.first.0..).take(run.count as usize);
        blocks.map(move |block| (BlockNumber(block), run))
    });
    in_place
        .change(blocks, |block, run, bytes| {
            seal_block(seed, run, block, bytes);
            meter.add(BLOCK_SIZE);
        })
        .map_err(|error| failed(partial, error))?;
    for group in tables.groups() {
        seal_group(partial, seed, tables, group, &mut in_place, meter)?;
    }
    Ok(())
}

fn seal_block(seed: FilesystemSeed, run: &Checksummed, block: BlockNumber, bytes: &mut [u8]) {
    let inode = seed.of_inode(run.inode, 0);
    match run.form {
        ChecksumForm::Directory => inode.seal_directory(bytes),
        ChecksumForm::IndexRoot => inode.seal_index_root(bytes),
        ChecksumForm::IndexNode => inode.seal_index_node(bytes),
        ChecksumForm::Extents => inode.seal_extents(bytes),
        ChecksumForm::Attributes => seed.seal_attributes(block, bytes),
    }
}

/// Seals a group's inodes that are in use, its bitmaps and its descriptor. What is not in use is
/// zeros, which count as sealed.
fn seal_group(
    partial: &PartialFile,
    seed: FilesystemSeed,
    tables: &mut Tables,
    group: GroupNumber,
    in_place: &mut InPlace<'_>,
    meter: &dyn Meter,
) -> Result<()> {
    let descriptor = tables.descriptor(group);
    let inodes_per_group = tables.superblock.inodes_per_group;
    let mut blocks_in_use = [0; BLOCK];
    read(
        partial,
        &mut blocks_in_use,
        descriptor.block_bitmap.offset_bytes(),
    )?;
    let mut inodes_in_use = [0; BLOCK];
    read(
        partial,
        &mut inodes_in_use,
        descriptor.inode_bitmap.offset_bytes(),
    )?;
    let is_used = |index: &u32| bitmap::is_set(&inodes_in_use, *index);
    let table_blocks = inodes_per_group / INODES_PER_BLOCK;
    let blocks = (0..table_blocks).filter_map(|index| {
        let first = index * INODES_PER_BLOCK;
        let has_any = (first..first + INODES_PER_BLOCK).any(|inode| is_used(&inode));
        has_any.then_some((BlockNumber(descriptor.inode_table.0 + index), first))
    });
    in_place
        .change(blocks, |_, first, bytes| {
            let (inodes, _) = bytes.as_chunks_mut::<INODE_BYTES>();
            for (index, inode) in (*first..).zip(inodes) {
                if is_used(&index) {
                    let number = InodeNumber(group.0 * inodes_per_group + index + 1);
                    seed.seal_inode(number, inode);
                }
            }
            meter.add(BLOCK_SIZE);
        })
        .map_err(|error| failed(partial, error))?;
    let blocks_per_group = tables.superblock.blocks_per_group;
    let encoded = tables.encoded(group);
    set_bitmap_checksums(
        encoded,
        seed.block_bitmap(&blocks_in_use, blocks_per_group),
        seed.inode_bitmap(&inodes_in_use, inodes_per_group),
    );
    seed.seal_descriptor(group, encoded);
    meter.add(2 * BLOCK_SIZE);
    Ok(())
}
