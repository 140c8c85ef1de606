//! The superblock: kernel documentation, `filesystems/ext4`, "Super Block".

use super::features::{Features, INCOMPAT_64BIT};
use super::{get_u16, get_u32, halves, put_u16, put_u32, short_halves};
use crate::units::GroupNumber;

/// Bytes of a superblock.
pub const SUPERBLOCK_BYTES: usize = 1024;

/// Where the primary superblock starts in the filesystem, in bytes.
pub const SUPERBLOCK_OFFSET_BYTES: u64 = 1024;

/// `s_magic`.
pub const MAGIC: u16 = 0xef53;

/// `s_log_block_size` of 64 KiB, the largest block.
pub const MAX_LOG_BLOCK_SIZE: u32 = 6;

/// `s_state`: cleanly unmounted.
pub const STATE_CLEAN: u16 = 0x1;
/// `s_state`: errors were found.
pub const STATE_ERRORS: u16 = 0x2;

/// `s_flags`: directory hashes take a name's bytes as signed.
pub const FLAGS_SIGNED_HASH: u32 = 0x1;
/// `s_flags`: directory hashes take a name's bytes as unsigned.
pub const FLAGS_UNSIGNED_HASH: u32 = 0x2;

const S_INODES_COUNT: usize = 0x00;
const S_BLOCKS_COUNT_LO: usize = 0x04;
const S_R_BLOCKS_COUNT_LO: usize = 0x08;
const S_FREE_BLOCKS_COUNT_LO: usize = 0x0c;
const S_FREE_INODES_COUNT: usize = 0x10;
const S_FIRST_DATA_BLOCK: usize = 0x14;
const S_LOG_BLOCK_SIZE: usize = 0x18;
const S_LOG_CLUSTER_SIZE: usize = 0x1c;
const S_BLOCKS_PER_GROUP: usize = 0x20;
const S_INODES_PER_GROUP: usize = 0x28;
const S_MTIME: usize = 0x2c;
const S_WTIME: usize = 0x30;
const S_MNT_COUNT: usize = 0x34;
const S_MAX_MNT_COUNT: usize = 0x36;
const S_MAGIC: usize = 0x38;
const S_STATE: usize = 0x3a;
const S_LASTCHECK: usize = 0x40;
const S_CHECKINTERVAL: usize = 0x44;
const S_REV_LEVEL: usize = 0x4c;
const S_FIRST_INO: usize = 0x54;
const S_INODE_SIZE: usize = 0x58;
const S_BLOCK_GROUP_NR: usize = 0x5a;
const S_FEATURE_COMPAT: usize = 0x5c;
const S_FEATURE_INCOMPAT: usize = 0x60;
const S_FEATURE_RO_COMPAT: usize = 0x64;
const S_UUID: usize = 0x68;
const S_VOLUME_NAME: usize = 0x78;
const S_LAST_MOUNTED: usize = 0x88;
const S_RESERVED_GDT_BLOCKS: usize = 0xce;
const S_JOURNAL_INUM: usize = 0xe0;
const S_HASH_SEED: usize = 0xec;
const S_DEF_HASH_VERSION: usize = 0xfc;
const S_DESC_SIZE: usize = 0xfe;
const S_FIRST_META_BG: usize = 0x104;
const S_MKFS_TIME: usize = 0x108;
const S_BLOCKS_COUNT_HI: usize = 0x150;
const S_R_BLOCKS_COUNT_HI: usize = 0x154;
const S_FREE_BLOCKS_COUNT_HI: usize = 0x158;
const S_FLAGS: usize = 0x160;
const S_KBYTES_WRITTEN: usize = 0x178;
const S_LOG_GROUPS_PER_FLEX: usize = 0x174;
const S_CHECKSUM_TYPE: usize = 0x175;
const S_BACKUP_BGS: usize = 0x24c;
const S_CHECKSUM_SEED: usize = 0x270;
const S_WTIME_HI: usize = 0x274;
const S_MTIME_HI: usize = 0x275;
const S_MKFS_TIME_HI: usize = 0x276;
const S_LASTCHECK_HI: usize = 0x277;

// What there is no field for without a revision or a feature.
const FIRST_INODE_OF_REVISION_0: u32 = 11;
const INODE_BYTES_OF_REVISION_0: u16 = 128;
const DESCRIPTOR_BYTES_OF_32_BITS: u16 = 32;

