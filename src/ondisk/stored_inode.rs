//! Inodes of any ext2, ext3 or ext4 filesystem, for reading: kernel documentation, "Index Nodes".

use super::inode::I_BLOCK_BYTES;
use super::{get_u16, get_u32};
use crate::units::Timestamp;

/// Bytes of the smallest inode, and of every inode's oldest part.
pub const CORE_BYTES: usize = 128;

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

/// The letters that `lsattr` shows flags by.
pub const FLAG_LETTERS: [(u32, char); 16] = [
    (0x1, 's'),
    (0x2, 'u'),
    (0x8, 'S'),
    (0x10, 'i'),
    (0x20, 'a'),
    (0x40, 'd'),
    (0x80, 'A'),
    (FLAG_ENCRYPT, 'E'),
    (0x1000, 'I'),
    (0x4000, 'j'),
    (0x1_0000, 'D'),
    (0x2_0000, 'T'),
    (FLAG_EXTENTS, 'e'),
    (0x10_0000, 'V'),
    (FLAG_INLINE_DATA, 'N'),
    (0x4000_0000, 'F'),
];

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
    /// Where extended attributes in the inode start, where it has room for any.
    pub xattr_offset: Option<usize>,
}

impl StoredInode {
    /// An inode of `bytes`, at least [`CORE_BYTES`] of them, whatever it says.
    pub fn decode(bytes: &[u8]) -> Self {
        let mode = get_u16(bytes, 0x00);
        let is_regular = mode & 0xf000 == 0x8000;
        let size_high = get_u32(bytes, 0x6c);
        let counted_high = if is_regular { size_high } else { 0 };
        let extra_isize = if bytes.len() >= CORE_BYTES + 4 {
            usize::from(get_u16(bytes, 0x80))
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
        i_block.copy_from_slice(&bytes[0x28..0x28 + I_BLOCK_BYTES]);
        Self {
            mode,
            uid: wide(0x02, 0x78),
            gid: wide(0x18, 0x7a),
            size_bytes: u64::from(counted_high) << 32 | u64::from(get_u32(bytes, 0x04)),
            size_high,
            atime: time(0x08, 0x8c),
            ctime: time(0x0c, 0x84),
            mtime: time(0x10, 0x88),
            crtime: extra(0x90).map(|low| decode_time(low, extra(0x94))),
            links_count: get_u16(bytes, 0x1a),
            blocks: joined(0x1c, 0x74),
            flags: get_u32(bytes, 0x20),
            i_block,
            xattr_block: joined(0x68, 0x76),
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
    use crate::ondisk::inode::{
        EARLIEST_SECOND, FileType, INODE_BYTES, Inode, LATEST_SECOND, encode_device,
    };
    use crate::units::BlockNumber;

    #[test]
    fn what_is_encoded_is_read_back() {
        for seconds in [EARLIEST_SECOND, -1, 0, 1 << 31, 1 << 32, LATEST_SECOND] {
            let time = Timestamp {
                seconds,
                nanoseconds: 999_999_999,
            };
            let inode = Inode {
                file_type: FileType::Regular,
                permissions: 0o4755,
                uid: 0x0102_0304,
                gid: 0x0506_0708,
                size_bytes: 0x1122_3344_5566_7788,
                time,
                links_count: 0x0a0b,
                sectors: 0x0c0d_0e0f,
                flags: 0x1000,
                i_block: std::array::from_fn(|index| index as u8 + 1),
                xattr_block: Some(BlockNumber(0x2122_2324)),
                in_inode_xattrs: [0x99; 96],
            };
            let bytes = inode.encode();
            let stored = StoredInode::decode(&bytes);
            assert_eq!(stored.mode, 0o104_755);
            assert_eq!((stored.uid, stored.gid), (inode.uid, inode.gid));
            assert_eq!(stored.size_bytes, inode.size_bytes);
            assert_eq!([stored.atime, stored.ctime, stored.mtime], [time; 3]);
            assert_eq!(stored.crtime, Some(time));
            assert_eq!((stored.links_count, stored.flags), (0x0a0b, 0x1000));
            assert_eq!(stored.blocks, 0x0c0d_0e0f);
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
        let stored = StoredInode::decode(&bytes);
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
