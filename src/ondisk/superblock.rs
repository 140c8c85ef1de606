//! The superblock: kernel documentation, `filesystems/ext4`, "Super Block".

use super::{get_u16, get_u32, put_u16, put_u32};
use crate::units::GroupNumber;

/// Bytes of a superblock.
pub const SUPERBLOCK_BYTES: usize = 1024;

/// Where the primary superblock starts in the filesystem, in bytes.
pub const SUPERBLOCK_OFFSET_BYTES: u64 = 1024;

/// `s_magic`.
pub const MAGIC: u16 = 0xef53;

/// `s_feature_compat`: there is a journal in inode `s_journal_inum`.
pub const COMPAT_HAS_JOURNAL: u32 = 0x4;

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
const S_MAX_MNT_COUNT: usize = 0x36;
const S_WTIME: usize = 0x30;
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
const S_RESERVED_GDT_BLOCKS: usize = 0xce;
const S_JOURNAL_INUM: usize = 0xe0;
const S_HASH_SEED: usize = 0xec;
const S_DEF_HASH_VERSION: usize = 0xfc;
const S_DESC_SIZE: usize = 0xfe;
const S_FIRST_META_BG: usize = 0x104;
const S_MKFS_TIME: usize = 0x108;
const S_BLOCKS_COUNT_HI: usize = 0x150;
const S_FLAGS: usize = 0x160;
const S_WTIME_HI: usize = 0x274;
const S_MKFS_TIME_HI: usize = 0x276;
const S_LASTCHECK_HI: usize = 0x277;
const S_BACKUP_BGS: usize = 0x24c;

/// The fields layerpress reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// `s_inodes_count`.
    pub inodes_count: u32,
    /// `s_blocks_count`.
    pub blocks_count: u32,
    /// `s_r_blocks_count`: blocks only root may take.
    pub reserved_blocks_count: u32,
    /// `s_free_blocks_count`.
    pub free_blocks_count: u32,
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
    /// `s_max_mnt_count`: mounts between forced checks, -1 for never.
    pub max_mount_count: i16,
    /// `s_checkinterval`: seconds between forced checks, 0 for never.
    pub check_interval_seconds: u32,
    /// `s_magic`, to be held against [`MAGIC`].
    pub magic: u16,
    /// `s_state`: 1 when cleanly unmounted.
    pub state: u16,
    /// `s_rev_level`.
    pub revision: u32,
    /// `s_first_ino`.
    pub first_inode: u32,
    /// `s_inode_size` in bytes.
    pub inode_size_bytes: u16,
    /// `s_feature_compat`.
    pub feature_compat: u32,
    /// `s_feature_incompat`.
    pub feature_incompat: u32,
    /// `s_feature_ro_compat`.
    pub feature_ro_compat: u32,
    /// `s_uuid`.
    pub uuid: [u8; 16],
    /// `s_reserved_gdt_blocks`.
    pub reserved_gdt_blocks: u16,
    /// `s_journal_inum`.
    pub journal_inode: u32,
    /// `s_hash_seed`, as the four words the hash starts from.
    pub hash_seed: [u32; 4],
    /// `s_def_hash_version`: 1 is half_md4.
    pub default_hash_version: u8,
    /// `s_desc_size`: bytes of a group descriptor, with the `64bit` feature.
    pub descriptor_size_bytes: u16,
    /// `s_first_meta_bg`: with `meta_bg` the first block of descriptors that lies in its own group.
    pub first_meta_bg: u32,
    /// `s_blocks_count_hi`: with the `64bit` feature the upper half of the count of blocks.
    pub blocks_count_high: u32,
    /// `s_mkfs_time`, seconds since 1970.
    pub made_seconds: u32,
    /// `s_flags`.
    pub flags: u32,
    /// `s_backup_bgs`: with `sparse_super2` the groups that hold a backup of the superblock.
    pub backup_groups: [u32; 2],
}

