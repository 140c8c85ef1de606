//! Inodes, as they are written and as they are found in any ext filesystem: kernel documentation,
//! "Index Nodes".

use super::{get_u16, get_u32, halves, put_u16, put_u32, short_halves};
use crate::units::{BlockNumber, FileFlags, GroupNumber, InodeNumber, Timestamp};

/// Bytes of the smallest inode, and of every inode's oldest part.
pub const CORE_BYTES: usize = 128;

/// Bytes of an inode as layerpress formats.
pub const INODE_BYTES: usize = 256;

/// `i_extra_isize`: how much of the inode beyond 128 bytes its fixed fields take.
pub const EXTRA_ISIZE: u16 = 32;

/// Where extended attributes in the inode start.
pub const IN_INODE_XATTR_OFFSET: usize = CORE_BYTES + EXTRA_ISIZE as usize;

/// `i_flags`: the directory has a hash index.
pub const FLAG_INDEX: u32 = 0x1000;

/// `i_flags`: the content is encrypted.
pub const FLAG_ENCRYPT: u32 = 0x800;
/// `i_flags`: `i_blocks` counts blocks.
pub const FLAG_HUGE_FILE: u32 = 0x4_0000;
/// `i_flags`: `i_block` holds an extent tree.
pub const FLAG_EXTENTS: u32 = 0x8_0000;
/// `i_flags`: it holds an extended attribute's value.
pub const FLAG_EA_INODE: u32 = 0x20_0000;
/// `i_flags`: the content is in the inode.
pub const FLAG_INLINE_DATA: u32 = 0x1000_0000;

/// The letters that `lsattr` shows flags by, in its order.
pub const FLAG_LETTERS: [(u32, char); 21] = [
    (FileFlags::SECURE_DELETION.bits(), 's'),
    (FileFlags::UNDELETE.bits(), 'u'),
    (FileFlags::SYNC.bits(), 'S'),
    (FileFlags::DIRSYNC.bits(), 'D'),
    (FileFlags::IMMUTABLE.bits(), 'i'),
    (FileFlags::APPEND.bits(), 'a'),
    (FileFlags::NODUMP.bits(), 'd'),
    (FileFlags::NOATIME.bits(), 'A'),
    (FileFlags::COMPRESS.bits(), 'c'),
    (FLAG_ENCRYPT, 'E'),
    (FileFlags::JOURNAL.bits(), 'j'),
    (FLAG_INDEX, 'I'),
    (FileFlags::NOTAIL.bits(), 't'),
    (FileFlags::TOPDIR.bits(), 'T'),
    (FLAG_EXTENTS, 'e'),
    (FileFlags::NOCOW.bits(), 'C'),
    (FileFlags::DAX.bits(), 'x'),
    (0x4000_0000, 'F'),
    (FLAG_INLINE_DATA, 'N'),
    (FileFlags::PROJECT.bits(), 'P'),
    (0x10_0000, 'V'),
];

/// In which group's table an inode is, and at which place in it, counted from 0. Inodes count from 1.
pub fn place(number: InodeNumber, inodes_per_group: u32) -> (GroupNumber, u32) {
    let index = number.0 - 1;
    (
        GroupNumber(index / inodes_per_group),
        index % inodes_per_group,
    )
}

/// The earliest second an inode holds: 1901-12-13.
pub const EARLIEST_SECOND: i64 = i32::MIN as i64;
/// The latest second that is written: 2310-04-04T16:10:39. The two bits beyond 32 reach to
/// 2446-05-10, but the 68 years that follow are what older kernels wrote for times before 1970,
/// and e2fsck turns them into these.
pub const LATEST_SECOND: i64 = (2_i64 << 32) + i32::MAX as i64;

/// Bytes of `i_block`, and with it the longest symlink target that needs no block, plus one.
pub const I_BLOCK_BYTES: usize = 60;