/// A superblock. Times are seconds since 1970, 0 for never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// `s_inodes_count`.
    pub inodes_count: u32,
    /// `s_blocks_count`.
    pub blocks_count: u64,
    /// `s_r_blocks_count`: blocks only root may take.
    pub reserved_blocks_count: u64,
    /// `s_free_blocks_count`.
    pub free_blocks_count: u64,
    /// `s_free_inodes_count`.
    pub free_inodes_count: u32,
    /// `s_first_data_block`: 0 for blocks over 1 KiB.
    pub first_data_block: u32,
    /// `s_log_block_size`: the block size is 1024 << this.
    pub log_block_size: u32,
    /// `s_log_cluster_size`: with `bigalloc` the unit of allocation is 1024 << this.
    pub log_cluster_size: u32,
    /// `s_blocks_per_group`.
    pub blocks_per_group: u32,
    /// `s_inodes_per_group`.
    pub inodes_per_group: u32,
    /// `s_mtime`: the last mount.
    pub mounted_seconds: u64,
    /// `s_wtime`: the last write.
    pub written_seconds: u64,
    /// `s_mnt_count`: mounts since the last check.
    pub mount_count: u16,
    /// `s_max_mnt_count`: mounts between forced checks, -1 for never.
    pub max_mount_count: i16,
    /// `s_magic`, to be held against [`MAGIC`].
    pub magic: u16,
    /// `s_state`: [`STATE_CLEAN`], [`STATE_ERRORS`].
    pub state: u16,
    /// `s_lastcheck`.
    pub checked_seconds: u64,
    /// `s_checkinterval`: seconds between forced checks, 0 for never.
    pub check_interval_seconds: u32,
    /// `s_rev_level`.
    pub revision: u32,
    /// `s_first_ino`: the first inode that is a file's.
    pub first_inode: u32,
    /// `s_inode_size` in bytes.
    pub inode_size_bytes: u16,
    /// `s_feature_compat`, `s_feature_incompat` and `s_feature_ro_compat`.
    pub features: Features,
    /// `s_uuid`.
    pub uuid: [u8; 16],
    /// `s_volume_name`: the label, up to its first NUL.
    pub volume_name: Box<[u8]>,
    /// `s_last_mounted`: where it was mounted last, up to the first NUL.
    pub last_mounted: Box<[u8]>,
    /// `s_reserved_gdt_blocks`.
    pub reserved_gdt_blocks: u16,
    /// `s_journal_inum`.
    pub journal_inode: u32,
    /// `s_hash_seed`, as the four words the hash starts from.
    pub hash_seed: [u32; 4],
    /// `s_def_hash_version`: 1 is half_md4.
    pub default_hash_version: u8,
    /// `s_desc_size`: bytes of a group descriptor.
    pub descriptor_size_bytes: u16,
    /// `s_first_meta_bg`: with `meta_bg` the first block of descriptors that lies in its own group.
    pub first_meta_bg: u32,
    /// `s_mkfs_time`.
    pub made_seconds: u64,
    /// `s_flags`.
    pub flags: u32,
    /// `s_log_groups_per_flex`: with `flex_bg` the tables of 2 to the power of this groups lie
    /// together.
    pub log_groups_per_flex: u8,
    /// `s_checksum_type`: 1 is crc32c.
    pub checksum_type: u8,
    /// `s_backup_bgs`: with `sparse_super2` the groups that hold a backup of the superblock.
    pub backup_groups: [u32; 2],
    /// `s_checksum_seed`: with `metadata_csum_seed` what checksums start with, in the UUID's place.
    pub checksum_seed: u32,
}

