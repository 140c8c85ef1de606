//! What a superblock tells of a filesystem's state and life: kernel documentation, "Super Block".
//! With the high halves of numbers, which [`super::superblock`] has no need of.

use super::superblock::SUPERBLOCK_BYTES;
use super::{get_u16, get_u32};

/// `s_state`: cleanly unmounted.
pub const STATE_CLEAN: u16 = 0x1;
/// `s_state`: errors were found.
pub const STATE_ERRORS: u16 = 0x2;

const S_BLOCKS_COUNT_LO: usize = 0x04;
const S_R_BLOCKS_COUNT_LO: usize = 0x08;
const S_FREE_BLOCKS_COUNT_LO: usize = 0x0c;
const S_MTIME: usize = 0x2c;
const S_WTIME: usize = 0x30;
const S_MNT_COUNT: usize = 0x34;
const S_STATE: usize = 0x3a;
const S_LASTCHECK: usize = 0x40;
const S_FEATURE_INCOMPAT: usize = 0x60;
const S_VOLUME_NAME: usize = 0x78;
const S_LAST_MOUNTED: usize = 0x88;
const S_DESC_SIZE: usize = 0xfe;
const S_MKFS_TIME: usize = 0x108;
const S_BLOCKS_COUNT_HI: usize = 0x150;
const S_R_BLOCKS_COUNT_HI: usize = 0x154;
const S_FREE_BLOCKS_COUNT_HI: usize = 0x158;
const S_WTIME_HI: usize = 0x274;
const S_MTIME_HI: usize = 0x275;
const S_MKFS_TIME_HI: usize = 0x276;
const S_LASTCHECK_HI: usize = 0x277;

/// A filesystem's state. Times are seconds since 1970, 0 for never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `s_blocks_count`.
    pub blocks_count: u64,
    /// `s_r_blocks_count`: blocks only root may take.
    pub reserved_blocks_count: u64,
    /// `s_free_blocks_count`.
    pub free_blocks_count: u64,
    /// `s_volume_name`: the label, up to its first NUL.
    pub volume_name: Vec<u8>,
    /// `s_last_mounted`: where it was mounted last, up to the first NUL.
    pub last_mounted: Vec<u8>,
    /// `s_state`: [`STATE_CLEAN`], [`STATE_ERRORS`].
    pub state: u16,
    /// `s_mnt_count`: mounts since the last check.
    pub mount_count: u16,
    /// `s_mkfs_time`.
    pub made_seconds: u64,
    /// `s_wtime`: the last write.
    pub written_seconds: u64,
    /// `s_mtime`: the last mount.
    pub mounted_seconds: u64,
    /// `s_lastcheck`.
    pub checked_seconds: u64,
    /// Bytes of a group descriptor.
    pub descriptor_bytes: u16,
}

impl Status {
    /// Decodes a superblock, whatever it says.
    pub fn decode(bytes: &[u8; SUPERBLOCK_BYTES]) -> Self {
        let is_64bit = get_u32(bytes, S_FEATURE_INCOMPAT) & super::features::INCOMPAT_64BIT != 0;
        let count = |low, high| {
            // Without the feature the high words belong to nobody.
            let high = if is_64bit { get_u32(bytes, high) } else { 0 };
            u64::from(high) << 32 | u64::from(get_u32(bytes, low))
        };
        let time = |low, high: usize| u64::from(bytes[high]) << 32 | u64::from(get_u32(bytes, low));
        let text = |at: usize, length: usize| {
            let text = bytes[at..at + length].split(|byte| *byte == 0);
            text.into_iter().next().unwrap_or_default().to_vec()
        };
        Self {
            blocks_count: count(S_BLOCKS_COUNT_LO, S_BLOCKS_COUNT_HI),
            reserved_blocks_count: count(S_R_BLOCKS_COUNT_LO, S_R_BLOCKS_COUNT_HI),
            free_blocks_count: count(S_FREE_BLOCKS_COUNT_LO, S_FREE_BLOCKS_COUNT_HI),
            volume_name: text(S_VOLUME_NAME, 16),
            last_mounted: text(S_LAST_MOUNTED, 64),
            state: get_u16(bytes, S_STATE),
            mount_count: get_u16(bytes, S_MNT_COUNT),
            made_seconds: time(S_MKFS_TIME, S_MKFS_TIME_HI),
            written_seconds: time(S_WTIME, S_WTIME_HI),
            mounted_seconds: time(S_MTIME, S_MTIME_HI),
            checked_seconds: time(S_LASTCHECK, S_LASTCHECK_HI),
            descriptor_bytes: if is_64bit {
                get_u16(bytes, S_DESC_SIZE)
            } else {
                32
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_at_the_offset_the_kernel_documents() {
        let mut bytes: [u8; SUPERBLOCK_BYTES] = std::array::from_fn(|index| (index % 251) as u8);
        let at32 = |offset: u64| (0..4).fold(0, |all, i| all | (((offset + i) % 251) << (8 * i)));
        bytes[0x60..0x64].copy_from_slice(&0x80_u32.to_le_bytes());
        let status = Status::decode(&bytes);
        assert_eq!(status.blocks_count, at32(0x150) << 32 | at32(4));
        assert_eq!(status.reserved_blocks_count, at32(0x154) << 32 | at32(8));
        assert_eq!(status.free_blocks_count, at32(0x158) << 32 | at32(0xc));
        assert_eq!(
            (status.volume_name.len(), status.volume_name[0]),
            (16, 0x78)
        );
        // The byte at 251 would be the first NUL.
        assert_eq!(
            (status.last_mounted.len(), status.last_mounted[0]),
            (64, 0x88)
        );
        assert_eq!(u64::from(status.state), at32(0x3a) & 0xffff);
        assert_eq!(u64::from(status.mount_count), at32(0x34) & 0xffff);
        assert_eq!(status.mounted_seconds, (0x275 % 251) << 32 | at32(0x2c));
        assert_eq!(status.written_seconds, (0x274 % 251) << 32 | at32(0x30));
        assert_eq!(status.made_seconds, (0x276 % 251) << 32 | at32(0x108));
        assert_eq!(status.checked_seconds, (0x277 % 251) << 32 | at32(0x40));
        // 254 is 3 modulo 251.
        assert_eq!(status.descriptor_bytes, 0x0403);
        bytes[0x60..0x64].copy_from_slice(&[0; 4]);
        let status = Status::decode(&bytes);
        assert_eq!(
            (status.blocks_count, status.descriptor_bytes),
            (at32(4), 32)
        );
        bytes[0x7a] = 0;
        assert_eq!(Status::decode(&bytes).volume_name, [0x78, 0x79]);
    }
}