const I_MODE: usize = 0x00;
const I_UID: usize = 0x02;
const I_SIZE_LO: usize = 0x04;
const I_ATIME: usize = 0x08;
const I_CTIME: usize = 0x0c;
const I_MTIME: usize = 0x10;
const I_GID: usize = 0x18;
const I_LINKS_COUNT: usize = 0x1a;
const I_BLOCKS_LO: usize = 0x1c;
const I_FLAGS: usize = 0x20;
const I_BLOCK: usize = 0x28;
pub(super) const I_GENERATION: usize = 0x64;
const I_FILE_ACL_LO: usize = 0x68;
const I_SIZE_HIGH: usize = 0x6c;
const L_I_BLOCKS_HIGH: usize = 0x74;
const L_I_FILE_ACL_HIGH: usize = 0x76;
const L_I_UID_HIGH: usize = 0x78;
const L_I_GID_HIGH: usize = 0x7a;
const I_EXTRA_ISIZE: usize = 0x80;
const I_CTIME_EXTRA: usize = 0x84;
const I_MTIME_EXTRA: usize = 0x88;
const I_ATIME_EXTRA: usize = 0x8c;
const I_CRTIME: usize = 0x90;
const I_CRTIME_EXTRA: usize = 0x94;

/// An inode's type: the top four bits of `i_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum FileType {
    /// A FIFO.
    Fifo = 0x1000,
    /// A character device.
    CharacterDevice = 0x2000,
    /// A directory.
    Directory = 0x4000,
    /// A block device.
    BlockDevice = 0x6000,
    /// A regular file.
    Regular = 0x8000,
    /// A symbolic link.
    Symlink = 0xa000,
}

impl FileType {
    /// The type as a directory entry names it (`file_type`).
    pub fn directory_entry_type(self) -> u8 {
        match self {
            Self::Regular => 1,
            Self::Directory => 2,
            Self::CharacterDevice => 3,
            Self::BlockDevice => 4,
            Self::Fifo => 5,
            Self::Symlink => 7,
        }
    }
}

/// An inode to be written. All four times are the modification time: nothing else is known of
/// an image's entry, and the clock is not to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    /// The type.
    pub file_type: FileType,
    /// Permission, setuid, setgid and sticky bits.
    pub permissions: u16,
    /// `i_uid` and `l_i_uid_high`.
    pub uid: u32,
    /// `i_gid` and `l_i_gid_high`.
    pub gid: u32,
    /// `i_size`; for anything but a regular file below 2^32.
    pub size_bytes: u64,
    /// All four times; seconds within [`EARLIEST_SECOND`] and [`LATEST_SECOND`].
    pub time: Timestamp,
    /// `i_links_count`.
    pub links_count: u16,
    /// `i_blocks`, in sectors of 512 bytes: 48 bits, of which only kinds with `huge_file` keep more
    /// than 32.
    pub sectors: u64,
    /// `i_flags`.
    pub flags: u32,
    /// `i_block`: block pointers, extents, a short symlink's target or device numbers.
    pub i_block: [u8; I_BLOCK_BYTES],
    /// `i_file_acl`: the extended attribute block.
    pub xattr_block: Option<BlockNumber>,
    /// What follows the fixed fields: extended attributes in the inode, or zeros.
    pub in_inode_xattrs: [u8; INODE_BYTES - IN_INODE_XATTR_OFFSET],
}

impl Inode {
    /// The inode's bytes.
    pub fn encode(&self) -> [u8; INODE_BYTES] {
        let mut bytes = [0; INODE_BYTES];
        let permissions = self.permissions & 0o7777;
        put_u16(&mut bytes, I_MODE, self.file_type as u16 | permissions);
        for (id, low, high) in [
            (self.uid, I_UID, L_I_UID_HIGH),
            (self.gid, I_GID, L_I_GID_HIGH),
        ] {
            let (id_low, id_high) = short_halves(id);
            put_u16(&mut bytes, low, id_low);
            put_u16(&mut bytes, high, id_high);
        }
        let (size_low, size_high) = halves(self.size_bytes);
        put_u32(&mut bytes, I_SIZE_LO, size_low);
        if self.file_type == FileType::Regular {
            // In other types this word is something else.
            put_u32(&mut bytes, I_SIZE_HIGH, size_high);
        }
        put_u16(&mut bytes, I_LINKS_COUNT, self.links_count);
        let (sectors_low, sectors_high) = halves(self.sectors);
        put_u32(&mut bytes, I_BLOCKS_LO, sectors_low);
        put_u16(&mut bytes, L_I_BLOCKS_HIGH, short_halves(sectors_high).0);
        put_u32(&mut bytes, I_FLAGS, self.flags);
        bytes[I_BLOCK..I_BLOCK + I_BLOCK_BYTES].copy_from_slice(&self.i_block);
        let xattr_block = self.xattr_block.map_or(0, |block| block.0);
        put_u32(&mut bytes, I_FILE_ACL_LO, xattr_block);
        put_u16(&mut bytes, I_EXTRA_ISIZE, EXTRA_ISIZE);
        set_times(&mut bytes, self.time);
        bytes[IN_INODE_XATTR_OFFSET..].copy_from_slice(&self.in_inode_xattrs);
        bytes
    }
}

