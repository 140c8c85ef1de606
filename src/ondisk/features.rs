//! Feature flags by the names that e2fsprogs gives them (`ext4(5)`), and what they make of a
//! filesystem.

use std::fmt;

/// `s_feature_compat`: there is a journal, in an inode or elsewhere.
pub const COMPAT_HAS_JOURNAL: u32 = 0x4;
/// `s_feature_compat`: directories may have hash indexes.
pub const COMPAT_DIR_INDEX: u32 = 0x20;
/// `s_feature_compat`: backups are in the groups that `s_backup_bgs` names.
pub const COMPAT_SPARSE_SUPER2: u32 = 0x200;
/// `s_feature_incompat`: directory entries tell types.
pub const INCOMPAT_FILETYPE: u32 = 0x2;
/// `s_feature_incompat`: the journal holds what has yet to be written to its place.
pub const INCOMPAT_RECOVER: u32 = 0x4;
/// `s_feature_incompat`: no filesystem but a journal for others.
pub const INCOMPAT_JOURNAL_DEV: u32 = 0x8;
/// `s_feature_incompat`: group descriptors lie in the groups that they describe.
pub const INCOMPAT_META_BG: u32 = 0x10;
/// `s_feature_incompat`: block numbers of 64 bits.
pub const INCOMPAT_64BIT: u32 = 0x80;
/// Files may be mapped by extents.
pub const INCOMPAT_EXTENTS: u32 = 0x40;
/// `s_feature_incompat`: bitmaps and tables of several groups lie together.
pub const INCOMPAT_FLEX_BG: u32 = 0x200;
/// `s_feature_incompat`: values of attributes may be in inodes of their own.
pub const INCOMPAT_EA_INODE: u32 = 0x400;
/// `s_feature_incompat`: directories of 4 GiB and more.
pub const INCOMPAT_LARGE_DIR: u32 = 0x4000;
/// `s_feature_incompat`: contents may be in their inodes.
pub const INCOMPAT_INLINE_DATA: u32 = 0x8000;
/// `s_feature_incompat`: checksums start with a stored seed, not with the UUID.
pub const INCOMPAT_CSUM_SEED: u32 = 0x2000;
/// `s_feature_ro_compat`: backups are in few groups.
pub const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
/// `s_feature_ro_compat`: `i_blocks` has 48 bits and may count blocks.
pub const RO_COMPAT_HUGE_FILE: u32 = 0x8;
/// `s_feature_ro_compat`: group descriptors have checksums (`uninit_bg`).
pub const RO_COMPAT_GDT_CSUM: u32 = 0x10;
/// `s_feature_ro_compat`: a directory with a link count of 1 has more than can be counted.
pub const RO_COMPAT_DIR_NLINK: u32 = 0x20;
/// `s_feature_ro_compat`: blocks are allocated by the cluster.
pub const RO_COMPAT_BIGALLOC: u32 = 0x200;
/// `s_feature_ro_compat`: all metadata has checksums.
pub const RO_COMPAT_METADATA_CSUM: u32 = 0x400;
/// `s_feature_ro_compat`: files may have blocks in common.
pub const RO_COMPAT_SHARED_BLOCKS: u32 = 0x4000;

/// Incompatible features that drivers of ext2 and ext3 know.
const INCOMPAT_OF_EXT3: u32 = INCOMPAT_FILETYPE | INCOMPAT_RECOVER | INCOMPAT_META_BG;
/// Read-only features that drivers of ext2 and ext3 know: sparse_super, large_file, btree
/// directories.
const RO_COMPAT_OF_EXT3: u32 = 0x7;

type Names = [(u32, &'static str)];

const COMPAT: &Names = &[
    (0x1, "dir_prealloc"),
    (0x2, "imagic_inodes"),
    (0x4, "has_journal"),
    (0x8, "ext_attr"),
    (0x10, "resize_inode"),
    (0x20, "dir_index"),
    (0x40, "lazy_bg"),
    (0x100, "snapshot_bitmap"),
    (0x200, "sparse_super2"),
    (0x400, "fast_commit"),
    (0x800, "stable_inodes"),
    (0x1000, "orphan_file"),
];

const INCOMPAT: &Names = &[
    (0x1, "compression"),
    (0x2, "filetype"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x10000, "encrypt"),
    (0x20000, "casefold"),
];

const RO_COMPAT: &Names = &[
    (0x1, "sparse_super"),
    (0x2, "large_file"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x400, "metadata_csum"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (0x10000, "orphan_present"),
];

/// What a filesystem is, by its features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesystemType {
    /// Without a journal.
    Ext2,
    /// With a journal.
    Ext3,
    /// With anything that ext3 does not know.
    Ext4,
    /// No filesystem but a journal for others.
    Journal,
}

impl FilesystemType {
    /// The name that the kernel or, for a journal, e2fsprogs knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Journal => "jbd",
        }
    }
}

