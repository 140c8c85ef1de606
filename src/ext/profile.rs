//! What the kinds of ext differ in, as values that plan, format and populate take.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::ondisk::directory_entry::DIRECTORY_TAIL_BYTES;
use crate::ondisk::features::{COMPAT_HAS_JOURNAL, Features};
use crate::ondisk::group_descriptor::{GROUP_DESCRIPTOR_64BIT_BYTES, GROUP_DESCRIPTOR_BYTES};
use crate::ondisk::indirect::{MAX_FILE_BYTES, indirect_blocks};
use crate::units::{BLOCK_SIZE, ByteSize};

/// A kind of ext that layerpress makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// With block maps and no journal.
    Ext2,
    /// With block maps and a journal.
    #[default]
    Ext3,
    /// With extents and checksums, and a journal or none.
    Ext4,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Ext2, Self::Ext3, Self::Ext4];
}

/// As `mke2fs -t` and `mount -t` take it, and as texts call it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
        })
    }
}

/// How an inode tells where its file's blocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockMap {
    /// Pointers to blocks, and to indirect blocks full of pointers.
    Indirect,
    /// Runs of blocks, and blocks full of runs.
    Extents,
}

/// A kind of ext as values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// What it is called.
    pub kind: Kind,
    /// What mke2fs is told to make, and what its superblock must say then.
    pub features: Features,
    /// The fewest blocks of a filesystem.
    pub min_blocks: u32,
    /// The journal by size, ascending: from so many blocks of the filesystem on, mke2fs makes one of
    /// so many (`ext2fs_default_journal_size`). Below the first there is none.
    pub journal_steps: &'static [(u32, u32)],
    /// How files are mapped.
    pub block_map: BlockMap,
    /// Names that one inode may have, and 2 more than the subdirectories that can be counted in a
    /// directory: in the root one of them is `lost+found`.
    pub links_max: u32,
    /// Whether a directory may have more subdirectories than can be counted: its link count is 1
    /// then (`dir_nlink`).
    pub uncounted_subdirectories: bool,
    /// The longest file in bytes.
    pub file_bytes_max: u64,
    /// Bytes of a group descriptor.
    pub descriptor_bytes: usize,
    /// Whether metadata end with checksums (`metadata_csum`).
    pub checksums: bool,
    /// How directories' blocks are filled.
    pub directory: DirectoryForm,
}

/// How much goes into a directory's blocks, which end with a checksum where the kind has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryForm {
    /// Bytes at the end of a block of names that no name goes into.
    pub tail_bytes: usize,
    /// Entries of an index's root block.
    pub root_entries_max: usize,
    /// Entries of an interior block of an index.
    pub node_entries_max: usize,
}

impl DirectoryForm {
    /// Bytes of a block that names fill.
    pub const fn names_bytes(&self) -> usize {
        BLOCK_SIZE as usize - self.tail_bytes
    }

    /// Blocks of names that an index of two levels reaches.
    pub const fn leaves_max(&self) -> usize {
        self.root_entries_max * self.node_entries_max
    }
}

/// The fewest blocks that mke2fs makes a filesystem without a journal of: it wants 50 beside those
/// for a superblock, the descriptors, two bitmaps and a table of inodes.
const MIN_BLOCKS: u32 = 55;

const JOURNAL_STEPS: &[(u32, u32)] = &[
    (1 << 11, 1 << 10),
    (1 << 15, 1 << 12),
    (1 << 18, 1 << 13),
    (1 << 19, 1 << 14),
    (1 << 22, 1 << 15),
    (1 << 23, 1 << 16),
    (1 << 24, 1 << 17),
    (1 << 25, 1 << 18),
];

impl Profile {
    /// ext3 as `mke2fs -t ext3 -T default` makes it: has_journal, ext_attr, resize_inode, dir_index;
    /// filetype; sparse_super, large_file.
    pub const EXT3: Self = Self {
        kind: Kind::Ext3,
        features: Features {
            compat: 0x3c,
            incompat: 0x2,
            ro_compat: 0x3,
        },
        // One that gets a journal by itself: 8 MiB.
        min_blocks: JOURNAL_STEPS[0].0,
        journal_steps: JOURNAL_STEPS,
        block_map: BlockMap::Indirect,
        links_max: 65_000,
        uncounted_subdirectories: false,
        file_bytes_max: MAX_FILE_BYTES,
        descriptor_bytes: GROUP_DESCRIPTOR_BYTES,
        checksums: false,
        directory: DirectoryForm {
            tail_bytes: 0,
            root_entries_max: 508,
            node_entries_max: 511,
        },
    };