impl Superblock {
    /// Decodes a superblock, whatever it says.
    pub fn decode(bytes: &[u8; SUPERBLOCK_BYTES]) -> Self {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[S_UUID..S_UUID + 16]);
        Self {
            inodes_count: get_u32(bytes, S_INODES_COUNT),
            blocks_count: get_u32(bytes, S_BLOCKS_COUNT_LO),
            reserved_blocks_count: get_u32(bytes, S_R_BLOCKS_COUNT_LO),
            free_blocks_count: get_u32(bytes, S_FREE_BLOCKS_COUNT_LO),
            free_inodes_count: get_u32(bytes, S_FREE_INODES_COUNT),
            first_data_block: get_u32(bytes, S_FIRST_DATA_BLOCK),
            log_block_size: get_u32(bytes, S_LOG_BLOCK_SIZE),
            log_cluster_size: get_u32(bytes, S_LOG_CLUSTER_SIZE),
            blocks_per_group: get_u32(bytes, S_BLOCKS_PER_GROUP),
            inodes_per_group: get_u32(bytes, S_INODES_PER_GROUP),
            max_mount_count: get_u16(bytes, S_MAX_MNT_COUNT).cast_signed(),
            check_interval_seconds: get_u32(bytes, S_CHECKINTERVAL),
            magic: get_u16(bytes, S_MAGIC),
            state: get_u16(bytes, S_STATE),
            revision: get_u32(bytes, S_REV_LEVEL),
            first_inode: get_u32(bytes, S_FIRST_INO),
            inode_size_bytes: get_u16(bytes, S_INODE_SIZE),
            feature_compat: get_u32(bytes, S_FEATURE_COMPAT),
            feature_incompat: get_u32(bytes, S_FEATURE_INCOMPAT),
            feature_ro_compat: get_u32(bytes, S_FEATURE_RO_COMPAT),
            uuid,
            reserved_gdt_blocks: get_u16(bytes, S_RESERVED_GDT_BLOCKS),
            journal_inode: get_u32(bytes, S_JOURNAL_INUM),
            hash_seed: std::array::from_fn(|word| get_u32(bytes, S_HASH_SEED + 4 * word)),
            default_hash_version: bytes[S_DEF_HASH_VERSION],
            descriptor_size_bytes: get_u16(bytes, S_DESC_SIZE),
            first_meta_bg: get_u32(bytes, S_FIRST_META_BG),
            blocks_count_high: get_u32(bytes, S_BLOCKS_COUNT_HI),
            made_seconds: get_u32(bytes, S_MKFS_TIME),
            flags: get_u32(bytes, S_FLAGS),
            backup_groups: std::array::from_fn(|at| get_u32(bytes, S_BACKUP_BGS + 4 * at)),
        }
    }
}

/// Sets the counts that change when a filesystem is filled.
pub fn set_free_counts(bytes: &mut [u8; SUPERBLOCK_BYTES], free_blocks: u32, free_inodes: u32) {
    put_u32(bytes, S_FREE_BLOCKS_COUNT_LO, free_blocks);
    put_u32(bytes, S_FREE_INODES_COUNT, free_inodes);
}

/// Sets the times that mke2fs and tune2fs leave, in seconds since 1970, of which there are 40 bits.
pub fn set_times(bytes: &mut [u8; SUPERBLOCK_BYTES], seconds: u64) {
    for (low, high) in [
        (S_WTIME, S_WTIME_HI),
        (S_LASTCHECK, S_LASTCHECK_HI),
        (S_MKFS_TIME, S_MKFS_TIME_HI),
    ] {
        put_u32(bytes, low, seconds as u32);
        bytes[high] = (seconds >> 32) as u8;
    }
}

/// Says that directory hashes take a name's bytes as signed, as on x86. mke2fs follows the
/// machine it runs on.
pub fn set_signed_hash(bytes: &mut [u8; SUPERBLOCK_BYTES]) {
    let flags = get_u32(bytes, S_FLAGS) & !FLAGS_UNSIGNED_HASH | FLAGS_SIGNED_HASH;
    put_u32(bytes, S_FLAGS, flags);
}

