//! What names the tree is written last, and with it every checksum: in one pass over the metadata,
//! none over the data.
//!
//! Until here nothing knew what the filesystem is called, so that it need not be known: a layer
//! whose diff ID nobody has stated is hashed while it is planned for and written. On kinds with
//! checksums all of these start with the UUID; what is written before it would be written twice.
//!
//! ```text
//! tables      where things are
//! in_place    blocks changed where they are
//! checksums   names, extents and attributes → inodes → bitmaps and descriptors
//! ```

mod checksums;
mod in_place;
mod tables;

use crate::error::{Error, Result};
use crate::ext::plan::Identity;
use crate::ext::plan::identity::PLACE_HOLDER_CHAIN_ID;
use crate::ext::populate::unsealed::Unsealed;
use crate::filesystem::SealedFilesystem;
use crate::ondisk::checksum::{FilesystemSeed, seal_superblock};
use crate::ondisk::features::RO_COMPAT_METADATA_CSUM;
use crate::ondisk::inode::{IN_INODE_XATTR_OFFSET, INODE_BYTES};
use crate::ondisk::journal_head::{JOURNAL_HEAD_BYTES, UUID_OFFSET_BYTES, begins_journal};
use crate::ondisk::superblock::{
    SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock, has_superblock, make_backup, set_uuid,
};
use crate::ondisk::xattr::{
    FoundValue, StoredXattr, chain_id_xattr, decode_in_inode, encode_in_inode, note_xattr,
};
use crate::partial_file::PartialFile;
use crate::progress::{Phase, Reporter, Task};
use crate::units::{BLOCK_SIZE, BlockNumber, InodeNumber};

use tables::{Tables, read, write};

/// Writes what names the tree, every checksum, the descriptors and the superblocks, the primary one
/// last.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read or written, [`Error::Mismatch`] when mke2fs' journal
/// or `lost+found` is not where it was.
pub fn seal(
    unsealed: Unsealed,
    identity: &Identity,
    reporter: &dyn Reporter,
) -> Result<SealedFilesystem> {
    let Unsealed {
        partial,
        mut superblock,
        descriptors,
        journal,
        checksummed,
    } = unsealed;
    set_uuid(&mut superblock, identity.uuid);
    let mut tables = Tables {
        superblock: Superblock::decode(&superblock),
        descriptors,
    };
    let meter = reporter.begin(Task::bytes(Phase::Write, "seal", None));
    let features = tables.superblock.features;
    if features.has_journal() {
        let journal = journal.ok_or_else(|| {
            Error::Mismatch("expected a journal in the filesystem, found none".to_owned())
        })?;
        name_journal(&partial, journal, identity)?;
    }
    record_note(&partial, &tables, identity)?;
    let has_checksums = features.has_ro_compat(RO_COMPAT_METADATA_CSUM);
    if has_checksums {
        let seed = FilesystemSeed::of_uuid(&identity.uuid);
        checksums::seal(&partial, seed, &mut tables, checksummed, &*meter)?;
    }
    write_tables(&partial, &tables, &superblock, has_checksums)?;
    meter.finish("sealed");
    Ok(SealedFilesystem { partial })
}

/// Writes the UUID into the journal's own superblock.
fn name_journal(partial: &PartialFile, journal: BlockNumber, identity: &Identity) -> Result<()> {
    let start_bytes = journal.offset_bytes();
    let mut start = [0; JOURNAL_HEAD_BYTES];
    read(partial, &mut start, start_bytes)?;
    if !begins_journal(&start) {
        return Err(Error::Mismatch(
            "expected the journal's superblock, found something else".to_owned(),
        ));
    }
    write(partial, &identity.uuid, start_bytes + UUID_OFFSET_BYTES)
}

/// Puts the chain ID, or the recipe's digest, where populating has left room for it in `lost+found`,
/// and takes the room away where there is none: mke2fs' own always has some, the tree's own where its attributes leave any.
fn record_note(partial: &PartialFile, tables: &Tables, identity: &Identity) -> Result<()> {
    let inode_start = tables.inode_offset_bytes(InodeNumber::LOST_FOUND);
    let at = inode_start + IN_INODE_XATTR_OFFSET as u64;
    let mut bytes = [0; INODE_BYTES - IN_INODE_XATTR_OFFSET];
    read(partial, &mut bytes, at)?;
    let found = decode_in_inode(&bytes).map_err(Error::Mismatch)?;
    let place_holder = chain_id_xattr(&PLACE_HOLDER_CHAIN_ID);
    let recorded = identity.note.as_ref().and_then(note_xattr);
    let mut stored = Vec::with_capacity(found.len());
    for xattr in &found {
        let FoundValue::Here(value) = &xattr.value else {
            return Err(Error::Mismatch(
                "expected the attributes of lost+found in its inode".to_owned(),
            ));
        };
        let as_it_is = StoredXattr {
            name_index: xattr.name_index,
            name: &xattr.name,
            value: (&**value).into(),
        };
        match place_holder.as_ref() == Some(&as_it_is) {
            true => stored.extend(recorded.clone()),
            false => stored.push(as_it_is),
        }
    }
    // In the kernel's order, in which a value counts for nothing, but a name does.
    stored.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    write(partial, &encode_in_inode(&stored), at)
}

/// Writes superblock and descriptors into every backup, then both in their first place.
fn write_tables(
    partial: &PartialFile,
    tables: &Tables,
    superblock: &[u8; SUPERBLOCK_BYTES],
    has_checksums: bool,
) -> Result<()> {
    let sealed = |mut copy: [u8; SUPERBLOCK_BYTES]| {
        if has_checksums {
            seal_superblock(&mut copy);
        }
        copy
    };
    for group in tables
        .groups()
        .skip(1)
        .filter(|group| has_superblock(*group))
    {
        let first = BlockNumber(group.0 * tables.superblock.blocks_per_group);
        let mut backup = *superblock;
        make_backup(&mut backup, group);
        write(partial, &sealed(backup), first.offset_bytes())?;
        write(
            partial,
            &tables.descriptors,
            first.offset_bytes() + BLOCK_SIZE,
        )?;
    }
    write(partial, &tables.descriptors, BLOCK_SIZE)?;
    write(partial, &sealed(*superblock), SUPERBLOCK_OFFSET_BYTES)
}