/// Sets all four times of an inode, within [`EARLIEST_SECOND`] and [`LATEST_SECOND`].
pub fn set_times(bytes: &mut [u8; INODE_BYTES], time: Timestamp) {
    let (low, extra) = encode_time(time);
    for (offset, extra_offset) in [
        (I_ATIME, I_ATIME_EXTRA),
        (I_CTIME, I_CTIME_EXTRA),
        (I_MTIME, I_MTIME_EXTRA),
        (I_CRTIME, I_CRTIME_EXTRA),
    ] {
        put_u32(bytes, offset, low);
        put_u32(bytes, extra_offset, extra);
    }
}

/// A time as its signed low 32 bits and the word with two more bits and the nanoseconds.
fn encode_time(time: Timestamp) -> (u32, u32) {
    let (low, _) = halves(time.seconds.cast_unsigned());
    let (_, epoch) = halves((time.seconds - i64::from(low.cast_signed())).cast_unsigned());
    (low, time.nanoseconds << 2 | epoch & 3)
}

/// Device numbers as they stand in `i_block`: the old 16-bit form where it can hold them.
pub fn encode_device(major: u32, minor: u32) -> [u8; I_BLOCK_BYTES] {
    let mut bytes = [0; I_BLOCK_BYTES];
    if major < 256 && minor < 256 {
        put_u32(&mut bytes, 0, major << 8 | minor);
    } else {
        put_u32(
            &mut bytes,
            4,
            minor & 0xff | major << 8 | (minor & !0xff) << 12,
        );
    }
    bytes
}

/// An inode as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInode {
    /// `i_mode`: type and permissions.
    pub mode: u16,
    /// `i_uid` and `l_i_uid_high`.
    pub uid: u32,
    /// `i_gid` and `l_i_gid_high`.
    pub gid: u32,
    /// `i_size`; the upper half counts for regular files only.
    pub size_bytes: u64,
    /// The upper half of `i_size`, which directories have with the `large_dir` feature.
    pub size_high: u32,
    /// Access time.
    pub atime: Timestamp,
    /// The inode's own change time.
    pub ctime: Timestamp,
    /// Modification time.
    pub mtime: Timestamp,
    /// When it was made, where the inode is large enough to tell.
    pub crtime: Option<Timestamp>,
    /// `i_links_count`.
    pub links_count: u16,
    /// `i_blocks_lo` and `l_i_blocks_high`.
    pub blocks: u64,
    /// `i_flags`.
    pub flags: u32,
    /// `i_block`: block pointers, an extent tree, a short symlink's target, device numbers or
    /// content.
    pub i_block: [u8; I_BLOCK_BYTES],
    /// `i_file_acl` and `l_i_file_acl_high`: the extended attribute block, 0 for none.
    pub xattr_block: u64,
    /// `i_generation`, which the checksums of the inode's own blocks start with, too.
    pub generation: u32,
    /// Where extended attributes in the inode start, where it has room for any.
    pub xattr_offset: Option<usize>,
}