/// Turns a copy of the primary superblock into the backup that group `group` holds: mke2fs marks
/// a backup as not cleanly unmounted and gives it its group's number.
pub fn make_backup(bytes: &mut [u8; SUPERBLOCK_BYTES], group: GroupNumber) {
    put_u16(bytes, S_STATE, 0);
    // Groups beyond 16 bits have no field for their number; mke2fs cuts it off as well.
    put_u16(bytes, S_BLOCK_GROUP_NR, (group.0 & 0xffff) as u16);
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
    /// shows.
    fn numbered() -> [u8; SUPERBLOCK_BYTES] {
        std::array::from_fn(|index| (index % 251) as u8)
    }

    fn at32(offset: u32) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|i| ((offset as usize + i) % 251) as u8))
    }

    fn at16(offset: u16) -> u16 {
        u16::from_le_bytes(std::array::from_fn(|i| ((offset as usize + i) % 251) as u8))
    }

    #[test]
    fn every_field_is_read_at_the_offset_the_kernel_documents() {
        let superblock = Superblock::decode(&numbered());
        assert_eq!(superblock.inodes_count, at32(0));
        assert_eq!(superblock.blocks_count, at32(4));
        assert_eq!(superblock.reserved_blocks_count, at32(8));
        assert_eq!(superblock.free_blocks_count, at32(12));
        assert_eq!(superblock.free_inodes_count, at32(16));
        assert_eq!(superblock.first_data_block, at32(20));
        assert_eq!(superblock.log_block_size, at32(24));
        assert_eq!(superblock.log_cluster_size, at32(28));
        assert_eq!(superblock.blocks_per_group, at32(32));
        assert_eq!(superblock.inodes_per_group, at32(40));
        assert_eq!(superblock.max_mount_count, at16(54) as i16);
        assert_eq!(superblock.magic, at16(56));
        assert_eq!(superblock.state, at16(58));
        assert_eq!(superblock.check_interval_seconds, at32(68));
        assert_eq!(superblock.revision, at32(76));
        assert_eq!(superblock.first_inode, at32(84));
        assert_eq!(superblock.inode_size_bytes, at16(88));
        assert_eq!(superblock.feature_compat, at32(92));
        assert_eq!(superblock.feature_incompat, at32(96));
        assert_eq!(superblock.feature_ro_compat, at32(100));
        assert_eq!(superblock.uuid[0], 104);
        assert_eq!(superblock.reserved_gdt_blocks, at16(206));
        assert_eq!(superblock.journal_inode, at32(224));
        assert_eq!(superblock.hash_seed[0], at32(236));
        assert_eq!(superblock.hash_seed[3], at32(248));
        assert_eq!(superblock.default_hash_version, (252 % 251) as u8);
        assert_eq!(superblock.descriptor_size_bytes, at16(254));
        assert_eq!(superblock.first_meta_bg, at32(260));
        assert_eq!(superblock.blocks_count_high, at32(336));
        assert_eq!(superblock.made_seconds, at32(264));
        assert_eq!(superblock.flags, at32(352));
        assert_eq!(superblock.backup_groups, [at32(588), at32(592)]);
    }

    #[test]
    fn patches_touch_their_fields_and_nothing_else() {
        let mut bytes = numbered();
        set_free_counts(&mut bytes, 7, 8);
        set_signed_hash(&mut bytes);
        set_times(&mut bytes, 0x0a_1234_5678);
        make_backup(&mut bytes, GroupNumber(9));
        let changed: Vec<_> = (0..SUPERBLOCK_BYTES)
            .filter(|&index| bytes[index] != numbered()[index])
            .collect();
        assert!(
            changed.iter().all(|index| matches!(
                index,
                12..20 | 48..52 | 58..60 | 64..68 | 90..92 | 264..268 | 352..356 | 628 | 630 | 631
            )),
            "{changed:?}"
        );
        let superblock = Superblock::decode(&bytes);
        assert_eq!(
            (superblock.free_blocks_count, superblock.free_inodes_count),
            (7, 8)
        );
        assert_eq!(superblock.flags & 3, FLAGS_SIGNED_HASH);
        for (low, high) in [(48, 628), (64, 631), (264, 630)] {
            assert_eq!((get_u32(&bytes, low), bytes[high]), (0x1234_5678, 0x0a));
        }
        assert_eq!((superblock.state, get_u16(&bytes, 90)), (0, 9));
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
