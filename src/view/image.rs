//! The image's blocks, its superblock and where its inodes are.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::seek;
use rustix::io::Errno;

use super::sightings::Sightings;
use crate::error::{Error, Result};
use crate::file_kind;
use crate::ondisk::checksum::{FilesystemSeed, superblock_holds};
use crate::ondisk::features::{
    COMPAT_SPARSE_SUPER2, Features, FilesystemType, INCOMPAT_64BIT, INCOMPAT_CSUM_SEED,
    INCOMPAT_META_BG, RO_COMPAT_BIGALLOC, RO_COMPAT_METADATA_CSUM, RO_COMPAT_SPARSE_SUPER,
};
use crate::ondisk::group_descriptor::{
    GROUP_DESCRIPTOR_64BIT_BYTES, GROUP_DESCRIPTOR_BYTES, GroupDescriptor,
};
use crate::ondisk::inode::{self, CORE_BYTES};
use crate::ondisk::superblock::{
    MAX_LOG_BLOCK_SIZE, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET_BYTES, Superblock, has_superblock,
};
use crate::units::{GroupNumber, InodeNumber};

/// Incompatible features that are known here: filetype, recover, meta_bg, extents, 64bit, mmp,
/// flex_bg, ea_inode, csum_seed, large_dir, inline_data, encrypt, casefold.
const INCOMPAT_KNOWN: u32 = 0x3_e7d6;

/// Bytes of a group descriptor with `64bit` at most: the smallest block's (`EXT4_MAX_DESC_SIZE`).
const GROUP_DESCRIPTOR_BYTES_MAX: usize = 1024;

/// Reads the superblock of an opened image, which errors call `name`. Of what it says, no more than
/// the size of a block is known to make sense.
///
/// # Errors
/// [`Error::BadImage`] where it is no ext filesystem, [`Error::Io`].
pub fn read_superblock(file: &File, name: &str) -> Result<Superblock> {
    Ok(read_sealed_superblock(file, 0, name)?.0)
}

/// The same, and whether it is what its own checksum is of, where it has one.
fn read_sealed_superblock(
    file: &File,
    offset_bytes: u64,
    name: &str,
) -> Result<(Superblock, bool)> {
    let io = |error| Error::io(format!("cannot read {name}"), error);
    file_kind::expect_ext(file, offset_bytes, name)?;
    let mut bytes = [0; SUPERBLOCK_BYTES];
    // What begins as an ext filesystem does reaches beyond it.
    file.read_exact_at(&mut bytes, offset_bytes + SUPERBLOCK_OFFSET_BYTES)
        .map_err(io)?;
    let superblock = Superblock::decode(&bytes);
    if superblock.block_bytes().is_none() {
        return Err(Error::bad_image(format!(
            "superblock: expected an s_log_block_size of at most {MAX_LOG_BLOCK_SIZE} (64 KiB), found {}",
            superblock.log_block_size
        ))
        .in_image(name));
    }
    let has_checksum = superblock.features.has_ro_compat(RO_COMPAT_METADATA_CSUM);
    let is_sealed = !has_checksum || superblock_holds(&bytes);
    Ok((superblock, is_sealed))
}

/// Expects more than a journal for other filesystems.
///
/// # Errors
/// [`Error::Unsupported`] otherwise.
pub fn expect_filesystem(superblock: &Superblock) -> Result<()> {
    if superblock.features.filesystem_type() == FilesystemType::Journal {
        return Err(Error::unsupported(
            "expected an ext2, ext3 or ext4 filesystem, found the journal of one",
        ));
    }
    Ok(())
}

/// An image whose superblock was read.
#[derive(Debug)]
pub struct Image {
    pub(super) file: File,
    pub(super) name: String,
    /// The superblock.
    pub superblock: Superblock,
    /// Whether the superblock is what its own checksum, if it has one, is of.
    is_sealed: bool,
    /// Where in the file or device it begins.
    offset_bytes: u64,
    /// Length of the file or device from there on.
    pub file_bytes: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Blocks that were read, those of which a part was included.
    pub(super) blocks_read: AtomicU64,
    /// What every block was that is read, where that is to be held against another reading.
    pub(super) sightings: Option<Mutex<Sightings>>,
}