impl Superblock {
    /// Decodes a superblock, whatever it says. What its revision or its features leave without a
    /// field is as it was before there was one.
    pub fn decode(bytes: &[u8; SUPERBLOCK_BYTES]) -> Self {
        let features = Features {
            compat: get_u32(bytes, S_FEATURE_COMPAT),
            incompat: get_u32(bytes, S_FEATURE_INCOMPAT),
            ro_compat: get_u32(bytes, S_FEATURE_RO_COMPAT),
        };
        let is_64bit = features.incompat & INCOMPAT_64BIT != 0;
        let revision = get_u32(bytes, S_REV_LEVEL);
        let count = |low, high| {
            // Without the feature the high words belong to nobody.
            let high = if is_64bit { get_u32(bytes, high) } else { 0 };
            u64::from(high) << 32 | u64::from(get_u32(bytes, low))
        };
        let time = |low, high: usize| u64::from(bytes[high]) << 32 | u64::from(get_u32(bytes, low));
        let text = |at: usize, length: usize| -> Box<[u8]> {
            let text = &bytes[at..at + length];
            let end = text.iter().position(|byte| *byte == 0);
            text[..end.unwrap_or(length)].into()
        };
        Self {
            inodes_count: get_u32(bytes, S_INODES_COUNT),
            blocks_count: count(S_BLOCKS_COUNT_LO, S_BLOCKS_COUNT_HI),
            reserved_blocks_count: count(S_R_BLOCKS_COUNT_LO, S_R_BLOCKS_COUNT_HI),
            free_blocks_count: count(S_FREE_BLOCKS_COUNT_LO, S_FREE_BLOCKS_COUNT_HI),
            free_inodes_count: get_u32(bytes, S_FREE_INODES_COUNT),
            first_data_block: get_u32(bytes, S_FIRST_DATA_BLOCK),
            log_block_size: get_u32(bytes, S_LOG_BLOCK_SIZE),
            log_cluster_size: get_u32(bytes, S_LOG_CLUSTER_SIZE),
            blocks_per_group: get_u32(bytes, S_BLOCKS_PER_GROUP),
            inodes_per_group: get_u32(bytes, S_INODES_PER_GROUP),
            mounted_seconds: time(S_MTIME, S_MTIME_HI),
            written_seconds: time(S_WTIME, S_WTIME_HI),
            mount_count: get_u16(bytes, S_MNT_COUNT),
            max_mount_count: get_u16(bytes, S_MAX_MNT_COUNT).cast_signed(),
            magic: get_u16(bytes, S_MAGIC),
            state: get_u16(bytes, S_STATE),
            checked_seconds: time(S_LASTCHECK, S_LASTCHECK_HI),
            check_interval_seconds: get_u32(bytes, S_CHECKINTERVAL),
            revision,
            first_inode: match revision {
                0 => FIRST_INODE_OF_REVISION_0,
                _ => get_u32(bytes, S_FIRST_INO),
            },
            inode_size_bytes: match revision {
                0 => INODE_BYTES_OF_REVISION_0,
                _ => get_u16(bytes, S_INODE_SIZE),
            },
            features,
            uuid: std::array::from_fn(|at| bytes[S_UUID + at]),
            volume_name: text(S_VOLUME_NAME, 16),
            last_mounted: text(S_LAST_MOUNTED, 64),
            reserved_gdt_blocks: get_u16(bytes, S_RESERVED_GDT_BLOCKS),
            journal_inode: get_u32(bytes, S_JOURNAL_INUM),
            hash_seed: std::array::from_fn(|word| get_u32(bytes, S_HASH_SEED + 4 * word)),
            default_hash_version: bytes[S_DEF_HASH_VERSION],
            descriptor_size_bytes: if is_64bit {
                get_u16(bytes, S_DESC_SIZE)
            } else {
                DESCRIPTOR_BYTES_OF_32_BITS
            },
            first_meta_bg: get_u32(bytes, S_FIRST_META_BG),
            made_seconds: time(S_MKFS_TIME, S_MKFS_TIME_HI),
            flags: get_u32(bytes, S_FLAGS),
            log_groups_per_flex: bytes[S_LOG_GROUPS_PER_FLEX],
            checksum_type: bytes[S_CHECKSUM_TYPE],
            backup_groups: std::array::from_fn(|at| get_u32(bytes, S_BACKUP_BGS + 4 * at)),
            checksum_seed: get_u32(bytes, S_CHECKSUM_SEED),
        }
    }

    /// Bytes of a block; `None` where they are more than 64 KiB, as in no filesystem.
    pub fn block_bytes(&self) -> Option<u64> {
        (self.log_block_size <= MAX_LOG_BLOCK_SIZE).then(|| 1024 << self.log_block_size)
    }

    /// The filesystem's length; more than any file's where [`Self::block_bytes`] is `None`.
    pub fn bytes(&self) -> u64 {
        let block_bytes = self.block_bytes().unwrap_or(u64::MAX);
        self.blocks_count.saturating_mul(block_bytes)
    }