impl fmt::Display for FilesystemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The three words of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// `s_feature_compat`.
    pub compat: u32,
    /// `s_feature_incompat`.
    pub incompat: u32,
    /// `s_feature_ro_compat`.
    pub ro_compat: u32,
}

impl Features {
    /// The type that a driver would be chosen by.
    pub fn filesystem_type(self) -> FilesystemType {
        let is_beyond_ext3 =
            self.incompat & !INCOMPAT_OF_EXT3 != 0 || self.ro_compat & !RO_COMPAT_OF_EXT3 != 0;
        if self.has_incompat(INCOMPAT_JOURNAL_DEV) {
            FilesystemType::Journal
        } else if is_beyond_ext3 {
            FilesystemType::Ext4
        } else if self.has_journal() {
            FilesystemType::Ext3
        } else {
            FilesystemType::Ext2
        }
    }

    /// Whether `s_feature_incompat` has a feature.
    pub fn has_incompat(self, feature: u32) -> bool {
        self.incompat & feature != 0
    }

    /// Whether `s_feature_ro_compat` has a feature.
    pub fn has_ro_compat(self, feature: u32) -> bool {
        self.ro_compat & feature != 0
    }

    /// Whether files may be mapped by extents.
    pub fn has_extents(self) -> bool {
        self.has_incompat(INCOMPAT_EXTENTS)
    }

    /// Whether there is a journal, inside or elsewhere.
    pub fn has_journal(self) -> bool {
        self.compat & COMPAT_HAS_JOURNAL != 0
    }

    /// Whether the journal holds what has yet to be written to its place.
    pub fn needs_recovery(self) -> bool {
        self.has_incompat(INCOMPAT_RECOVER)
    }

    /// The names, in the order in which dumpe2fs lists them; what has none is `FEATURE_` with C, I
    /// or R for the word and the bit's number.
    pub fn names(self) -> Vec<String> {
        let words = [
            ('C', self.compat, COMPAT),
            ('I', self.incompat, INCOMPAT),
            ('R', self.ro_compat, RO_COMPAT),
        ];
        let mut found = Vec::new();
        for (letter, word, names) in words {
            for bit in (0..32).filter(|bit| word & 1 << bit != 0) {
                let name = names.iter().find(|(mask, _)| *mask == 1 << bit);
                found.push(match name {
                    Some((_, name)) => (*name).to_owned(),
                    None => format!("FEATURE_{letter}{bit}"),
                });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXT3: Features = Features {
        compat: 0x3c,
        incompat: 0x2,
        ro_compat: 0x3,
    };

    #[test]
    fn features_make_the_type() {
        let without_journal = Features {
            compat: EXT3.compat & !4,
            ..EXT3
        };
        let with_extents = Features {
            incompat: EXT3.incompat | 0x40,
            ..without_journal
        };
        let journal = Features {
            incompat: INCOMPAT_JOURNAL_DEV,
            ..EXT3
        };
        let unclean = Features {
            incompat: EXT3.incompat | INCOMPAT_RECOVER,
            ..EXT3
        };
        let types = [EXT3, without_journal, with_extents, journal, unclean];
        let types = types.map(|features| features.filesystem_type().name());
        assert_eq!(types, ["ext3", "ext2", "ext4", "jbd", "ext3"]);
    }

    #[test]
    fn unknown_features_are_told_by_word_and_bit() {
        let odd = Features {
            compat: 1 << 31,
            incompat: 1 << 5,
            ro_compat: 1 << 2 | 1,
        };
        assert_eq!(
            odd.names(),
            ["FEATURE_C31", "FEATURE_I5", "sparse_super", "FEATURE_R2"]
        );
    }
}