impl StoredInode {
    /// An inode of `bytes`, at least [`CORE_BYTES`] of them, whatever it says.
    pub fn decode(bytes: &[u8]) -> Self {
        let mode = get_u16(bytes, I_MODE);
        let is_regular = mode & 0xf000 == FileType::Regular as u16;
        let size_high = get_u32(bytes, I_SIZE_HIGH);
        let counted_high = if is_regular { size_high } else { 0 };
        let extra_isize = if bytes.len() >= CORE_BYTES + 4 {
            usize::from(get_u16(bytes, I_EXTRA_ISIZE))
        } else {
            0
        };
        let end = (CORE_BYTES + extra_isize).min(bytes.len());
        let wide = |low: usize, high: usize| {
            u32::from(get_u16(bytes, high)) << 16 | u32::from(get_u16(bytes, low))
        };
        let joined = |low: usize, high: usize| {
            u64::from(get_u16(bytes, high)) << 32 | u64::from(get_u32(bytes, low))
        };
        let extra = |offset: usize| (offset + 4 <= end).then(|| get_u32(bytes, offset));
        let time = |offset, extra_offset| decode_time(get_u32(bytes, offset), extra(extra_offset));
        let mut i_block = [0; I_BLOCK_BYTES];
        i_block.copy_from_slice(&bytes[I_BLOCK..I_BLOCK + I_BLOCK_BYTES]);
        Self {
            mode,
            uid: wide(I_UID, L_I_UID_HIGH),
            gid: wide(I_GID, L_I_GID_HIGH),
            size_bytes: u64::from(counted_high) << 32 | u64::from(get_u32(bytes, I_SIZE_LO)),
            size_high,
            atime: time(I_ATIME, I_ATIME_EXTRA),
            ctime: time(I_CTIME, I_CTIME_EXTRA),
            mtime: time(I_MTIME, I_MTIME_EXTRA),
            crtime: extra(I_CRTIME).map(|low| decode_time(low, extra(I_CRTIME_EXTRA))),
            links_count: get_u16(bytes, I_LINKS_COUNT),
            blocks: joined(I_BLOCKS_LO, L_I_BLOCKS_HIGH),
            flags: get_u32(bytes, I_FLAGS),
            i_block,
            xattr_block: joined(I_FILE_ACL_LO, L_I_FILE_ACL_HIGH),
            generation: get_u32(bytes, I_GENERATION),
            xattr_offset: (extra_isize > 0 && CORE_BYTES + extra_isize + 4 <= bytes.len())
                .then_some(CORE_BYTES + extra_isize),
        }
    }

    /// Major and minor, where the inode is a device's.
    pub fn device(&self) -> (u32, u32) {
        let old = get_u32(&self.i_block, 0);
        if old != 0 {
            return (old >> 8 & 0xff, old & 0xff);
        }
        let new = get_u32(&self.i_block, 4);
        (new >> 8 & 0xfff, new & 0xff | new >> 12 & 0xf_ff00)
    }
}