    /// Free blocks that an ordinary user may take, as statfs tells the kernel's word (`f_bavail`).
    pub fn available_blocks(&self) -> u64 {
        let kept = match self.features.has_extents() {
            true => kept_by_kernel(self.blocks_count),
            false => 0,
        };
        self.free_blocks_count
            .saturating_sub(self.reserved_blocks_count)
            .saturating_sub(kept)
    }
}

/// Blocks of a filesystem of so many that the kernel gives to nobody where files have extents, so
/// that it can always cut one: a fiftieth, at most 4096 (`ext4_set_resv_clusters` in
/// `fs/ext4/super.c`).
pub fn kept_by_kernel(blocks: u64) -> u64 {
    (blocks / 50).min(4096)
}

/// Sets the counts that change when a filesystem is filled.
pub fn set_free_counts(bytes: &mut [u8; SUPERBLOCK_BYTES], free_blocks: u32, free_inodes: u32) {
    put_u32(bytes, S_FREE_BLOCKS_COUNT_LO, free_blocks);
    put_u32(bytes, S_FREE_INODES_COUNT, free_inodes);
}

/// Sets what the filesystem is called, `s_uuid`.
pub fn set_uuid(bytes: &mut [u8; SUPERBLOCK_BYTES], uuid: [u8; 16]) {
    bytes[S_UUID..S_UUID + 16].copy_from_slice(&uuid);
}

/// Sets the times that mke2fs and tune2fs leave, in seconds since 1970, of which there are 40 bits.
pub fn set_times(bytes: &mut [u8; SUPERBLOCK_BYTES], seconds: u64) {
    for (low, high) in [
        (S_WTIME, S_WTIME_HI),
        (S_LASTCHECK, S_LASTCHECK_HI),
        (S_MKFS_TIME, S_MKFS_TIME_HI),
    ] {
        let (low_seconds, high_seconds) = halves(seconds);
        put_u32(bytes, low, low_seconds);
        bytes[high] = high_seconds.to_le_bytes()[0];
    }
}

/// Says that directory hashes take a name's bytes as signed, as on x86. mke2fs follows the
/// machine it runs on.
pub fn set_signed_hash(bytes: &mut [u8; SUPERBLOCK_BYTES]) {
    let flags = get_u32(bytes, S_FLAGS) & !FLAGS_UNSIGNED_HASH | FLAGS_SIGNED_HASH;
    put_u32(bytes, S_FLAGS, flags);
}

/// Forgets how much was ever written (`s_kbytes_written`), which each version of mke2fs counts in its
/// own way.
pub fn forget_written(bytes: &mut [u8; SUPERBLOCK_BYTES]) {
    bytes[S_KBYTES_WRITTEN..S_KBYTES_WRITTEN + 8].fill(0);
}

/// Turns a copy of the primary superblock into the backup that group `group` holds: mke2fs marks
/// a backup as not cleanly unmounted and gives it its group's number.
pub fn make_backup(bytes: &mut [u8; SUPERBLOCK_BYTES], group: GroupNumber) {
    put_u16(bytes, S_STATE, 0);
    // Groups beyond 16 bits have no field for their number; mke2fs cuts it off as well.
    put_u16(bytes, S_BLOCK_GROUP_NR, short_halves(group.0).0);
}

