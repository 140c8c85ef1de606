//! A second reader of ext4, which walks groups, inodes, extents and directories by itself and
//! recomputes every checksum: it shares no code with the library, and counts what it looked at.
//!
//! Blocks of 4 KiB and inodes of 256 bytes only; the formulas are those of the kernel's
//! documentation of ext4 ("Checksums").

pub mod crc32c;
mod directories;
mod groups;
mod inodes;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crc32c::{START, crc};

pub const BLOCK: usize = 4096;

/// What has a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Structure {
    Superblock,
    SuperblockCopy,
    Descriptor,
    DescriptorCopy,
    BlockBitmap,
    InodeBitmap,
    /// A bitmap that was never written, whose checksum is 0.
    UnwrittenBitmap,
    Inode,
    /// An inode without room for the high half.
    ReservedInode,
    Leaf,
    IndexRoot,
    IndexNode,
    ExtentBlock,
    AttributeBlock,
    OrphanBlock,
}

/// One structure: what, whose, and where its bytes are in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub structure: Structure,
    /// Number of the group, inode or block.
    pub number: u64,
    pub at: u64,
    pub length: usize,
}

/// What the reader looked at, and all that is wrong.
#[derive(Debug, Default)]
pub struct Checked {
    pub counts: BTreeMap<Structure, u64>,
    /// The last of each kind.
    pub example: BTreeMap<Structure, Found>,
    /// A line for each wrong checksum, beginning with the structure's name, and for each thing that
    /// could not be walked.
    pub wrong: Vec<String>,
}

impl Checked {
    pub fn count(&self, structure: Structure) -> u64 {
        self.counts.get(&structure).copied().unwrap_or(0)
    }

    /// Notes that a structure was looked at, and whether it is right.
    fn note(&mut self, found: Found, stored: u32, computed: u32) {
        *self.counts.entry(found.structure).or_default() += 1;
        if stored != computed {
            let Found {
                structure,
                number,
                at,
                ..
            } = &found;
            self.wrong.push(format!(
                "{structure:?} {number} at {at}: computed {computed:#x}, found {stored:#x}"
            ));
        }
        self.example.insert(found.structure, found);
    }

    fn trouble(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// Expects all to be right.
    #[track_caller]
    pub fn clean(self) -> Self {
        let some = &self.wrong[..self.wrong.len().min(10)];
        assert!(some.is_empty(), "{} wrong: {some:#?}", self.wrong.len());
        self
    }
}

/// Whether the filesystem of an image has checksums at all (`metadata_csum`).
pub fn has_checksums(image: &Path) -> bool {
    let mut superblock = [0; 1024];
    let file = File::open(image).unwrap();
    file.read_exact_at(&mut superblock, 1024).unwrap();
    u32_at(&superblock, 0x64) & 0x400 != 0
}

/// Recomputes every checksum of an image.
pub fn recompute(image: &Path) -> Checked {
    let file = File::open(image).unwrap();
    let mut superblock = vec![0; 1024];
    file.read_exact_at(&mut superblock, 1024).unwrap();
    let mut checked = Checked::default();
    assert_eq!(u16_at(&superblock, 0x38), 0xef53, "no ext filesystem");
    assert_eq!(u32_at(&superblock, 0x18), 2, "blocks of 4 KiB");
    assert_eq!(u16_at(&superblock, 0x58), 256, "inodes of 256 bytes");
    let ro_compat = u32_at(&superblock, 0x64);
    assert_ne!(ro_compat & 0x400, 0, "no metadata_csum");
    // meta_bg, ea_inode, large_dir, inline_data; bigalloc.
    let incompat = u32_at(&superblock, 0x60);
    assert_eq!(incompat & 0xc410, 0, "a feature this reader does not know");
    assert_eq!(ro_compat & 0x200, 0, "a feature this reader does not know");
    let seed = if incompat & 0x2000 == 0 {
        crc(START, &superblock[0x68..0x78])
    } else {
        u32_at(&superblock, 0x270)
    };
    let filesystem = Filesystem {
        file,
        superblock,
        seed,
    };
    let groups = groups::check(&filesystem, &mut checked);
    inodes::check(&filesystem, &groups, &mut checked);
    checked
}

/// An image with what its superblock says.
struct Filesystem {
    file: File,
    superblock: Vec<u8>,
    /// What comes before everything of this filesystem.
    seed: u32,
}

impl Filesystem {
    fn u32(&self, at: usize) -> u32 {
        u32_at(&self.superblock, at)
    }

    fn is_64_bit(&self) -> bool {
        self.u32(0x60) & 0x80 != 0
    }

    fn blocks(&self) -> u64 {
        let high = if self.is_64_bit() { self.u32(0x150) } else { 0 };
        u64::from(high) << 32 | u64::from(self.u32(0x4))
    }

    fn block(&self, number: u64) -> Option<Vec<u8>> {
        let mut block = vec![0; BLOCK];
        let inside = number < self.blocks();
        let read = inside.then(|| self.file.read_exact_at(&mut block, number * BLOCK as u64));
        matches!(read, Some(Ok(()))).then_some(block)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The checksum of bytes of which some ranges count as zero.
fn crc_without(seed: u32, bytes: &[u8], zero: &[std::ops::Range<usize>]) -> u32 {
    let mut bytes = bytes.to_vec();
    for range in zero {
        bytes[range.clone()].fill(0);
    }
    crc(seed, &bytes)
}