/// A time of its signed low 32 bits and, in larger inodes, the word with two more bits and the
/// nanoseconds. A damaged count of nanoseconds becomes the largest.
fn decode_time(low: u32, extra: Option<u32>) -> Timestamp {
    let extra = extra.unwrap_or(0);
    Timestamp {
        seconds: i64::from(low.cast_signed()) + (i64::from(extra & 3) << 32),
        nanoseconds: (extra >> 2).min(999_999_999),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inode() -> Inode {
        Inode {
            file_type: FileType::Regular,
            permissions: 0o4755,
            uid: 0x0102_0304,
            gid: 0x0506_0708,
            size_bytes: 0x1122_3344_5566_7788,
            time: Timestamp {
                seconds: 5_000_000_000,
                nanoseconds: 999_999_999,
            },
            links_count: 0x0a0b,
            sectors: 0x3132_0c0d_0e0f,
            flags: FLAG_INDEX,
            i_block: std::array::from_fn(|index| index as u8 + 1),
            xattr_block: Some(BlockNumber(0x2122_2324)),
            in_inode_xattrs: [0x99; 96],
        }
    }

    #[test]
    fn every_field_is_at_the_offset_the_kernel_documents() {
        let bytes = inode().encode();
        assert_eq!(get_u16(&bytes, 0x00), 0o104_755);
        assert_eq!(get_u16(&bytes, 0x02), 0x0304);
        assert_eq!(get_u32(&bytes, 0x04), 0x5566_7788);
        let low = 5_000_000_000_i64 as u32;
        for offset in [0x08, 0x0c, 0x10, 0x90] {
            assert_eq!(get_u32(&bytes, offset), low, "{offset:#x}");
        }
        assert_eq!(get_u32(&bytes, 0x14), 0);
        assert_eq!(get_u16(&bytes, 0x18), 0x0708);
        assert_eq!(get_u16(&bytes, 0x1a), 0x0a0b);
        assert_eq!(get_u32(&bytes, 0x1c), 0x0c0d_0e0f);
        assert_eq!(get_u32(&bytes, 0x20), 0x1000);
        assert_eq!((bytes[0x28], bytes[0x63]), (1, 60));
        assert_eq!(StoredInode::decode(&bytes).i_block, inode().i_block);
        assert_eq!(get_u32(&bytes, 0x64), 0);
        assert_eq!(get_u32(&bytes, 0x68), 0x2122_2324);
        assert_eq!(get_u32(&bytes, 0x6c), 0x1122_3344);
        assert_eq!((get_u16(&bytes, 0x74), get_u16(&bytes, 0x76)), (0x3132, 0));
        assert_eq!(get_u16(&bytes, 0x78), 0x0102);
        assert_eq!(get_u16(&bytes, 0x7a), 0x0506);
        assert_eq!(get_u16(&bytes, 0x80), 32);
        for offset in [0x84, 0x88, 0x8c, 0x94] {
            assert_eq!(get_u32(&bytes, offset), 999_999_999 << 2 | 1, "{offset:#x}");
        }
        assert_eq!((bytes[0xa0], bytes[0xff]), (0x99, 0x99));
        assert_eq!(bytes[0x98..0xa0], [0; 8]);
    }

    #[test]
    fn a_directory_has_no_high_size_word() {
        let directory = Inode {
            file_type: FileType::Directory,
            ..inode()
        };
        assert_eq!(get_u32(&directory.encode(), 0x6c), 0);
    }

    #[test]
    fn times_reach_from_1901_to_2310() {
        for (seconds, epoch) in [
            (EARLIEST_SECOND, 0),
            (-1, 0),
            (0, 0),
            (i64::from(i32::MAX), 0),
            (i64::from(i32::MAX) + 1, 1),
            (1 << 32, 1),
            (6_442_450_944, 2),
            (LATEST_SECOND, 2),
        ] {
            let (low, extra) = encode_time(Timestamp::from_seconds(seconds));
            let kernel = i64::from(low.cast_signed()) + (i64::from(extra & 3) << 32);
            assert_eq!((kernel, extra & 3), (seconds, epoch), "{seconds}");
        }
    }

    #[test]
    fn device_numbers_take_the_short_form_where_it_can_hold_them() {
        assert_eq!(encode_device(8, 1)[..8], [1, 8, 0, 0, 0, 0, 0, 0]);
        // As the kernel's new_encode_dev gives it.
        let encoded = 0x1111_2c70_u32;
        assert_eq!(
            encode_device(300, 70_000)[..8],
            [[0; 4], encoded.to_le_bytes()].concat()
        );
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        for seconds in [EARLIEST_SECOND, -1, 0, 1 << 31, 1 << 32, LATEST_SECOND] {
            let time = Timestamp {
                seconds,
                nanoseconds: 999_999_999,
            };
            let inode = Inode { time, ..inode() };
            let bytes = inode.encode();
            let stored = StoredInode::decode(&bytes);
            assert_eq!(stored.mode, 0o104_755);
            assert_eq!((stored.uid, stored.gid), (inode.uid, inode.gid));
            assert_eq!(stored.size_bytes, inode.size_bytes);
            assert_eq!([stored.atime, stored.ctime, stored.mtime], [time; 3]);
            assert_eq!(stored.crtime, Some(time));
            assert_eq!((stored.links_count, stored.flags), (0x0a0b, 0x1000));
            assert_eq!(stored.blocks, inode.sectors);
            assert_eq!(stored.xattr_block, 0x2122_2324);
            assert_eq!(stored.i_block, inode.i_block);
            assert_eq!(stored.xattr_offset, Some(160));
            let old = StoredInode::decode(&bytes[..CORE_BYTES]);
            assert_eq!((old.crtime, old.xattr_offset), (None, None));
            assert_eq!(old.mtime.nanoseconds, 0);
        }
    }

    #[test]
    fn the_wide_fields_of_ext4_are_at_the_offsets_the_kernel_documents() {
        let mut bytes = [0; INODE_BYTES];
        bytes[0x74..0x78].copy_from_slice(&[1, 2, 3, 4]);
        bytes[0x64..0x68].copy_from_slice(&[5, 6, 7, 8]);
        let stored = StoredInode::decode(&bytes);
        assert_eq!(stored.generation, 0x0807_0605);
        assert_eq!(stored.blocks, 0x0201_0000_0000);
        assert_eq!(stored.xattr_block, 0x0403_0000_0000);
    }

    #[test]
    fn device_numbers_are_read_in_both_forms() {
        for device in [(1, 3), (8, 255), (300, 70_000), (4095, (1 << 20) - 1)] {
            let mut bytes = [0; INODE_BYTES];
            bytes[0x28..0x64].copy_from_slice(&encode_device(device.0, device.1));
            assert_eq!(StoredInode::decode(&bytes).device(), device);
        }
    }
}
