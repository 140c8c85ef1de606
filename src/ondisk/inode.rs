//! Inodes of 256 bytes: kernel documentation, "Index Nodes".

use super::{get_u16, get_u32, put_u16, put_u32};
use crate::units::{BlockNumber, Timestamp};

/// Bytes of an inode as layerpress formats.
pub const INODE_BYTES: usize = 256;

/// `i_extra_isize`: how much of the inode beyond 128 bytes its fixed fields take.
pub const EXTRA_ISIZE: u16 = 32;

/// Where extended attributes in the inode start.
pub const IN_INODE_XATTR_OFFSET: usize = 128 + EXTRA_ISIZE as usize;

/// `i_flags`: the directory has a hash index.
pub const FLAG_INDEX: u32 = 0x1000;

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
const I_FILE_ACL_LO: usize = 0x68;
const I_SIZE_HIGH: usize = 0x6c;
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
    /// `i_blocks`, in sectors of 512 bytes.
    pub sectors: u32,
    /// `i_flags`.
    pub flags: u32,
    /// `i_block`: block pointers, a short symlink's target or device numbers.
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
        put_u16(&mut bytes, I_UID, self.uid as u16);
        put_u16(&mut bytes, L_I_UID_HIGH, (self.uid >> 16) as u16);
        put_u16(&mut bytes, I_GID, self.gid as u16);
        put_u16(&mut bytes, L_I_GID_HIGH, (self.gid >> 16) as u16);
        put_u32(&mut bytes, I_SIZE_LO, self.size_bytes as u32);
        if self.file_type == FileType::Regular {
            // In other types this word is something else.
            put_u32(&mut bytes, I_SIZE_HIGH, (self.size_bytes >> 32) as u32);
        }
        put_u16(&mut bytes, I_LINKS_COUNT, self.links_count);
        put_u32(&mut bytes, I_BLOCKS_LO, self.sectors);
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
    let low = time.seconds as u32;
    let epoch = (time.seconds - i64::from(low.cast_signed())) >> 32;
    (low, time.nanoseconds << 2 | (epoch as u32 & 3))
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

/// `i_block` of an encoded inode.
pub fn decode_i_block(bytes: &[u8; INODE_BYTES]) -> [u8; I_BLOCK_BYTES] {
    std::array::from_fn(|index| bytes[I_BLOCK + index])
}

/// `i_size` of an encoded inode, both halves of it.
pub fn decode_size(bytes: &[u8]) -> u64 {
    u64::from(get_u32(bytes, I_SIZE_HIGH)) << 32 | u64::from(get_u32(bytes, I_SIZE_LO))
}

/// `i_mode` of an encoded inode.
pub fn decode_mode(bytes: &[u8]) -> u16 {
    get_u16(bytes, I_MODE)
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
            sectors: 0x0c0d_0e0f,
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
        assert_eq!(decode_i_block(&bytes), inode().i_block);
        assert_eq!(get_u32(&bytes, 0x64), 0);
        assert_eq!(get_u32(&bytes, 0x68), 0x2122_2324);
        assert_eq!(get_u32(&bytes, 0x6c), 0x1122_3344);
        assert_eq!(decode_size(&bytes), 0x1122_3344_5566_7788);
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
        // 300:70000 as the kernel's new_encode_dev gives it
        let (major, minor) = (300_u32, 70_000_u32);
        let encoded = minor & 0xff | major << 8 | (minor & !0xff) << 12;
        assert_eq!(
            encode_device(major, minor)[..8],
            [[0; 4], encoded.to_le_bytes()].concat()
        );
    }
}