impl Image {
    /// Opens an image, be it a file or a block device, and reads its superblock.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::BadImage`] when it holds no ext filesystem.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_at(path, 0)
    }

    /// The same where it begins at a byte of the file or device.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_at(path: &Path, offset_bytes: u64) -> Result<Self> {
        let name = match offset_bytes {
            0 => path.display().to_string(),
            _ => format!("{} from byte {offset_bytes} on", path.display()),
        };
        Self::of_file(file_kind::open_image(path)?, offset_bytes, name)
    }

    /// The same of a file that is open, which errors call `name`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn of_file(mut file: File, offset_bytes: u64, name: String) -> Result<Self> {
        let (superblock, is_sealed) = read_sealed_superblock(&file, offset_bytes, &name)?;
        let file_bytes = file
            .seek(SeekFrom::End(0))
            .map_err(|error| Error::io(format!("cannot read {name}"), error))?;
        Ok(Self {
            // What was read makes sense.
            block_bytes: superblock.block_bytes().unwrap_or(1024),
            file,
            name,
            superblock,
            is_sealed,
            offset_bytes,
            file_bytes: file_bytes.saturating_sub(offset_bytes),
            blocks_read: AtomicU64::new(0),
            sightings: None,
        })
    }

    /// What that file takes of the host's disk; the rest are holes.
    ///
    /// # Errors
    /// [`Error::Io`] when that cannot be found out.
    pub fn host_bytes(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.blocks().saturating_mul(512))
            .map_err(|error| Error::io(format!("cannot read {}", self.name), error))
    }

    pub(super) fn blocks(&self) -> u64 {
        self.superblock.blocks_count
    }

    pub(super) fn features(&self) -> Features {
        self.superblock.features
    }

    pub(super) fn descriptor_bytes(&self) -> u64 {
        self.superblock.descriptor_size_bytes.into()
    }

    /// Expects all that reading the filesystem counts on.
    pub(super) fn expect_readable(&self) -> Result<()> {
        expect_filesystem(&self.superblock)?;
        self.expect_groups()?;
        let unknown = self.features().incompat & !INCOMPAT_KNOWN;
        if unknown != 0 {
            let names = [(0x1, "compression"), (0x1000, "data in directory entries")];
            let name = names.iter().find(|(bit, _)| unknown & bit != 0);
            let name = name.map_or_else(String::new, |(_, name)| format!(" ({name})"));
            return Err(Error::unsupported(format!(
                "superblock: incompatible features {unknown:#x}{name}, which are not known here"
            )));
        }
        let first = u64::from(self.superblock.first_data_block);
        // The length is what bounds everything else that is read.
        let room = self.file_bytes.div_ceil(self.block_bytes);
        if self.blocks() <= first || self.blocks() > room {
            return Err(Error::bad_image(format!(
                "superblock: expected up to the {room} blocks of {} bytes that the image has, found {}",
                self.block_bytes,
                self.blocks()
            )));
        }
        // Linux mounts none whose superblock is another than its checksum says.
        if !self.is_sealed {
            return Err(Error::bad_image(
                "superblock: expected the checksum of its bytes, found another",
            ));
        }
        Ok(())
    }

    /// Expects what finding an inode counts on.
    pub(super) fn expect_groups(&self) -> Result<()> {
        if self.superblock.blocks_per_group == 0 || self.superblock.inodes_per_group == 0 {
            return Err(Error::bad_image(
                "superblock: expected blocks and inodes in each group, found none",
            ));
        }
        // The kernel's bounds; without 64bit there is no field for descriptors, and they have 32.
        let descriptors = if self.features().has_incompat(INCOMPAT_64BIT) {
            GROUP_DESCRIPTOR_64BIT_BYTES..=GROUP_DESCRIPTOR_BYTES_MAX
        } else {
            GROUP_DESCRIPTOR_BYTES..=GROUP_DESCRIPTOR_BYTES
        };
        let descriptors = *descriptors.start() as u64..=*descriptors.end() as u64;
        let inodes = CORE_BYTES as u64..=self.block_bytes;
        for (what, found, bounds) in [
            ("inodes", self.superblock.inode_size_bytes.into(), inodes),
            ("group descriptors", self.descriptor_bytes(), descriptors),
        ] {
            if !found.is_power_of_two() || !bounds.contains(&found) {
                return Err(Error::bad_image(format!(
                    "superblock: expected {what} of {} to {} bytes, a power of two, found {found}",
                    bounds.start(),
                    bounds.end()
                )));
            }
        }
        Ok(())
    }

    /// Blocks that a bit of the bitmaps stands for.
    pub(super) fn blocks_of_cluster(&self) -> u64 {
        (self.cluster_sectors() / (self.block_bytes / 512)).max(1)
    }

    /// The first block from `block` on that the host's file has data in; a number larger than any
    /// where there is none.
    pub(super) fn next_data(&self, block: u64) -> u64 {
        let Some(byte) = block.checked_mul(self.block_bytes) else {
            return u64::MAX;
        };
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(byte)) {
            Ok(data) => data / self.block_bytes,
            Err(rustix::io::Errno::NXIO) => u64::MAX,
            // Who does not tell holes has none.
            Err(_) => block,
        }
    }

    /// Sectors that an allocated block takes at least.
    pub(super) fn cluster_sectors(&self) -> u64 {
        if !self.features().has_ro_compat(RO_COMPAT_BIGALLOC) {
            return self.block_bytes / 512;
        }
        2_u64
            .checked_shl(self.superblock.log_cluster_size)
            .unwrap_or(u64::MAX)
    }

    /// One block.
    pub(super) fn block(&self, block: u64) -> Result<Vec<u8>> {
        let mut bytes = zeros(self.block_bytes);
        self.read(block, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buffer` from `offset` within `block` on, also across blocks.
    pub(super) fn read(&self, block: u64, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let start = block
            .checked_mul(self.block_bytes)
            .and_then(|start| start.checked_add(offset));
        let end = start.and_then(|start| start.checked_add(buffer.len() as u64));
        // The product is of what the superblock's check has seen fit into 64 bits.
        let (Some(start), Some(true)) = (start, end.map(|end| end <= self.superblock.bytes()))
        else {
            return Err(Error::bad_image(format!(
                "expected one of {} blocks, found block {block}",
                self.blocks()
            ))
            .in_image(&self.name));
        };
        if let Some(sightings) = &self.sightings {
            let mut sightings = sightings.lock().unwrap_or_else(PoisonError::into_inner);
            return self.read_seen(&mut sightings, start, buffer);
        }
        self.read_bytes(start, buffer)
    }

    /// The same by whole blocks, each of them read once as far as there is room, and noted.
    fn read_seen(&self, sightings: &mut Sightings, start: u64, buffer: &mut [u8]) -> Result<()> {
        let mut at = start;
        let mut rest = buffer;
        while !rest.is_empty() {
            let block = at / self.block_bytes;
            if sightings.kept(block).is_none() {
                let block_start = block * self.block_bytes;
                if is_hole(&self.file, block_start, block_start + self.block_bytes) {
                    return Err(Error::bad_image(format!(
                        "expected something in block {block}, found a hole of the image's file"
                    ))
                    .in_image(&self.name));
                }
                let mut bytes = zeros(self.block_bytes);
                self.read_bytes(block_start, &mut bytes)?;
                sightings.note(block, bytes);
            }
            let Some(bytes) = sightings.kept(block) else {
                return Ok(());
            };
            // Both are below the length of a block.
            let within = usize::try_from(at % self.block_bytes).unwrap_or(0);
            let taken = rest.len().min(bytes.len() - within);
            let (now, later) = rest.split_at_mut(taken);
            now.copy_from_slice(&bytes[within..within + taken]);
            rest = later;
            at += taken as u64;
        }
        Ok(())
    }

    /// Fills `buffer` from a byte on that is known to be within the filesystem.
    pub(super) fn read_bytes(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        let blocks = (buffer.len() as u64).div_ceil(self.block_bytes);
        self.blocks_read.fetch_add(blocks, Ordering::Relaxed);
        // Within the file, as opening it has seen.
        self.file
            .read_exact_at(buffer, self.offset_bytes.saturating_add(start))
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    let block = start / self.block_bytes;
                    Error::bad_image(format!("the image ends before block {block} does"))
                        .in_image(&self.name)
                }
                _ => Error::io(format!("cannot read {}", self.name), error),
            })
    }

    /// The file was written while it was read.
    pub(super) fn changed(&self) -> Error {
        let changed = std::io::Error::other("changed while it was read");
        Error::io(format!("cannot read {}", self.name), changed)
    }

    /// The bytes of an inode.
    ///
    /// # Errors
    /// [`Error::BadImage`] where there is none of this number or the image ends before it,
    /// [`Error::Io`].
    pub fn inode(&self, number: InodeNumber) -> Result<Vec<u8>> {
        let count = self.superblock.inodes_count;
        if number.0 == 0 || number.0 > count {
            return Err(Error::bad_image(format!(
                "expected one of {count} inodes, found {number}"
            ))
            .in_image(&self.name));
        }
        self.expect_groups()
            .map_err(|error| error.in_image(&self.name))?;
        let (group, within) = inode::place(number, self.superblock.inodes_per_group);
        let within = u64::from(within);
        let table = self.inode_table(group)?;
        let inode_bytes = u64::from(self.superblock.inode_size_bytes);
        let mut bytes = zeros(inode_bytes);
        self.read(table, within * inode_bytes, &mut bytes)?;
        Ok(bytes)
    }

    /// What the checksums start with that metadata is held against, where it is. Where a journal
    /// waits to be replayed the kernel would read other bytes, and these are held against nothing.
    pub(super) fn seed(&self) -> Option<FilesystemSeed> {
        let features = self.features();
        if !features.has_ro_compat(RO_COMPAT_METADATA_CSUM) || features.needs_recovery() {
            return None;
        }
        Some(if features.has_incompat(INCOMPAT_CSUM_SEED) {
            FilesystemSeed::stored(self.superblock.checksum_seed)
        } else {
            FilesystemSeed::of_uuid(&self.superblock.uuid)
        })
    }

    /// The first block of a group's inode table.
    fn inode_table(&self, group: GroupNumber) -> Result<u64> {
        let first = u64::from(self.superblock.first_data_block);
        let table = self.group_descriptor(group)?.inode_table_block();
        if table <= first {
            return Err(Error::bad_image(format!(
                "expected an inode table of group {}, found it at block {table}",
                group.0
            ))
            .in_image(&self.name));
        }
        Ok(table)
    }

    /// What the group's descriptor says.
    pub(super) fn group_descriptor(&self, group: GroupNumber) -> Result<GroupDescriptor> {
        let first = u64::from(self.superblock.first_data_block);
        let per_group = u64::from(self.superblock.blocks_per_group);
        let start = |group: u64| first + group * per_group;
        let per_block = self.block_bytes / self.descriptor_bytes();
        let index = u64::from(group.0) / per_block;
        let within = u64::from(group.0) % per_block * self.descriptor_bytes();
        let is_meta = self.features().has_incompat(INCOMPAT_META_BG)
            && index >= u64::from(self.superblock.first_meta_bg);
        // Not always the first data block: with bigalloc that is 0 for blocks of 1 KiB, too.
        let superblock_at = SUPERBLOCK_OFFSET_BYTES / self.block_bytes;
        let block = if is_meta {
            // The descriptors of as many groups as fill a block are in the first of them.
            let home = index * per_block;
            let home_group = GroupNumber(u32::try_from(home).unwrap_or(u32::MAX));
            // The block of 1 KiB before the superblock belongs to the group then.
            let is_behind_boot = home == 0 && superblock_at > first;
            start(home) + u64::from(self.has_backup(home_group)) + u64::from(is_behind_boot)
        } else {
            superblock_at + 1 + index
        };
        let mut descriptor = zeros(self.descriptor_bytes());
        self.read(block, within, &mut descriptor)?;
        let seed = self.seed();
        if seed.is_some_and(|seed| !seed.descriptor_holds(group, &descriptor)) {
            return Err(Error::bad_image(format!(
                "group {}: block {block}: expected the checksum of its descriptor, found another",
                group.0
            ))
            .in_image(&self.name));
        }
        Ok(GroupDescriptor::decode(&descriptor))
    }

    pub(super) fn has_backup(&self, group: GroupNumber) -> bool {
        if self.features().compat & COMPAT_SPARSE_SUPER2 != 0 {
            return group.0 == 0 || self.superblock.backup_groups.contains(&group.0);
        }
        !self.features().has_ro_compat(RO_COMPAT_SPARSE_SUPER) || has_superblock(group)
    }
}

/// Whether the file has no data there, as far as its filesystem tells.
fn is_hole(file: &File, start_bytes: u64, end_bytes: u64) -> bool {
    match seek(file, rustix::fs::SeekFrom::Data(start_bytes)) {
        Ok(data) => data >= end_bytes,
        // Nothing follows, or the end is before it, which reading tells.
        Err(error) => error == Errno::NXIO,
    }
}

/// As many zeros as a block, an inode or a descriptor has bytes: 64 KiB at most.
fn zeros(bytes: u64) -> Vec<u8> {
    vec![0; usize::try_from(bytes).unwrap_or(0)]
}