/// Whether a group holds a backup of the superblock and descriptors under `sparse_super`: groups
/// 0 and 1 and the powers of 3, 5 and 7. Group 0 holds the primary.
pub fn has_superblock(group: GroupNumber) -> bool {
    let is_power_of = |base: u32| {
        let mut power = base;
        while power < group.0 {
            match power.checked_mul(base) {
                Some(next) => power = next,
                None => return false,
            }
        }
        power == group.0
    };
    group.0 <= 1 || [3, 5, 7].into_iter().any(is_power_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills every byte with a value of its own within the field, so that a wrong offset or width
    /// shows; with the feature that makes numbers wide.
    fn numbered() -> [u8; SUPERBLOCK_BYTES] {
        let mut bytes = std::array::from_fn(|index| (index % 251) as u8);
        bytes[0x60..0x64].copy_from_slice(&INCOMPAT_64BIT.to_le_bytes());
        bytes
    }

    fn at32(offset: usize) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|i| ((offset + i) % 251) as u8))
    }

    fn at16(offset: usize) -> u16 {
        u16::from_le_bytes(std::array::from_fn(|i| ((offset + i) % 251) as u8))
    }

    #[test]
    fn every_field_is_read_at_the_offset_the_kernel_documents() {
        let wide = |low, high| u64::from(at32(high)) << 32 | u64::from(at32(low));
        let time = |low, high: u64| (high % 251) << 32 | u64::from(at32(low));
        let expected = Superblock {
            inodes_count: at32(0),
            blocks_count: wide(4, 0x150),
            reserved_blocks_count: wide(8, 0x154),
            free_blocks_count: wide(12, 0x158),
            free_inodes_count: at32(16),
            first_data_block: at32(20),
            log_block_size: at32(24),
            log_cluster_size: at32(28),
            blocks_per_group: at32(32),
            inodes_per_group: at32(40),
            mounted_seconds: time(44, 0x275),
            written_seconds: time(48, 0x274),
            mount_count: at16(52),
            max_mount_count: at16(54).cast_signed(),
            magic: at16(56),
            state: at16(58),
            checked_seconds: time(64, 0x277),
            check_interval_seconds: at32(68),
            revision: at32(76),
            first_inode: at32(84),
            inode_size_bytes: at16(88),
            features: Features {
                compat: at32(92),
                incompat: INCOMPAT_64BIT,
                ro_compat: at32(100),
            },
            uuid: std::array::from_fn(|at| 104 + at as u8),
            volume_name: (120..136).collect(),
            last_mounted: (136..200).collect(),
            reserved_gdt_blocks: at16(206),
            journal_inode: at32(224),
            hash_seed: [236, 240, 244, 248].map(at32),
            default_hash_version: (252 % 251) as u8,
            descriptor_size_bytes: at16(254),
            first_meta_bg: at32(260),
            made_seconds: time(264, 0x276),
            flags: at32(352),
            log_groups_per_flex: (0x174 % 251) as u8,
            checksum_type: (0x175 % 251) as u8,
            backup_groups: [588, 592].map(at32),
            checksum_seed: at32(0x270),
        };
        assert_eq!(Superblock::decode(&numbered()), expected);
    }

    #[test]
    fn what_old_filesystems_have_no_field_for_is_what_it_was_before() {
        let mut bytes = numbered();
        bytes[0x60..0x64].fill(0);
        bytes[0x7a] = 0;
        let narrow = Superblock::decode(&bytes);
        assert_eq!(narrow.blocks_count, u64::from(at32(4)));
        assert_eq!(narrow.descriptor_size_bytes, 32);
        assert_eq!(*narrow.volume_name, [0x78, 0x79]);
        bytes[0x4c..0x50].fill(0);
        let old = Superblock::decode(&bytes);
        assert_eq!((old.first_inode, old.inode_size_bytes), (11, 128));
    }

    #[test]
    fn patches_touch_their_fields_and_nothing_else() {
        let mut bytes = numbered();
        set_free_counts(&mut bytes, 7, 8);
        set_signed_hash(&mut bytes);
        set_times(&mut bytes, 0x0a_1234_5678);
        forget_written(&mut bytes);
        make_backup(&mut bytes, GroupNumber(9));
        let changed: Vec<_> = (0..SUPERBLOCK_BYTES)
            .filter(|&index| bytes[index] != numbered()[index])
            .collect();
        assert!(
            changed.iter().all(|index| matches!(
                index,
                12..20 | 48..52 | 58..60 | 64..68 | 90..92 | 264..268 | 352..356 | 376..384 | 628 | 630 | 631
            )),
            "{changed:?}"
        );
        let superblock = Superblock::decode(&bytes);
        assert_eq!((get_u32(&bytes, 12), get_u32(&bytes, 16)), (7, 8));
        assert_eq!(superblock.flags & 3, FLAGS_SIGNED_HASH);
        for (low, high) in [(48, 628), (64, 631), (264, 630)] {
            assert_eq!((get_u32(&bytes, low), bytes[high]), (0x1234_5678, 0x0a));
        }
        assert_eq!((superblock.state, get_u16(&bytes, 90)), (0, 9));
        assert_eq!(bytes[376..384], [0; 8]);
    }

    #[test]
    fn backups_are_in_groups_0_and_1_and_powers_of_3_5_and_7() {
        let backups: Vec<_> = (0..400)
            .filter(|&group| has_superblock(GroupNumber(group)))
            .collect();
        assert_eq!(backups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343]);
        assert!(!has_superblock(GroupNumber(u32::MAX)));
    }
}