    /// ext2: ext3 without the journal.
    pub const EXT2: Self = Self {
        kind: Kind::Ext2,
        ..Self::EXT3.without_journal()
    };

    /// ext4 as `mke2fs -t ext4 -T default` made it until e2fsprogs 1.46, and as Debian makes it:
    /// ext3's features, and extent, 64bit, flex_bg; huge_file, dir_nlink, extra_isize,
    /// metadata_csum.
    pub const EXT4: Self = Self {
        kind: Kind::Ext4,
        features: Features {
            compat: 0x3c,
            incompat: 0x2c2,
            ro_compat: 0x46b,
        },
        block_map: BlockMap::Extents,
        uncounted_subdirectories: true,
        // The kernel leaves the last of 2^32 blocks out (`ext4_max_size`).
        file_bytes_max: u32::MAX as u64 * BLOCK_SIZE,
        descriptor_bytes: GROUP_DESCRIPTOR_64BIT_BYTES,
        checksums: true,
        directory: DirectoryForm {
            tail_bytes: DIRECTORY_TAIL_BYTES,
            root_entries_max: 507,
            node_entries_max: 510,
        },
        ..Self::EXT3
    };

    /// A kind with a journal as it is wanted.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for ext3 without a journal and ext2 with one, which are each other.
    pub fn of(kind: Kind, journal: JournalSize) -> Result<Self> {
        match (kind, journal) {
            (Kind::Ext2, JournalSize::Auto | JournalSize::None) => Ok(Self::EXT2),
            (Kind::Ext2, JournalSize::Mebibytes(size)) => Err(Error::unsupported(format!(
                "expected --fs ext2 without a journal, found --journal {size}M: ext2 with a journal is ext3 (--fs ext3)"
            ))),
            (Kind::Ext3, JournalSize::None) => Err(Error::unsupported(
                "expected --fs ext3 with a journal, found --journal none: ext3 without one is ext2 (--fs ext2)",
            )),
            (Kind::Ext3, _) => Ok(Self::EXT3),
            (Kind::Ext4, JournalSize::None) => Ok(Self::EXT4.without_journal()),
            (Kind::Ext4, _) => Ok(Self::EXT4),
        }
    }

    const fn without_journal(self) -> Self {
        Self {
            features: Features {
                compat: self.features.compat & !COMPAT_HAS_JOURNAL,
                ..self.features
            },
            min_blocks: MIN_BLOCKS,
            journal_steps: &[],
            ..self
        }
    }

    /// `i_links_count` of an inode with so many links, which the plan lets pass.
    pub fn stored_links(&self, links: u32) -> u16 {
        // links_max is far below 2^16.
        if links > self.links_max {
            1
        } else {
            links as u16
        }
    }

    /// Descriptors of groups in a block.
    pub fn descriptors_per_block(&self) -> u32 {
        (BLOCK_SIZE as usize / self.descriptor_bytes) as u32
    }

    /// The journal of a filesystem of so many blocks; `None` where mke2fs takes no such size.
    pub fn journal(&self, size: JournalSize, filesystem_blocks: u32) -> Option<Journal> {
        let blocks = match size {
            JournalSize::Auto => {
                let reached = |(from, _): &&(u32, u32)| *from <= filesystem_blocks;
                let step = self.journal_steps.iter().take_while(reached).last();
                step.map_or(0, |(_, blocks)| *blocks)
            }
            JournalSize::Mebibytes(size) if JournalSize::MEBIBYTES.contains(&size) => size << 8,
            JournalSize::Mebibytes(_) => return None,
            JournalSize::None => 0,
        };
        Some(Journal {
            blocks,
            map_blocks: match self.block_map {
                BlockMap::Indirect => indirect_blocks(blocks.into()) as u32,
                BlockMap::Extents => 0,
            },
            free_blocks_min: match size {
                JournalSize::Auto | JournalSize::None => 0,
                JournalSize::Mebibytes(_) => 2 * u64::from(blocks),
            },
        })
    }

    /// The last number of blocks for each journal that mke2fs chooses.
    pub fn journal_step_ends(&self) -> impl Iterator<Item = u32> {
        let beyond_the_first = self.journal_steps.iter().skip(1);
        let ends = beyond_the_first.map(|(from, _)| from - 1);
        ends.chain([u32::MAX])
    }
}

/// How large the journal is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JournalSize {
    /// What mke2fs chooses for the size of the filesystem.
    #[default]
    Auto,
    /// No journal.
    None,
    /// So many MiB, as `mke2fs -J size=` takes it: [`Self::MEBIBYTES`].
    Mebibytes(u32),
}

impl JournalSize {
    /// The sizes that can be chosen, in MiB.
    pub const MEBIBYTES: RangeInclusive<u32> = 4..=40_000;
}

