//! Feature flags by the names that e2fsprogs gives them (`ext4(5)`), and what they make of a
//! filesystem.

/// `s_feature_incompat`: the journal holds what has yet to be written to its place.
pub const INCOMPAT_RECOVER: u32 = 0x4;
/// `s_feature_incompat`: no filesystem but a journal for others.
pub const INCOMPAT_JOURNAL_DEV: u32 = 0x8;
/// `s_feature_incompat`: block numbers of 64 bits.
pub const INCOMPAT_64BIT: u32 = 0x80;

/// Incompatible features that an ext3 driver knows: filetype, needs_recovery, meta_bg.
const INCOMPAT_OF_EXT3: u32 = 0x2 | INCOMPAT_RECOVER | 0x10;
/// Read-only features that an ext3 driver knows: sparse_super, large_file, btree directories.
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
    /// The type that a driver would be chosen by: ext2, ext3 or ext4, or `jbd` for a journal alone.
    pub fn filesystem_type(self) -> &'static str {
        let is_beyond_ext3 =
            self.incompat & !INCOMPAT_OF_EXT3 != 0 || self.ro_compat & !RO_COMPAT_OF_EXT3 != 0;
        if self.incompat & INCOMPAT_JOURNAL_DEV != 0 {
            "jbd"
        } else if is_beyond_ext3 {
            "ext4"
        } else if self.compat & super::superblock::COMPAT_HAS_JOURNAL != 0 {
            "ext3"
        } else {
            "ext2"
        }
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
        let types = types.map(Features::filesystem_type);
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