/// As it is typed: `auto`, `none`, or whole MiB as in `16M`.
impl fmt::Display for JournalSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Mebibytes(size) => write!(f, "{size}M"),
        }
    }
}

impl FromStr for JournalSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => return Ok(Self::Auto),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let ByteSize(bytes) = text
            .parse()
            .map_err(|error| format!("{error}; or auto, or none"))?;
        match u32::try_from(bytes >> 20) {
            Ok(size) if Self::MEBIBYTES.contains(&size) && bytes.is_multiple_of(1 << 20) => {
                Ok(Self::Mebibytes(size))
            }
            _ => Err(format!(
                "'{text}' is neither auto nor none nor whole MiB from {}M to {}M",
                Self::MEBIBYTES.start(),
                Self::MEBIBYTES.end()
            )),
        }
    }
}

/// A journal with what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journal {
    /// Its blocks.
    pub blocks: u32,
    /// Blocks that map it.
    pub map_blocks: u32,
    /// Blocks to be free before there is anything but superblocks and descriptors (with `flex_bg`), or
    /// but them, bitmaps and tables: mke2fs refuses a chosen journal of more than half of them.
    pub free_blocks_min: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ext3_has_the_features_that_mke2fs_gives_it() {
        let names = Profile::EXT3.features.names().join(" ");
        assert_eq!(
            names,
            "has_journal ext_attr resize_inode dir_index filetype sparse_super large_file"
        );
        assert_eq!(Profile::EXT3.features.filesystem_type().name(), "ext3");
        assert_eq!(Profile::EXT3.kind.to_string(), "ext3");
    }

    #[test]
    fn kinds_and_journals_that_mean_nothing_are_refused_with_what_is_meant() {
        let of = |kind, journal| Profile::of(kind, journal);
        let chosen = JournalSize::Mebibytes(16);
        for (kind, journal, meant) in [
            (Kind::Ext2, chosen, "--fs ext3"),
            (Kind::Ext3, JournalSize::None, "--fs ext2"),
        ] {
            let error = of(kind, journal).unwrap_err().to_string();
            assert!(error.contains(meant), "{error}");
        }
        for (kind, journal, has_journal) in [
            (Kind::Ext2, JournalSize::Auto, false),
            (Kind::Ext2, JournalSize::None, false),
            (Kind::Ext3, JournalSize::Auto, true),
            (Kind::Ext3, chosen, true),
            (Kind::Ext4, JournalSize::Auto, true),
            (Kind::Ext4, chosen, true),
            (Kind::Ext4, JournalSize::None, false),
        ] {
            let profile = of(kind, journal).unwrap();
            assert_eq!(profile.features.has_journal(), has_journal);
            assert_eq!(profile.features.filesystem_type().name(), kind.to_string());
            let blocks = profile.journal(journal, 1 << 16).unwrap().blocks;
            assert_eq!(blocks > 0, has_journal);
        }
    }

    #[test]
    fn ext4_has_the_features_that_debians_mke2fs_gives_it() {
        assert_eq!(
            Profile::EXT4.features.names().join(" "),
            "has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg \
             sparse_super large_file huge_file dir_nlink extra_isize metadata_csum"
        );
        assert_eq!(Profile::EXT4.descriptors_per_block(), 64);
        let links = [2, 65_000, 65_001].map(|links| Profile::EXT4.stored_links(links));
        assert_eq!(links, [2, 65_000, 1]);
    }

    #[test]
    fn journals_change_in_size_right_after_their_ends_and_nowhere_else() {
        let blocks = |filesystem| {
            let journal = Profile::EXT3.journal(JournalSize::Auto, filesystem);
            journal.unwrap().blocks
        };
        assert_eq!((blocks(2047), blocks(2048)), (0, 1024));
        let ends: Vec<_> = Profile::EXT3.journal_step_ends().collect();
        let changes: Vec<_> = (12..32)
            .map(|power| (1 << power) - 1)
            .filter(|&end| blocks(end) != blocks(end + 1))
            .chain([u32::MAX])
            .collect();
        assert_eq!(ends, changes);
        assert_eq!(blocks(u32::MAX), 262_144);
    }

    #[test]
    fn a_journal_of_a_chosen_size_is_mapped_and_needs_twice_its_room() {
        let chosen = |size| Profile::EXT3.journal(JournalSize::Mebibytes(size), 65_536);
        assert_eq!(
            chosen(16),
            Some(Journal {
                blocks: 4096,
                map_blocks: 5,
                free_blocks_min: 8192
            })
        );
        assert_eq!((chosen(3), chosen(40_001)), (None, None));
        assert_eq!(chosen(40_000).unwrap().blocks, 10_240_000);
    }
}
